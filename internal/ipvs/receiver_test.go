package ipvs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
)

// receiver is all stations behind the balancer: they put fragments together, also those that came in tunnels and the tunnels' own.
type receiver struct{ piles map[string]*pile }

func newReceiver() *receiver { return &receiver{map[string]*pile{}} }

// pile is what has come of a datagram.
type pile struct {
	header []byte // of the first fragment
	got    [][2]int
	data   []byte
	size   int // 0: the last one has not come
}

// receive is the packets that frames have made whole.
func (r *receiver) receive(frames []Frame) (out []Frame) {
	for _, f := range frames {
		if ip := r.packet(fmt.Sprintf("%s %x", f.Port, f.Data[:14]), f.Data[14:]); ip != nil {
			out = append(out, Frame{f.Port, slices.Concat(f.Data[:14], ip)})
		}
	}
	return out
}

// packet is an IP packet if it is whole, nil otherwise; path is how it came.
func (r *receiver) packet(path string, ip []byte) []byte {
	if ip[0]>>4 == 4 && sumIP4(ip[:20]) != 0xffff {
		return ip // is shown as it is
	}
	ip = bytes.Clone(ip)
	if header, payload, from, more, id, ok := fragmentOf(ip); ok {
		key := fmt.Sprintf("%s %s %s", path, addressesOf(ip), id)
		p := r.piles[key]
		if p == nil {
			p = &pile{}
			r.piles[key] = p
		}
		if ip = p.add(header, payload, from, more); ip == nil {
			return nil
		}
		delete(r.piles, key)
	}
	header, proto := 20, ip[9]
	if ip[0]>>4 == 6 {
		header, proto = 40, ip[6]
	}
	if proto != 4 && proto != 41 {
		return ip
	}
	inner := r.packet(path+addressesOf(ip), ip[header:])
	if inner == nil {
		return nil
	}
	return withLength(slices.Concat(ip[:header], inner))
}

func addressesOf(ip []byte) string {
	if ip[0]>>4 == 6 {
		return string(ip[8:40])
	}
	return string(ip[12:20])
}

// fragmentOf takes a fragment apart; its header is that of the whole packet.
func fragmentOf(ip []byte) (header, payload []byte, from int, more bool, id string, ok bool) {
	if ip[0]>>4 == 6 {
		if ip[6] != 44 {
			return nil, nil, 0, false, "", false
		}
		offset := binary.BigEndian.Uint16(ip[42:])
		header = bytes.Clone(ip[:40])
		header[6] = ip[40]
		return header, ip[48:], int(offset &^ 7), offset&1 != 0, string(ip[44:48]), true
	}
	offset := binary.BigEndian.Uint16(ip[6:])
	if offset&0x3fff == 0 {
		return nil, nil, 0, false, "", false
	}
	header = bytes.Clone(ip[:20])
	header[6], header[7] = header[6]&0x40, 0
	return header, ip[20:], int(offset&0x1fff) * 8, offset&0x2000 != 0, string(ip[4:6]) + string(ip[9]), true
}

// add is the packet that a fragment completes.
func (p *pile) add(header, payload []byte, from int, more bool) []byte {
	if from == 0 {
		p.header = header
	}
	to := from + len(payload)
	if !more {
		p.size = to
	}
	if need := to - len(p.data); need > 0 {
		p.data = append(p.data, make([]byte, need)...)
	}
	copy(p.data[from:], payload)
	p.got = append(p.got, [2]int{from, to})
	slices.SortFunc(p.got, func(a, b [2]int) int { return a[0] - b[0] })
	reach := 0
	for _, g := range p.got {
		if g[0] > reach {
			return nil
		}
		reach = max(reach, g[1])
	}
	if p.header == nil || p.size == 0 || reach < p.size {
		return nil
	}
	return withLength(slices.Concat(p.header, p.data))
}

// withLength is a packet whose header has its length.
func withLength(ip []byte) []byte {
	if ip[0]>>4 == 6 {
		binary.BigEndian.PutUint16(ip[4:], uint16(len(ip)-40))
		return ip
	}
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	sealIP4(ip[:20])
	return ip
}

func TestReceiverPutsFragmentsTogether(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		for name, pieces := range orders {
			s := service(UDP, NAT, "rr", v6, 1)
			p := s.opening(1)
			p.Payload, p.DF = 700, false
			frame := p.Frame(RouterMAC, Ports[0].MAC)
			r := newReceiver()
			var got []Frame
			for _, f := range cut(frame, 7, pieces...) {
				got = append(got, r.receive([]Frame{{Wan, f}})...)
			}
			whole := name != "one-missing" && name != "first-missing"
			if whole != (len(got) == 1) || whole && !bytes.Equal(got[0].Data, frame) {
				t.Errorf("%s, %s: %d packets, or another one", name, version(v6), len(got))
			}
		}
	}
}
