package replay

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// blocks passes a pcapng file on, each of its blocks (draft-ietf-opsawg-pcapng section 3.1) only once it is there in
// full and its lengths go together: gopacket's reader relies on both, and takes a file that is cut off for one that
// ends. It fails with io.ErrUnexpectedEOF for such a file.
type blocks struct {
	r     *bufio.Reader
	order binary.ByteOrder // of the section
	block []byte
	rest  []byte // of block, not yet passed on
	count int
	snap  uint32 // of the section's first interface: bytes of a packet in a simple packet block; 0: no limit
	first bool   // that interface is still to come
}

const maxBlock = 16 << 20 // bytes, as in Wireshark

// Types of blocks, and codes of options.
const (
	sectionBlock    = magicNg
	interfaceBlock  = 1
	packetBlock     = 2 // obsolete
	simpleBlock     = 3
	statisticsBlock = 5
	enhancedBlock   = 6

	endOfOptions = 0
	ifTsresol    = 9
)

func newBlocks(r *bufio.Reader) *blocks { return &blocks{r: r, order: binary.LittleEndian} }

// Read implements io.Reader.
func (s *blocks) Read(b []byte) (int, error) {
	if len(s.rest) == 0 {
		if err := s.next(); err != nil {
			return 0, err
		}
	}
	n := copy(b, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *blocks) next() error {
	const frame = 12 // type and length before the body, length after it
	head, err := s.r.Peek(frame)
	if err == io.EOF && len(head) > 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	s.count++
	kind := s.order.Uint32(head)
	if kind == sectionBlock { // the same in either byte order
		if err := s.beginSection(head[8:]); err != nil {
			return err
		}
	}
	size := s.order.Uint32(head[4:])
	if size < frame || size > maxBlock {
		return s.errorf("its length of %d bytes is impossible", size)
	}
	if cap(s.block) < int(size) {
		s.block = make([]byte, size)
	}
	s.block = s.block[:size]
	if _, err := io.ReadFull(s.r, s.block); err != nil {
		return err
	}
	if s.order.Uint32(s.block[size-4:]) != size {
		return s.errorf("the lengths at its beginning and end differ")
	}
	if err := s.check(kind, s.block[8:size-4]); err != nil {
		return err
	}
	s.rest = s.block
	return nil
}

func (s *blocks) errorf(format string, args ...any) error {
	return fmt.Errorf("block %d of the pcapng file is damaged: %s", s.count, fmt.Sprintf(format, args...))
}

// beginSection learns a section's byte order from its magic.
func (s *blocks) beginSection(magic []byte) error {
	const byteOrderMagic = 0x1a2b3c4d
	switch uint32(byteOrderMagic) {
	case binary.LittleEndian.Uint32(magic):
		s.order = binary.LittleEndian
	case binary.BigEndian.Uint32(magic):
		s.order = binary.BigEndian
	default:
		return s.errorf("it does not tell its byte order")
	}
	s.snap, s.first = 0, true
	return nil
}

// fixed is how long the part of a block's body is that is always there.
var fixed = map[uint32]int{
	sectionBlock: 16, interfaceBlock: 8, packetBlock: 20, simpleBlock: 4, statisticsBlock: 12, enhancedBlock: 20,
}

// check looks at what gopacket takes on trust of a block.
func (s *blocks) check(kind uint32, body []byte) error {
	if len(body) < fixed[kind] {
		return s.errorf("it is too short for its type")
	}
	rest := body[fixed[kind]:]
	switch kind {
	case interfaceBlock:
		if l := link(s.order.Uint16(body)); l > 0xff || l == linkCooked2&0xff { // see ngLink
			if err := l.check(); err != nil {
				return err
			}
		}
		if s.first {
			s.snap, s.first = s.order.Uint32(body[4:]), false
		}
		return s.options(rest, s.checkResolution)
	case sectionBlock, statisticsBlock:
		return s.options(rest, func(uint16, []byte) error { return nil })
	case packetBlock, enhancedBlock:
		return s.checkLength(s.order.Uint32(body[12:]), rest)
	case simpleBlock:
		size := s.order.Uint32(body)
		if s.snap != 0 {
			size = min(size, s.snap)
		}
		return s.checkLength(size, rest)
	}
	return nil
}

func (s *blocks) checkLength(size uint32, rest []byte) error {
	if uint64(size) > uint64(len(rest)) {
		return s.errorf("its packet of %d bytes does not fit", size)
	}
	return nil
}

// options gives every option of a list to check.
func (s *blocks) options(b []byte, check func(code uint16, value []byte) error) error {
	const most = 0xfffc // so that the length can be rounded up to a multiple of 4
	for len(b) > 0 {
		if len(b) < 4 {
			return s.errorf("its options do not fit")
		}
		code, size := s.order.Uint16(b), int(s.order.Uint16(b[2:]))
		if code == endOfOptions {
			return nil
		}
		padded := (size + 3) &^ 3
		if size > most || padded > len(b)-4 {
			return s.errorf("its options do not fit")
		}
		if err := check(code, b[4:4+size]); err != nil {
			return err
		}
		b = b[4+padded:]
	}
	return nil
}

// checkResolution refuses a unit of time of which 64 bits do not hold a second.
func (s *blocks) checkResolution(code uint16, value []byte) error {
	if code != ifTsresol {
		return nil
	}
	const binaryUnit = 0x80 // of 2 to the power of minus the other bits, else of 10
	if len(value) != 1 || value[0]&binaryUnit == 0 && value[0] > 19 || value[0]&binaryUnit != 0 && value[0]&^binaryUnit > 63 {
		return s.errorf("its if_tsresol %x is impossible", value)
	}
	return nil
}

// cutOff puts the end of a file in the middle of something into words.
func cutOff(err error, within string) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the capture is cut off in the middle of %s", within)
	}
	return err
}
