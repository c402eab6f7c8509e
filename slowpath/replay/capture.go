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

// Capture is a capture that is read: pcap or pcapng, told apart by its first bytes.
type Capture struct {
	file  *os.File
	pcap  *pcapgo.Reader
	link  link // of pcap
	ng    *pcapgo.NgReader
	nanos bool // timestamps may be finer than a microsecond
	count int
	last  time.Time // of the packet before
	frame []byte    // of the packet, where the capture is not of Ethernet
}

// maxPacket is what libpcap allows, whatever snapshot length a pcap file claims: some writers put 0 there, or less
// than they write.
const maxPacket = 256 << 10

const (
	magicNg     = 0x0a0d0d0a
	magicMicros = 0xa1b2c3d4
	magicNanos  = 0xa1b23c4d
)

// Open opens a capture.
func Open(path string) (*Capture, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the capture: %w", err)
	}
	s, err := newCapture(f)
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s.file = f
	return s, nil
}

func newCapture(r io.Reader) (*Capture, error) {
	b := bufio.NewReaderSize(r, 1<<20)
	head, err := b.Peek(4)
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the file is too short to be a capture")
	}
	if err != nil {
		return nil, fmt.Errorf("reading the capture: %w", err)
	}
	le, be := binary.LittleEndian.Uint32(head), binary.BigEndian.Uint32(head)
	s := &Capture{last: time.Unix(0, 0)}
	switch {
	case le == magicNg:
		s.nanos = true
		if s.ng, err = pcapgo.NewNgReader(newBlocks(b), pcapgo.NgReaderOptions{WantMixedLinkType: true}); err != nil {
			return nil, fmt.Errorf("reading the pcapng header: %w", cutOff(err, "it"))
		}
		return s, nil
	case le == magicMicros, be == magicMicros, le == magicNanos, be == magicNanos:
		s.nanos = le == magicNanos || be == magicNanos
		var order binary.ByteOrder = binary.LittleEndian
		if be == magicMicros || be == magicNanos {
			order = binary.BigEndian
		}
		if head, err := b.Peek(pcapHeader); err == nil {
			s.link = link(order.Uint32(head[pcapHeader-4:])) // what is above 16 bits is the length of a frame's checksum
		}
		if s.pcap, err = pcapgo.NewReader(b); err != nil {
			return nil, fmt.Errorf("reading the pcap header: %w", cutOff(err, "it"))
		}
		s.pcap.SetSnaplen(maxPacket)
		return s, s.link.check()
	}
	return nil, errors.New("neither a pcap nor a pcapng file")
}

// pcapHeader is the length of a pcap file's header, which ends with the link type.
const pcapHeader = 24

// Packet is one packet of a capture.
type Packet struct {
	Frame     []byte // with an Ethernet header; valid until the next read
	Time      time.Time
	Interface string // name of the capture's interface, pcapng only
	// Unaddressed is a frame of a capture that does not tell which station packets are for.
	Unaddressed bool
	Missing     int // bytes at the end that were not captured
}

// Next reads a packet; io.EOF at the end.
func (s *Capture) Next() (p Packet, err error) {
	var ci gopacket.CaptureInfo
	link := s.link
	if s.ng != nil {
		p.Frame, ci, err = s.ng.ZeroCopyReadPacketData()
	} else {
		p.Frame, ci, err = s.pcap.ZeroCopyReadPacketData()
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
	if p.Time = ci.Timestamp; p.Time.IsZero() {
		p.Time = s.last // a simple packet block has none
	}
	s.last, p.Missing = p.Time, max(0, ci.Length-ci.CaptureLength)
	if s.ng != nil {
		i, err := s.ng.Interface(ci.InterfaceIndex)
		if err != nil {
			return p, fmt.Errorf("packet %d: %w", s.count, err)
		}
		link, p.Interface = ngLink(i.LinkType), i.Name
		if err := link.check(); err != nil {
			return p, fmt.Errorf("packet %d: %w", s.count, err)
		}
	}
	if link != linkEthernet {
		s.frame = link.frame(s.frame[:0], p.Frame)
		p.Frame, p.Unaddressed = s.frame, true
	}
	return p, nil
}

// isAt reports whether a path leads to the capture's own file, so that writing there would destroy it.
func (s *Capture) isAt(path string) bool {
	own, err := s.file.Stat()
	if err != nil || !own.Mode().IsRegular() {
		return false
	}
	other, err := os.Stat(path)
	return err == nil && os.SameFile(own, other)
}

// Close closes the file.
func (s *Capture) Close() { _ = s.file.Close() }

// Output is a capture that is written: pcapng, with an interface for each port, if the path ends so, pcap otherwise.
type Output struct {
	file *os.File
	buf  *bufio.Writer
	pcap *pcapgo.Writer
	ng   *pcapgo.NgWriter
}

const snapLen = 1 << 16

// Create makes a capture of what leaves ports of these names. Without nanos, pcap's times are of microseconds.
func Create(path string, ports []string, nanos bool) (*Output, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("creating the output: %w", err)
	}
	t := &Output{file: f, buf: bufio.NewWriterSize(f, 1<<20)}
	if err := t.header(strings.HasSuffix(path, ".pcapng"), ports, nanos); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("writing %s: %w", path, err)
	}
	return t, nil
}

func (t *Output) header(ng bool, ports []string, nanos bool) error {
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

// Write adds a frame that left a port, by its number.
func (t *Output) Write(frame []byte, at time.Time, port int) error {
	ci := gopacket.CaptureInfo{Timestamp: at, CaptureLength: len(frame), Length: len(frame)}
	if t.ng != nil {
		ci.InterfaceIndex = port
		return t.ng.WritePacket(ci, frame)
	}
	return t.pcap.WritePacket(ci, frame)
}

// Close writes what is left, and closes the file.
func (t *Output) Close() error {
	var err error
	if t.ng != nil {
		err = t.ng.Flush()
	}
	return errors.Join(err, t.buf.Flush(), t.file.Close())
}
