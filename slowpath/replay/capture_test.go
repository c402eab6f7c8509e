package replay

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"
)

// block makes a pcapng block, in either byte order.
func block(o binary.AppendByteOrder, kind uint32, body ...[]byte) []byte {
	b := bytes.Join(body, nil)
	b = append(b, make([]byte, -len(b)&3)...)
	size := uint32(12 + len(b))
	out := o.AppendUint32(o.AppendUint32(nil, kind), size)
	return o.AppendUint32(append(out, b...), size)
}

func section(o binary.AppendByteOrder) []byte {
	return block(o, sectionBlock, o.AppendUint32(nil, 0x1a2b3c4d), o.AppendUint16(nil, 1), make([]byte, 2), bytes.Repeat([]byte{0xff}, 8))
}

// iface makes an interface description with options of a code and a value each.
func iface(o binary.AppendByteOrder, snap uint32, options ...[]byte) []byte {
	return block(o, interfaceBlock, o.AppendUint16(nil, 1), make([]byte, 2), o.AppendUint32(nil, snap), bytes.Join(options, nil))
}

func option(o binary.AppendByteOrder, code uint16, value ...byte) []byte {
	b := append(o.AppendUint16(o.AppendUint16(nil, code), uint16(len(value))), value...)
	return append(b, make([]byte, -len(b)&3)...)
}

func enhanced(o binary.AppendByteOrder, micros uint64, size int, data []byte) []byte {
	b := make([]byte, 4)
	for _, n := range []uint32{uint32(micros >> 32), uint32(micros), uint32(size), uint32(size)} {
		b = o.AppendUint32(b, n)
	}
	return block(o, enhancedBlock, b, data)
}

// pcap makes a pcap file of one packet.
func pcap(snap uint32, size int, data []byte) []byte {
	o := binary.LittleEndian
	b := o.AppendUint16(o.AppendUint16(o.AppendUint32(nil, magicMicros), 2), 4)
	for _, n := range []uint32{0, 0, snap, 1, 5, 7, uint32(size), uint32(size)} {
		b = o.AppendUint32(b, n)
	}
	return append(b, data...)
}

