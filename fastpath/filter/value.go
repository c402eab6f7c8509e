package filter

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

func ether(kind uint32) *node     { return &node{test: test{ask: isEther, low: kind}} }
func protocol(number uint8) *node { return &node{test: test{ask: isProto, low: uint32(number)}} }

// numbers are the protocols that have a word.
var numbers = map[string]uint8{
	"tcp": protoTCP, "udp": protoUDP, "sctp": protoSCTP, "icmp": protoICMP, "icmp6": protoICMP6,
}

// within is a protocol's word as a condition; nil for none.
func within(proto string) *node {
	switch proto {
	case "ip":
		return ether(etherIPv4)
	case "ip6":
		return ether(etherIPv6)
	case "arp":
		return ether(etherARP)
	case "tcp", "udp", "sctp":
		return protocol(numbers[proto])
	}
	return nil
}

// value reads what a primitive is about.
func (r *parser) value(q terms) (*node, error) {
	if r.at == len(r.words) || markAt(r.peek()) > 0 {
		return nil, r.errorf("expected an address, a number or a keyword")
	}
	if q.proto == "ether" {
		return r.mac(q)
	}
	switch q.kind {
	case "port", "portrange":
		return r.ports(q)
	case "proto":
		return r.number(q)
	}
	return r.network(q)
}

// network reads an address, or a network if its length is given.
func (r *parser) network(q terms) (*node, error) {
	text := r.peek()
	if q.proto != "" && q.proto != "ip" && q.proto != "ip6" && q.proto != "arp" {
		return nil, r.errorf("%s has ports, not addresses: write %s and host …", q.proto, q.proto)
	}
	var p netip.Prefix
	var err error
	if strings.Contains(text, "/") {
		if q.kind != "net" {
			return nil, r.errorf(`expected an address; "net" takes a network`)
		}
		p, err = netip.ParsePrefix(text)
	} else {
		var a netip.Addr
		if a, err = netip.ParseAddr(text); err == nil {
			p = netip.PrefixFrom(a, a.BitLen())
		}
		if err == nil && q.kind == "net" {
			return nil, r.errorf(`expected a network such as 10.0.0.0/8 after "net"`)
		}
	}
	switch {
	case err != nil || strings.Contains(text, "%"):
		return nil, r.errorf("expected an address such as 10.0.0.11, 2001:db8::11 or, after net, 10.0.0.0/8 (names are not resolved)")
	case p != p.Masked():
		return nil, r.errorf("the network has bits set behind its length: it is %s,", p.Masked())
	case p.Addr().Is6() && (q.proto == "ip" || q.proto == "arp"), p.Addr().Is4() && q.proto == "ip6":
		return nil, r.errorf("the address is not of %s", q.proto)
	}
	r.at++
	t := test{ask: isAddr, where: q.where, v6: p.Addr().Is6(), bits: p.Bits()}
	copy(t.addr[:], p.Addr().AsSlice())
	return all(within(q.proto), &node{test: t}), nil
}

func (r *parser) mac(q terms) (*node, error) {
	mac, err := net.ParseMAC(r.peek())
	if err != nil || len(mac) != 6 || q.kind != "" && q.kind != "host" {
		return nil, r.errorf(`expected a MAC such as 02:00:00:00:00:01 after "ether"`)
	}
	r.at++
	t := test{ask: isMAC, where: q.where}
	copy(t.addr[:], mac)
	return &node{test: t}, nil
}

func (r *parser) ports(q terms) (*node, error) {
	if q.proto != "" && q.proto != "tcp" && q.proto != "udp" && q.proto != "sctp" {
		return nil, r.errorf("%s has no ports: write tcp, udp or sctp before %s,", q.proto, q.kind)
	}
	low, high := r.peek(), r.peek()
	if q.kind == "portrange" {
		if a, b, ok := strings.Cut(low, "-"); ok {
			low, high = a, b
		}
	}
	first, err := strconv.ParseUint(low, 0, 16)
	last, err2 := strconv.ParseUint(high, 0, 16)
	if err != nil || err2 != nil {
		return nil, r.errorf("expected a number from 0 to 65535, after portrange two joined by -,")
	}
	r.at++
	n := &node{test: test{ask: isPort, where: q.where, low: uint32(min(first, last)), high: uint32(max(first, last))}}
	return all(within(q.proto), n), nil
}

func (r *parser) number(q terms) (*node, error) {
	text := strings.TrimPrefix(r.peek(), `\`)
	n, known := numbers[text]
	if !known {
		u, err := strconv.ParseUint(text, 0, 8)
		if err != nil {
			return nil, r.errorf("expected the number of a protocol, 0 to 255,")
		}
		n = uint8(u)
	}
	if q.proto != "" && q.proto != "ip" && q.proto != "ip6" || q.where != either {
		return nil, r.errorf(`"proto" goes with "ip", "ip6" or nothing before it`)
	}
	r.at++
	return all(within(q.proto), protocol(n)), nil
}

func (r *parser) length() (*node, error) {
	word := r.peek()
	r.at++
	n, err := strconv.ParseUint(r.peek(), 0, 31)
	if err != nil {
		return nil, r.errorf("expected a number of bytes after %q", word)
	}
	r.at++
	t := test{ask: isLength, high: uint32(n)}
	if word == "greater" {
		t.low, t.high = uint32(n), 1<<32-1
	}
	return &node{test: t}, nil
}
