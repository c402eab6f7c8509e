package main

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/weirlb/weir/internal/ipvs"
)

// datagram is what fragments belong to.
type datagram struct {
	station  [6]byte // that it goes to; zeros in what came in
	src, dst netip.Addr
	proto    uint8
	id       uint32
}

// key is the datagram of a packet.
func key(station [6]byte, v *view) datagram { return datagram{station, v.src, v.dst, v.proto, v.id} }

// part is a packet that goes to a station.
type part struct {
	station [6]byte
	view    view
}

// judgeFragments compares what two did with all fragments of a datagram. IPVS puts it together first, so only the datagrams that come out,
// within their tunnels, can be compared, and nothing of one that never was whole.
func judgeFragments(all []*exchange) (j judgement) {
	var in, linux, weir []part
	same := true
	for _, x := range all {
		in = append(in, part{view: x.view})
		linux, weir = append(linux, parts(x.linux)...), append(weir, parts(x.weir)...)
		same = same && slices.EqualFunc(ipvs.Normal(&x.in, trimmed(x.linux)), ipvs.Normal(&x.in, trimmed(x.weir)), func(a, b ipvs.Frame) bool { return bytes.Equal(a.Data, b.Data) })
	}
	if same {
		return j
	}
	if refused(all) {
		return judgement{wanted: []string{"fragments-do-not-wait", timeExceeded}, traces: true}
	}
	vip := all[0].view.dst
	complete := len(whole(in)) > 0
	if !complete && len(linux) == 0 || complete && slices.Equal(received(linux, vip), received(weir, vip)) {
		return judgement{wanted: []string{"fragments-do-not-wait"}, traces: !complete}
	}
	return judgement{unexpected: true}
}

// refused reports that all that either sent are errors of the same type to who sent the fragments.
func refused(all []*exchange) bool {
	kinds := [2]map[uint8]bool{{}, {}}
	for _, x := range all {
		for i, frames := range [][]ipvs.Frame{x.linux, x.weir} {
			for _, p := range parts(frames) {
				kind, _, ok := p.view.icmp()
				if _, about := p.view.quoted(); !ok || !about || p.view.dst != x.view.src {
					return false
				}
				kinds[i][kind] = true
			}
		}
	}
	return len(kinds[0]) == 1 && maps.Equal(kinds[0], kinds[1])
}

func parts(frames []ipvs.Frame) (out []part) {
	for _, f := range frames {
		if len(f.Data) >= 14 {
			out = append(out, part{[6]byte(f.Data), look(f.Data[14:])})
		}
	}
	return out
}

// received is what stations have got in the end, in words to compare: datagrams out of tunnels and whole again.
func received(all []part, vip netip.Addr) (out []string) {
	var inner []part
	for _, p := range whole(all) {
		if in, ok := p.view.inner(); ok && in.dst == vip {
			inner = append(inner, part{p.station, in})
			continue
		}
		inner = append(inner, p)
	}
	for _, p := range whole(inner) {
		out = append(out, fmt.Sprintf("%x %s %x", p.station, p.view.endpoints(), p.view.ip[p.view.l4:]))
	}
	slices.Sort(out)
	return out
}

// whole puts datagrams together: each as a packet whose header is its first fragment's. What is incomplete is left out.
func whole(all []part) (out []part) {
	pieces := map[datagram][]part{}
	for _, p := range all {
		if p.view.ip == nil || !p.view.fragment {
			out = append(out, p)
			continue
		}
		k := key(p.station, &p.view)
		if pieces[k] = append(pieces[k], p); len(pieces[k]) == 1 {
			continue
		}
		if v, ok := joined(pieces[k]); ok {
			out = append(out, part{p.station, v})
			delete(pieces, k)
		}
	}
	return out
}

// joined is the packet that fragments make up, if none is missing.
func joined(all []part) (v view, ok bool) {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b part) int { return cmp.Compare(a.view.offset, b.view.offset) })
	var payload []byte
	for i := range all {
		f := &all[i].view
		if f.offset > len(payload) {
			return v, false
		}
		payload = append(payload[:f.offset], f.ip[f.l4:]...)
	}
	first, last := &all[0].view, &all[len(all)-1].view
	if last.more || first.offset != 0 {
		return v, false
	}
	head := slices.Clone(first.ip[:first.l4])
	if v.v6 = first.v6; v.v6 {
		// Of the extension headers, the one of the fragment goes with the others: nothing that is compared is in them.
		head = head[:40]
		head[6] = first.proto
		binary.BigEndian.PutUint16(head[4:], uint16(len(payload)))
	} else {
		head[6], head[7] = 0, 0
		binary.BigEndian.PutUint16(head[2:], uint16(len(head)+len(payload)))
	}
	return look(append(head, payload...)), true
}
