package main

import (
	"bytes"
	"encoding/binary"

	"github.com/weirlb/weir/conf"
)

// judgePair finds the wanted differences between fields of what IPVS and Weir made of a packet, and takes them away: IPVS's frame gets
// what Weir's has.
func (d *difference) judgePair(j *judgement, linux, weir []byte) {
	l, w := look(linux[min(14, len(linux)):]), look(weir[min(14, len(weir)):])
	if l.ip == nil || w.ip == nil || l.v6 != w.v6 {
		return
	}
	for _, r := range fieldRules {
		if r.is(d, &l, &w) {
			j.wanted = append(j.wanted, r.name)
			j.traces = j.traces || r.name == timeExceeded
		}
	}
	li, ok := l.inner()
	wi, ok2 := w.inner()
	if !ok || !ok2 || li.dst != d.view.dst || wi.dst != d.view.dst {
		return
	}
	for _, r := range tunnelRules {
		if r.is(d, &l, &w) {
			j.wanted = append(j.wanted, r.name)
		}
	}
	d.unname(&l, &w)
}

// timeExceeded is the name of a difference that is one in connections, too.
const timeExceeded = "time-exceeded-comes-from-the-router"

// fieldRule is a wanted difference in a field. It changes what IPVS sent, l, to what Weir sent, w, in what is wanted.
type fieldRule struct {
	name string
	is   func(d *difference, l, w *view) bool
}

var fieldRules = []fieldRule{
	{"the-ttl-in-dr", func(d *difference, l, w *view) bool {
		if !d.mode(conf.DR) || l.dst != d.view.dst || w.ttl != d.view.ttl || l.ttl+1 != d.view.ttl {
			return false
		}
		l.setTTL(w.ttl)
		return true
	}},
	{"recorded-routes", func(d *difference, l, w *view) bool {
		if in, ok := w.inner(); ok {
			w = &in
		}
		if in, ok := l.inner(); ok {
			l = &in
		}
		const recordRoute, timestamp = 7, 0x44
		n := int(w.ip[0]&15) * 4
		if w.v6 || l.v6 || n == 20 || l.ip[0] != w.ip[0] || !bytes.ContainsAny(w.ip[20:n], string([]byte{recordRoute, timestamp})) ||
			bytes.Equal(l.ip[20:n], w.ip[20:n]) || !bytes.Equal(w.ip[20:n], d.view.ip[20:min(n, len(d.view.ip))]) {
			return false
		}
		copy(l.ip[20:n], w.ip[20:n])
		l.summed()
		return true
	}},
	{"udp-without-a-checksum", func(d *difference, l, w *view) bool {
		at, _, ok := d.view.checksumAt()
		none := ok && d.view.proto == protoUDP && !d.view.v6 && binary.BigEndian.Uint16(d.view.ip[at:]) == 0
		return none && d.mode(conf.NAT) && takeSum(l, w) && binary.BigEndian.Uint16(w.ip[w.l4+6:]) == 0
	}},
	{"damaged-sctp-stays-damaged", func(d *difference, l, w *view) bool {
		return d.view.proto == protoSCTP && !d.view.right() && l.right() && !w.right() && takeSum(l, w)
	}},
	{"checksums-in-quoted-packets", func(_ *difference, l, w *view) bool {
		lq, ok := l.quoted()
		wq, ok2 := w.quoted()
		at, n, has := wq.checksumAt()
		return ok && ok2 && has && len(lq.ip) == len(wq.ip) && !bytes.Equal(lq.ip[at:at+n], wq.ip[at:at+n]) // ipvs.Normal clears them
	}},
	{timeExceeded, func(d *difference, l, w *view) bool {
		_, about := d.view.quoted()
		lk, _, ok := l.icmp()
		wk, _, ok2 := w.icmp()
		answers := ok && ok2 && lk == wk && l.dst == d.view.src && w.dst == d.view.src
		return !about && answers && l.src != w.src // ipvs.Normal clears it
	}},
}

// takeSum gives l the checksum of w, if they are different.
func takeSum(l, w *view) bool {
	at, n, ok := w.checksumAt()
	if lat, _, ok2 := l.checksumAt(); !ok || !ok2 || lat != at || bytes.Equal(l.ip[at:at+n], w.ip[at:at+n]) {
		return false
	}
	copy(l.ip[at:at+n], w.ip[at:at+n])
	return true
}

var tunnelRules = []fieldRule{
	{"the-outer-ttl", func(_ *difference, l, w *view) bool {
		if w.ttl != 64 || l.ttl == w.ttl {
			return false
		}
		l.setTTL(w.ttl)
		return true
	}},
	{"the-outer-flow-label", func(_ *difference, l, w *view) bool {
		if !w.v6 || l.flow() == w.flow() {
			return false
		}
		binary.BigEndian.PutUint32(l.ip, binary.BigEndian.Uint32(l.ip)&^0xfffff|w.flow())
		return true
	}},
	{"congestion-marks-in-tunnels", func(d *difference, l, w *view) bool {
		const capable, experienced = 2, 3
		if d.view.tos&3 != experienced || l.tos&3 != capable || w.tos&3 != experienced {
			return false
		}
		if l.v6 {
			l.ip[1] |= experienced << 4
		} else {
			l.ip[1] |= experienced
			l.summed()
		}
		return true
	}},
	{"the-port-that-gue-comes-from", func(_ *difference, l, w *view) bool {
		if l.proto != protoUDP || w.proto != protoUDP || l.dport != w.dport || l.sport == w.sport || l.l4 != w.l4 || l.sum() != w.sum() {
			return false
		}
		copy(l.ip[l.l4:l.l4+2], w.ip[w.l4:w.l4+2])
		copy(l.ip[l.l4+6:l.l4+8], w.ip[w.l4+6:w.l4+8])
		return true
	}},
	{"ipv6-in-ipv4-is-not-cut-up", func(d *difference, l, w *view) bool {
		const df = 0x40
		if !d.view.v6 || w.v6 || w.ip[6]&df == 0 || l.ip[6]&df != 0 {
			return false
		}
		copy(l.ip[4:8], w.ip[4:8])
		l.summed()
		return true
	}},
	{"the-mss-in-tunnels", func(d *difference, l, w *view) bool {
		li, _ := l.inner()
		wi, _ := w.inner()
		at, was, ok := d.view.mss()
		lat, kept, ok2 := li.mss()
		wat, lowered, ok3 := wi.mss()
		if !ok || !ok2 || !ok3 || kept != was || lowered >= was || at != lat || at != wat || d.view.right() != wi.right() {
			return false
		}
		copy(li.ip[at:at+2], wi.ip[at:at+2])
		takeSum(&li, &wi)
		return true
	}},
}

// unname takes away what identifies an outer packet that may be cut up: each director counts for itself.
func (d *difference) unname(l, w *view) {
	const df = 0x40
	if !l.v6 && !w.v6 && l.ip[6]&df == 0 && w.ip[6]&df == 0 {
		copy(l.ip[4:6], w.ip[4:6])
		l.summed()
	}
}
