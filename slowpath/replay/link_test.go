package replay

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"testing"
)

// file is a pcap file of a link type with one packet.
func (l link) file(data []byte) []byte {
	b := pcap(65536, len(data), data)
	binary.LittleEndian.PutUint32(b[pcapHeader-4:], uint32(l))
	return b
}

// ngFile is the same as pcapng.
func (l link) ngFile(data []byte) []byte {
	le := binary.LittleEndian
	i := iface(le, 0)
	le.PutUint16(i[8:], uint16(l))
	return bytes.Join([][]byte{section(le), i, enhanced(le, 1, len(data), data)}, nil)
}

func TestCapturesOfOtherLinksAreReplayedAsFrames(t *testing.T) {
	const zero, ip4, ip6 = "000000000000", "4500001c", "60000000"
	for name, c := range map[string]struct {
		link         link
		packet, want string
	}{
		"cooked, received":                         {linkCooked, "0000" + "0001" + "0006" + "0200000000090000" + "0800" + ip4, zero + "020000000009" + "0800" + ip4},
		"cooked, sent, from a device without MACs": {linkCooked, "0004" + "fffe" + "0000" + "0000000000000000" + "86dd" + ip6, zero + zero + "86dd" + ip6},
		"cooked, an ARP request":                   {linkCooked, "0001" + "0001" + "0006" + "0200000000090000" + "0806" + "0001", "ffffffffffff" + "020000000009" + "0806" + "0001"},
		"cooked 2":                                 {linkCooked2, "0800" + "0000" + "00000003" + "0001" + "00" + "06" + "0200000000090000" + ip4, zero + "020000000009" + "0800" + ip4},
		"cooked 2, multicast":                      {linkCooked2, "86dd" + "0000" + "00000003" + "0001" + "02" + "06" + "0200000000090000" + ip6, "ffffffffffff" + "020000000009" + "86dd" + ip6},
		"raw IPv4":                                 {linkRaw, ip4, zero + zero + "0800" + ip4},
		"raw IPv6":                                 {linkRawBSD, ip6, zero + zero + "86dd" + ip6},
		"IPv6":                                     {linkIPv6, ip6, zero + zero + "86dd" + ip6},
		"loopback":                                 {linkNull, "1e000000" + ip6, zero + zero + "86dd" + ip6},
		"a cooked header cut off":                  {linkCooked, "0000" + "0001", ""},
		"a second cooked header cut off":           {linkCooked2, "0000" + "0001", ""},
		"loopback cut off":                         {linkLoop, "00", ""},
		"an empty packet":                          {linkIPv4, "", zero + zero + "0800"},
	} {
		data, err := hex.DecodeString(c.packet)
		if err != nil {
			t.Fatal(name, err)
		}
		for form, file := range map[string][]byte{"pcap": c.link.file(data), "pcapng": c.link.ngFile(data)} {
			t.Run(name+"/"+form, func(t *testing.T) {
				s, err := newCapture(bytes.NewReader(file))
				if err != nil {
					t.Fatal(err)
				}
				p, err := s.Next()
				if err != nil {
					t.Fatal(err)
				}
				if got := hex.EncodeToString(p.Frame); got != c.want || !p.Unaddressed {
					t.Errorf("the frame is %s, want %s; unaddressed: %t", got, c.want, p.Unaddressed)
				}
				if _, err := s.Next(); err != io.EOF {
					t.Errorf("after it: %v", err)
				}
			})
		}
	}
}

func TestAnUnknownLinkTypeIsNamed(t *testing.T) {
	for _, l := range []link{20, 127, 257, 277} {
		for form, file := range map[string][]byte{"pcap": l.file([]byte{1}), "pcapng": l.ngFile([]byte{1})} {
			_, err := readAll(file)
			if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("link type is %d: ", l)) {
				t.Errorf("%s of link type %d: error %v", form, l, err)
			}
		}
	}
}

func TestACaptureTellsWhatItLacksOfAPacket(t *testing.T) {
	file := pcap(65536, 61, make([]byte, 61))
	binary.LittleEndian.PutUint32(file[len(file)-61-4:], 1514)
	s, err := newCapture(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if p, err := s.Next(); err != nil || p.Missing != 1514-61 {
		t.Errorf("%d bytes are missing, error %v", p.Missing, err)
	}
}
