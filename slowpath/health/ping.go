package health

import (
	"context"
	"net/netip"
	"time"
)

// pingCheck sends an echo request (RFC 792, RFC 4443 section 4.1) from a socket that many checks share.
type pingCheck struct{ way pingWay }

func newPingCheck(p *probe, _ *stock) (kind, error) {
	return pingCheck{pingWay{p.remote.Addr().Unmap().Is6(), p.Check.Source, p.Interface}}, nil
}

func (c pingCheck) ask(ctx context.Context, p *probe) (outcome, func()) {
	begun := time.Now()
	socket, err := p.pings.open(c.way)
	if err != nil {
		return p.failed(err, "opening a socket"), nothing
	}
	answer, done, err := socket.send(p.remote.Addr().Unmap())
	if err != nil {
		return p.failed(err, "sending"), nothing
	}
	select {
	case o := <-answer:
		if o.verdict == pass {
			o.took = time.Since(begun)
		}
		return o, nothing
	case <-ctx.Done():
		done()
		return p.failed(ctx.Err(), "waiting for an echo reply"), nothing
	}
}

// echo is what an ICMP message says about an echo request of ours.
type echo struct {
	token uint32     // identifier and sequence number
	to    netip.Addr // of the request; invalid: whoever the message is from
	data  []byte     // of a reply
	error outcome    // if it is an error
}

// ICMP types and what they mean; an error quotes the packet it is about from its ninth byte on.
const (
	icmp4Request, icmp4Reply           = 8, 0
	icmp4Unreachable, icmp4Exceeded    = 3, 11
	icmp6Request, icmp6Reply           = 128, 129
	icmp6Unreachable, icmp6Exceeded    = 1, 3
	icmpHeader, ip4Header, ip6Header   = 8, 20, 40
	protoICMP, protoICMP6              = 1, 58
	ip4ProtocolAt, ip4DestinationAt    = 9, 16
	ip6NextHeaderAt, ip6DestinationsAt = 6, 24
)

// read makes sense of a message.
func read(m []byte, v6 bool) (e echo, ok bool) {
	if len(m) < icmpHeader {
		return e, false
	}
	kind, code := m[0], m[1]
	unreachable, exceeded, reply := byte(icmp4Unreachable), byte(icmp4Exceeded), byte(icmp4Reply)
	if v6 {
		unreachable, exceeded, reply = icmp6Unreachable, icmp6Exceeded, icmp6Reply
	}
	switch kind {
	case reply:
		return echo{token: token(m), data: m[icmpHeader:]}, true
	case unreachable:
		e.error = failedFor("ICMP: destination unreachable, code %d", code)
	case exceeded:
		e.error = failedFor("ICMP: time exceeded, code %d", code)
	default:
		return e, false
	}
	if v6 {
		return quoted6(e, m[icmpHeader:])
	}
	return quoted4(e, m[icmpHeader:])
}

func token(m []byte) uint32 {
	return uint32(m[4])<<24 | uint32(m[5])<<16 | uint32(m[6])<<8 | uint32(m[7])
}

func quoted4(e echo, q []byte) (echo, bool) {
	if len(q) < ip4Header || q[ip4ProtocolAt] != protoICMP {
		return e, false
	}
	at := int(q[0]&15) * 4
	if at < ip4Header || len(q) < at+icmpHeader || q[at] != icmp4Request {
		return e, false
	}
	e.to = netip.AddrFrom4([4]byte(q[ip4DestinationAt:]))
	e.token = token(q[at:])
	return e, true
}

func quoted6(e echo, q []byte) (echo, bool) {
	if len(q) < ip6Header+icmpHeader || q[ip6NextHeaderAt] != protoICMP6 || q[ip6Header] != icmp6Request {
		return e, false
	}
	e.to = netip.AddrFrom16([16]byte(q[ip6DestinationsAt:]))
	e.token = token(q[ip6Header:])
	return e, true
}

// request makes an echo request. The kernel fills in ICMPv6's checksum, which covers the addresses.
func request(token uint32, data []byte, v6 bool) []byte {
	m := make([]byte, icmpHeader, icmpHeader+len(data))
	m[0] = icmp4Request
	if v6 {
		m[0] = icmp6Request
	}
	m[4], m[5], m[6], m[7] = byte(token>>24), byte(token>>16), byte(token>>8), byte(token)
	m = append(m, data...)
	if !v6 {
		sum := checksum(m)
		m[2], m[3] = byte(sum>>8), byte(sum)
	}
	return m
}

// checksum is RFC 1071's.
func checksum(m []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(m); i += 2 {
		sum += uint32(m[i])<<8 | uint32(m[i+1])
	}
	if len(m)%2 == 1 {
		sum += uint32(m[len(m)-1]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
