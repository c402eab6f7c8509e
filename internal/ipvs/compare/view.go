package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Numbers of protocols in IP headers.
const (
	protoICMP   = 1
	protoIPv4   = 4
	protoTCP    = 6
	protoUDP    = 17
	protoIPv6   = 41
	protoGRE    = 47
	protoICMPv6 = 58
	protoSCTP   = 132
)

// view is what an IP packet says in the headers that a balancer looks at. The zero value is no IP packet.
type view struct {
	ip       []byte // the packet, to its end; it may have been cut off
	v6       bool
	src, dst netip.Addr
	proto    uint8 // behind IPv6's extension headers
	ttl, tos uint8
	l4       int // where it begins in ip
	// id, offset and more are a fragment's; fragment is false for a packet that is whole.
	fragment     bool
	id           uint32
	offset       int
	more         bool
	sport, dport uint16 // of TCP, UDP and SCTP, unless it is a later fragment
}

// look reads the headers of an IP packet.
func look(ip []byte) (v view) {
	switch {
	case len(ip) >= 20 && ip[0]>>4 == 4:
		v.ip4(ip)
	case len(ip) >= 40 && ip[0]>>4 == 6:
		v.ip6(ip)
	default:
		return view{}
	}
	if v.ip != nil && v.offset == 0 && v.ported() && len(v.ip) >= v.l4+4 {
		v.sport, v.dport = binary.BigEndian.Uint16(v.ip[v.l4:]), binary.BigEndian.Uint16(v.ip[v.l4+2:])
	}
	return v
}

func (v *view) ip4(ip []byte) {
	length, header := int(binary.BigEndian.Uint16(ip[2:])), int(ip[0]&15)*4
	if header < 20 || length < header || len(ip) < header {
		return
	}
	frag := binary.BigEndian.Uint16(ip[6:])
	*v = view{
		ip: ip[:min(length, len(ip))], src: netip.AddrFrom4([4]byte(ip[12:])), dst: netip.AddrFrom4([4]byte(ip[16:])), proto: ip[9], ttl: ip[8], tos: ip[1],
		l4: header, fragment: frag&0x3fff != 0, id: uint32(binary.BigEndian.Uint16(ip[4:])), offset: int(frag&0x1fff) * 8, more: frag&0x2000 != 0,
	}
}

func (v *view) ip6(ip []byte) {
	const hopByHop, routing, fragment, destination = 0, 43, 44, 60
	end := min(len(ip), 40+int(binary.BigEndian.Uint16(ip[4:])))
	*v = view{ip: ip[:end], v6: true, src: netip.AddrFrom16([16]byte(ip[8:])), dst: netip.AddrFrom16([16]byte(ip[24:])), proto: ip[6], ttl: ip[7],
		tos: uint8(binary.BigEndian.Uint16(ip) >> 4), l4: 40}
	for len(v.ip) >= v.l4+8 {
		h := v.ip[v.l4:]
		switch v.proto {
		case hopByHop, routing, destination:
			v.proto, v.l4 = h[0], v.l4+8+int(h[1])*8
		case fragment:
			v.id, v.offset, v.more = binary.BigEndian.Uint32(h[4:]), int(binary.BigEndian.Uint16(h[2:])&^7), h[3]&1 != 0
			v.fragment = v.offset > 0 || v.more // else it is all of its datagram (RFC 6946)
			v.proto, v.l4 = h[0], v.l4+8
			if v.offset > 0 {
				v.l4 = min(v.l4, len(v.ip))
				return
			}
		default:
			return
		}
	}
	v.l4 = min(v.l4, len(v.ip))
}

// ported reports a protocol that has ports.
func (v *view) ported() bool {
	return v.proto == protoTCP || v.proto == protoUDP || v.proto == protoSCTP
}

// icmp is the type and code of an ICMP message of the packet's version.
func (v *view) icmp() (kind, code uint8, ok bool) {
	if v.ip == nil || v.offset != 0 || len(v.ip) < v.l4+8 || v.proto != map[bool]uint8{false: protoICMP, true: protoICMPv6}[v.v6] {
		return 0, 0, false
	}
	return v.ip[v.l4], v.ip[v.l4+1], true
}