// readAll reads a capture to its end, and tells its packets' lengths and times and what was wrong with it.
func readAll(file []byte) (packets []string, err error) {
	s, err := newCapture(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	for {
		p, err := s.Next()
		if err == io.EOF {
			return packets, nil
		}
		if err != nil {
			return packets, err
		}
		packets = append(packets, fmt.Sprintf("%d %s", len(p.Frame), p.Time.Sub(time.Unix(0, 0))))
	}
}

func TestWhatCapturesAreRead(t *testing.T) {
	le, be := binary.LittleEndian, binary.BigEndian
	data := make([]byte, 61)
	head := append(section(le), iface(le, 0)...)
	good := append(bytes.Clone(head), enhanced(le, 5_000_007, 61, data)...)
	for name, c := range map[string]struct {
		file []byte
		want []string
		err  string
	}{
		"pcap":                                 {pcap(65536, 61, data), []string{"61 5.000007s"}, ""},
		"pcap with a snapshot length of 0":     {pcap(0, 61, data), []string{"61 5.000007s"}, ""},
		"pcap that is longer than it promised": {pcap(60, 61, data), []string{"61 5.000007s"}, ""},
		"pcap that promises 4 GiB":             {pcap(1<<32-1, 61, data), []string{"61 5.000007s"}, ""},
		"pcap cut off in a packet":             {pcap(65536, 61, data[:60]), nil, "packet 1: the capture is cut off"},
		"pcap cut off before a packet's bytes": {pcap(65536, 61, nil), nil, "packet 1: the capture is cut off"},
		"pcap cut off in a packet's header":    {pcap(65536, 61, nil)[:30], nil, "packet 1: the capture is cut off"},
		"pcap cut off in its header":           {pcap(65536, 61, nil)[:23], nil, "pcap header: the capture is cut off"},
		"pcap with a packet of 4 GiB":          {pcap(65536, 1<<32-1, data), nil, "packet 1: "},

		"pcapng":                            {good, []string{"61 5.000007s"}, ""},
		"pcapng in two byte orders":         {bytes.Join([][]byte{good, section(be), iface(be, 0), enhanced(be, 6_000_000, 61, data)}, nil), []string{"61 5.000007s", "61 6s"}, ""},
		"pcapng with a packet without time": {append(bytes.Clone(good), block(le, simpleBlock, le.AppendUint32(nil, 61), data)...), []string{"61 5.000007s", "61 5.000007s"}, ""},
		"a simple packet cut by the snapshot length": {
			bytes.Join([][]byte{section(le), iface(le, 60), block(le, simpleBlock, le.AppendUint32(nil, 61), data[:60])}, nil), []string{"60 0s"}, ""},
		"a simple packet that is not there":       {append(bytes.Clone(head), block(le, simpleBlock, le.AppendUint32(nil, 1<<30), data)...), nil, "block 3"},
		"a packet of 4 GiB":                       {append(bytes.Clone(head), enhanced(le, 0, 1<<32-1, data)...), nil, "does not fit"},
		"a block of an unknown type":              {bytes.Join([][]byte{head, block(le, 0xbad, []byte{1}), enhanced(le, 1, 61, data)}, nil), []string{"61 1µs"}, ""},
		"a block of no length":                    {append(bytes.Clone(good), make([]byte, 40)...), []string{"61 5.000007s"}, "block 4 of the pcapng file is damaged: its length of 0 bytes"},
		"a block of 4 GiB":                        {append(bytes.Clone(good), 9, 0, 0, 0, 0xf0, 0xff, 0xff, 0xff, 0, 0, 0, 0), []string{"61 5.000007s"}, "block 4"},
		"two lengths that differ":                 {append(bytes.Clone(good[:len(good)-1]), 1), nil, "differ"},
		"nanoseconds":                             {bytes.Join([][]byte{section(le), iface(le, 0, option(le, ifTsresol, 9)), enhanced(le, 7, 61, data)}, nil), []string{"61 7ns"}, ""},
		"a resolution of 10 to the minus 20":      {bytes.Join([][]byte{section(le), iface(le, 0, option(le, ifTsresol, 20)), enhanced(le, 7, 61, data)}, nil), nil, "if_tsresol 14"},
		"a resolution of 10 to the minus 127":     {bytes.Join([][]byte{section(le), iface(le, 0, option(le, ifTsresol, 127)), enhanced(le, 7, 61, data)}, nil), nil, "if_tsresol 7f"},
		"a resolution of 2 to the minus 64":       {bytes.Join([][]byte{section(le), iface(le, 0, option(le, ifTsresol, 0xc0)), enhanced(le, 7, 61, data)}, nil), nil, "if_tsresol c0"},
		"a resolution without a value":            {bytes.Join([][]byte{section(le), iface(le, 0, option(le, ifTsresol)), enhanced(le, 7, 61, data)}, nil), nil, "if_tsresol"},
		"an option longer than its block":         {bytes.Join([][]byte{section(le), iface(le, 0, []byte{2, 0, 200, 0, 'a'}), enhanced(le, 7, 61, data)}, nil), nil, "options do not fit"},
		"an interface description without a body": {append(section(le), block(le, interfaceBlock)...), nil, "too short"},
		"a section header without its byte order": {append(bytes.Clone(good), block(le, sectionBlock, make([]byte, 16))...), []string{"61 5.000007s"}, "byte order"},
		"a section header cut off":                {section(le)[:20], nil, "pcapng header: the capture is cut off"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readAll(c.file)
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("packets %q, want %q", got, c.want)
			}
			if err == nil != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want %q", err, c.err)
			}
		})
	}
}

func TestAFolderIsNotCalledAShortCapture(t *testing.T) {
	_, err := Open(t.TempDir())
	if !errors.Is(err, syscall.EISDIR) {
		t.Errorf("got %v", err)
	}
}

func TestAPcapngCutOffAnywhereIsAnErrorUnlessBetweenBlocks(t *testing.T) {
	le := binary.LittleEndian
	parts := [][]byte{section(le), iface(le, 0, option(le, 2, 'w', 'a', 'n')), enhanced(le, 1, 61, make([]byte, 61)), enhanced(le, 2, 3, make([]byte, 3))}
	whole := map[int]int{} // packets in a file of so many bytes
	n := 0
	for i, p := range parts {
		n += len(p)
		whole[n] = max(0, i-1)
	}
	file := bytes.Join(parts, nil)
	for n := len(parts[0]); n <= len(file); n++ {
		got, err := readAll(file[:n])
		if packets, ok := whole[n]; ok != (err == nil) || ok && len(got) != packets {
			t.Errorf("%d bytes: %d packets, error %v", n, len(got), err)
		}
	}
}

// FuzzCaptures looks for captures that end the process.
func FuzzCaptures(f *testing.F) {
	le, be := binary.LittleEndian, binary.BigEndian
	f.Add(pcap(65536, 61, make([]byte, 61)))
	f.Add(bytes.Join([][]byte{section(le), iface(le, 0, option(le, ifTsresol, 9), option(le, 11, 0, 'x')), enhanced(le, 7, 5, make([]byte, 5))}, nil))
	f.Add(bytes.Join([][]byte{section(be), iface(be, 9, option(be, 14, make([]byte, 8)...)), block(be, simpleBlock, be.AppendUint32(nil, 5), make([]byte, 8))}, nil))
	f.Add(bytes.Join([][]byte{section(le), iface(le, 0), block(le, statisticsBlock, make([]byte, 12), option(le, 2, make([]byte, 8)...)), block(le, packetBlock, make([]byte, 20))}, nil))
	f.Fuzz(func(t *testing.T, file []byte) {
		_, _ = readAll(file)
	})
}
