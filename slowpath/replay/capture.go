package replay

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// source reads a capture: pcap or pcapng, told apart by its first bytes.
type source struct {
	file  *os.File
	pcap  *pcapgo.Reader
	ng    *pcapgo.NgReader
	nanos bool // timestamps may be finer than a microsecond
	count int
	last  time.Time // of the packet before
}

// maxPacket is what libpcap allows, whatever snapshot length a pcap file claims: some writers put 0 there, or less
// than they write.
const maxPacket = 256 << 10

const (
	magicNg     = 0x0a0d0d0a
	magicMicros = 0xa1b2c3d4
	magicNanos  = 0xa1b23c4d
)

func openSource(path string) (*source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the capture: %w", err)
	}
	s, err := newSource(f)
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s.file = f
	return s, nil
}

func newSource(r io.Reader) (*source, error) {
	b := bufio.NewReaderSize(r, 1<<20)
	head, err := b.Peek(4)
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the file is too short to be a capture")
	}
	if err != nil {
		return nil, fmt.Errorf("reading the capture: %w", err)
	}
	le, be := binary.LittleEndian.Uint32(head), binary.BigEndian.Uint32(head)
	s := &source{last: time.Unix(0, 0)}
	var link layers.LinkType
	switch {
	case le == magicNg:
		s.nanos = true
		if s.ng, err = pcapgo.NewNgReader(newBlocks(b), pcapgo.NgReaderOptions{WantMixedLinkType: true}); err != nil {
			return nil, fmt.Errorf("reading the pcapng header: %w", cutOff(err, "it"))
		}
		return s, nil
	case le == magicMicros, be == magicMicros, le == magicNanos, be == magicNanos:
		s.nanos = le == magicNanos || be == magicNanos
		if s.pcap, err = pcapgo.NewReader(b); err != nil {
			return nil, fmt.Errorf("reading the pcap header: %w", cutOff(err, "it"))
		}
		s.pcap.SetSnaplen(maxPacket)
		link = s.pcap.LinkType()
	default:
		return nil, errors.New("neither a pcap nor a pcapng file")
	}
	return s, checkLink(link)
}

func checkLink(l layers.LinkType) error {
	if l != layers.LinkTypeEthernet {
		return fmt.Errorf("the capture's link type is %s: Weir replays Ethernet frames only", l)
	}
	return nil
}

// captured is one packet of the source.
type captured struct {
	data  []byte // valid until the next read
	time  time.Time
	iface string // name of the capture's interface, pcapng only
}

// next reads a packet; io.EOF at the end.
func (s *source) next() (p captured, err error) {
	var ci gopacket.CaptureInfo
	if s.ng != nil {
		p.data, ci, err = s.ng.ZeroCopyReadPacketData()
	} else {
		p.data, ci, err = s.pcap.ZeroCopyReadPacketData()
		if err == io.EOF && ci.CaptureLength > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	if err == io.EOF {
		return p, err
	}
	s.count++
	if err != nil {
		return p, fmt.Errorf("packet %d: %w", s.count, cutOff(err, "it"))
	}
	if p.time = ci.Timestamp; p.time.IsZero() {
		p.time = s.last // a simple packet block has none
	}
	s.last = p.time
	if s.ng != nil {
		i, err := s.ng.Interface(ci.InterfaceIndex)
		if err != nil {
			return p, fmt.Errorf("packet %d: %w", s.count, err)
		}
		if err := checkLink(i.LinkType); err != nil {
			return p, fmt.Errorf("packet %d: %w", s.count, err)
		}
		p.iface = i.Name
	}
	return p, nil
}

// isAt reports whether a path leads to the capture's own file, so that writing there would destroy it.
func (s *source) isAt(path string) bool {
	own, err := s.file.Stat()
	if err != nil || !own.Mode().IsRegular() {
		return false
	}
	other, err := os.Stat(path)
	return err == nil && os.SameFile(own, other)
}

func (s *source) close() { _ = s.file.Close() }

// target writes a capture: pcapng, with an interface for each port, if the path ends so, pcap otherwise.
type target struct {
	file *os.File
	buf  *bufio.Writer
	pcap *pcapgo.Writer
	ng   *pcapgo.NgWriter
}

const snapLen = 1 << 16

func createTarget(path string, ports []string, nanos bool) (*target, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("creating the output: %w", err)
	}
	t := &target{file: f, buf: bufio.NewWriterSize(f, 1<<20)}
	if err := t.header(strings.HasSuffix(path, ".pcapng"), ports, nanos); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("writing %s: %w", path, err)
	}
	return t, nil
}

func (t *target) header(ng bool, ports []string, nanos bool) error {
	if !ng {
		t.pcap = pcapgo.NewWriter(t.buf)
		if nanos {
			t.pcap = pcapgo.NewWriterNanos(t.buf)
		}
		return t.pcap.WriteFileHeader(snapLen, layers.LinkTypeEthernet)
	}
	for i, name := range ports {
		iface := pcapgo.NgInterface{Name: name, LinkType: layers.LinkTypeEthernet, SnapLength: snapLen, TimestampResolution: 9}
		if i == 0 {
			w, err := pcapgo.NewNgWriterInterface(t.buf, iface, pcapgo.NgWriterOptions{
				SectionInfo: pcapgo.NgSectionInfo{Application: "weir replay"},
			})
			if err != nil {
				return err
			}
			t.ng = w
			continue
		}
		if _, err := t.ng.AddInterface(iface); err != nil {
			return err
		}
	}
	return nil
}

func (t *target) write(frame []byte, at time.Time, port int) error {
	ci := gopacket.CaptureInfo{Timestamp: at, CaptureLength: len(frame), Length: len(frame)}
	if t.ng != nil {
		ci.InterfaceIndex = port
		return t.ng.WritePacket(ci, frame)
	}
	return t.pcap.WritePacket(ci, frame)
}

func (t *target) close() error {
	var err error
	if t.ng != nil {
		err = t.ng.Flush()
	}
	return errors.Join(err, t.buf.Flush(), t.file.Close())
}