// quoted is the packet that an ICMP error is about.
func (v *view) quoted() (q view, ok bool) {
	kind, _, ok := v.icmp()
	switch {
	case !ok, v.v6 && kind >= 128:
		return q, false
	case !v.v6 && kind != 3 && kind != 4 && kind != 5 && kind != 11 && kind != 12:
		return q, false
	}
	q = look(v.ip[v.l4+8:])
	return q, q.ip != nil
}

// tcpFlags are those of a TCP packet, else 0.
func (v *view) tcpFlags() uint8 {
	if v.proto != protoTCP || v.offset != 0 || len(v.ip) < v.l4+14 {
		return 0
	}
	return v.ip[v.l4+13]
}

// inner is the packet in a tunnel's.
func (v *view) inner() (in view, ok bool) {
	if v.ip == nil || v.fragment {
		return in, false
	}
	rest := v.ip[v.l4:]
	switch {
	case v.proto == protoIPv4 || v.proto == protoIPv6:
		in = look(rest)
	case v.proto == protoGRE && len(rest) >= 4:
		in = look(rest[min(len(rest), 4+4*int(rest[0]>>7)+4*int(rest[0]>>5&1)):])
	case v.proto == protoUDP && v.dport != 0 && len(rest) >= 12:
		// GUE, variant 0: the length of what is optional, and the protocol within (draft-ietf-intarea-gue).
		if p := rest[9]; rest[8]>>5 == 0 && (p == protoIPv4 || p == protoIPv6) {
			in = look(rest[min(len(rest), 12+4*int(rest[8]&31)):])
		}
	}
	return in, in.ip != nil && in.dst.IsValid()
}

// String is the packet in a line: protocol, from, to, and what kind it is.
func (v view) String() string {
	if v.ip == nil {
		return "no IP packet"
	}
	text := v.endpoints()
	if v.fragment {
		text += fmt.Sprintf(" fragment %#x at %d", v.id, v.offset)
	}
	if f := v.tcpFlags(); f != 0 {
		text += " " + tcpFlags(f)
	}
	if v.proto == protoSCTP && v.offset == 0 && len(v.ip) > v.l4+12 {
		text += " " + chunk(v.ip[v.l4+12])
	}
	if kind, code, ok := v.icmp(); ok {
		text += fmt.Sprintf(" %d/%d", kind, code)
		if q, ok := v.quoted(); ok {
			text += " about " + q.endpoints()
		}
	}
	return text
}

func (v *view) endpoints() string {
	name, ok := map[uint8]string{protoICMP: "icmp", protoTCP: "tcp", protoUDP: "udp", protoICMPv6: "icmpv6", protoSCTP: "sctp", protoIPv4: "ipip", protoIPv6: "ip6ip", protoGRE: "gre"}[v.proto]
	if !ok {
		name = fmt.Sprintf("protocol %d", v.proto)
	}
	if !v.ported() || v.offset != 0 {
		return fmt.Sprintf("%s %s > %s", name, v.src, v.dst)
	}
	return fmt.Sprintf("%s %s > %s", name, netip.AddrPortFrom(v.src, v.sport), netip.AddrPortFrom(v.dst, v.dport))
}

func tcpFlags(f uint8) string {
	text := ""
	for i, c := range "FSRPAUEC" {
		if f>>i&1 != 0 {
			text += string(c)
		}
	}
	return text
}

func chunk(kind uint8) string {
	names := []string{"DATA", "INIT", "INIT-ACK", "SACK", "HEARTBEAT", "HEARTBEAT-ACK", "ABORT", "SHUTDOWN", "SHUTDOWN-ACK", "ERROR", "COOKIE-ECHO", "COOKIE-ACK",
		"ECNE", "CWR", "SHUTDOWN-COMPLETE"}
	if int(kind) < len(names) {
		return names[kind]
	}
	return fmt.Sprintf("chunk %d", kind)
}
