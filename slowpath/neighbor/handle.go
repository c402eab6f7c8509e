package neighbor

import (
	"encoding/binary"
	"time"

	"github.com/weirlb/weir/fastpath/reason"
)

const (
	etherARP  = 0x0806
	etherIPv6 = 0x86dd
)

// Handle takes an ARP or neighbour discovery frame that came in on a port: it answers for Weir's addresses
// and learns. What is malformed, or comes from somebody with an address of Weir's, is dropped and counted.
// Router solicitations, advertisements and redirects are ignored.
//
// It reports whether the frame is what a station says of itself for others to take up (an ARP reply, a
// gratuitous ARP request, an advertisement): the kernel's neighbour table lives from that too.
func (t *Table) Handle(now time.Time, port int, frame []byte) (statement bool) {
	t.advance(now)
	r := reason.BadNeighbor
	if port >= 0 && port < len(t.links) && len(frame) >= ethLen {
		switch binary.BigEndian.Uint16(frame[12:]) {
		case etherARP:
			statement, r = t.handleARP(port, frame)
		case etherIPv6:
			statement, r = t.handleND(port, frame)
		}
	}
	if r != reason.Unset {
		t.out.Drop(port, r, 1)
	}
	return statement
}

func (t *Table) handleARP(port int, frame []byte) (statement bool, r reason.Reason) {
	p, ok := decodeARP(frame)
	switch {
	case !ok:
		return false, reason.BadNeighbor
	case t.ourMAC(p.sha):
		return false, reason.Unset
	case t.ours(port, p.spa):
		t.conflict(port, p.spa, p.sha)
		return false, reason.SpoofedSource
	}
	statement = p.op == arpReply || p.spa == p.tpa && !p.spa.IsUnspecified()
	l := &t.links[port]
	forUs := t.ours(port, p.tpa)
	if p.op == arpRequest && forUs {
		if !p.spa.IsUnspecified() { // a probe (RFC 5227 section 2.1.1) claims no address yet
			t.meet(port, p.spa, p.sha)
		}
		t.out.Send(port, encodeARP(p.sha, arpPacket{op: arpReply, sha: l.mac, spa: p.tpa, tha: p.sha, tpa: p.spa}))
		return statement, reason.Unset
	}
	e := t.known(port, p.spa)
	if e == nil {
		return statement, reason.Unset
	}
	// What we ask from 0.0.0.0 is answered to 0.0.0.0. A reply that is broadcast answers nobody.
	if p.op == arpReply && [6]byte(frame[:6]) == l.mac && (forUs || p.tpa.IsUnspecified()) {
		t.confirm(e, p.sha)
	} else {
		t.hear(e, p.sha)
	}
	return statement, reason.Unset
}

func (t *Table) handleND(port int, frame []byte) (statement bool, r reason.Reason) {
	m, ok := decodeND(frame)
	claimed := m.src
	if m.kind == ndAdvertisement {
		claimed = m.target
	}
	from := [6]byte(frame[6:12])
	switch {
	case !ok:
		return false, reason.BadNeighbor
	case m.kind != ndSolicitation && m.kind != ndAdvertisement:
		return false, reason.Unset
	case t.ourMAC(from) || m.hasMAC && t.ourMAC(m.mac):
		return false, reason.Unset
	case t.ours(port, claimed):
		t.conflict(port, claimed, from)
		return false, reason.SpoofedSource
	case m.kind == ndSolicitation:
		t.solicited(port, &m, from)
		return false, reason.Unset
	}
	t.advertised(port, &m)
	return true, reason.Unset
}

// solicited answers a neighbour solicitation (RFC 4861 section 7.2.4) for an address of ours. Others' are
// not listened to.
func (t *Table) solicited(port int, m *ndMessage, from [6]byte) {
	if !t.ours(port, m.target) {
		return
	}
	l := &t.links[port]
	if m.src.IsUnspecified() { // somebody checks whether the address is free (RFC 4862 section 5.4.3)
		t.out.Send(port, encodeAdvertisement(l.mac, allNodesMAC, m.target, allNodes, m.target, false))
		return
	}
	to := from
	if m.hasMAC {
		to = m.mac
		t.meet(port, m.src, m.mac)
	} else if e := t.known(port, m.src); e != nil && e.usable() && (t.makeUp == nil || e.configured) {
		to = e.mac // which is better than where the frame came from, unless it is made up
	}
	t.out.Send(port, encodeAdvertisement(l.mac, to, m.target, m.src, m.target, true))
}

// advertised takes a neighbour advertisement as RFC 4861 section 7.2.5 says.
func (t *Table) advertised(port int, m *ndMessage) {
	e := t.known(port, m.target)
	if e == nil || !e.usable() && !m.hasMAC {
		return
	}
	mac := e.mac
	if m.hasMAC {
		mac = m.mac
	}
	switch {
	case e.usable() && mac != e.mac && !m.override:
		if e.state == reachable { // somebody else answers too, so who is right must be asked
			e.state = stale
			t.verify(e)
		}
	case m.solicited:
		t.confirm(e, mac)
	default:
		t.hear(e, mac)
	}
}
