package lvs

import (
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"
)

// parsePort reads a port; none is 0.
func parsePort(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("%q is no port", text)
	}
	return int(n), nil
}

// parseAddrPort reads keepalived's address and port.
func parseAddrPort(address, port string) (netip.AddrPort, error) {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%q is no address", address)
	}
	n, err := parsePort(port)
	return netip.AddrPortFrom(a, uint16(n)), err
}

// parseEndpoints reads an address, a range or a prefix with a port. A range becomes the fewest prefixes that make it up.
func parseEndpoints(address, port string) ([]Endpoint, error) {
	n, err := parsePort(port)
	if err != nil {
		return nil, err
	}
	prefixes, err := parseRange(address)
	if err != nil {
		return nil, err
	}
	out := make([]Endpoint, len(prefixes))
	for i, p := range prefixes {
		out[i] = Endpoint{p, n}
	}
	return out, nil
}

func parseRange(text string) ([]netip.Prefix, error) {
	if strings.Contains(text, "/") {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%q is no network", text)
		}
		return []netip.Prefix{p.Masked()}, nil
	}
	from, to, isRange := strings.Cut(text, "-")
	first, err := netip.ParseAddr(from)
	if err != nil {
		return nil, fmt.Errorf("%q is no address", from)
	}
	if !isRange {
		return []netip.Prefix{netip.PrefixFrom(first, first.BitLen())}, nil
	}
	last, err := rangeEnd(first, to)
	if err != nil {
		return nil, err
	}
	return cover(first, last)
}

// rangeEnd reads the end of a range: an address, or what differs from the first one behind its last dot or colon.
func rangeEnd(first netip.Addr, to string) (netip.Addr, error) {
	last, err := netip.ParseAddr(to)
	if err != nil {
		text := first.StringExpanded()
		text = text[:strings.LastIndexAny(text, ".:")+1] + to
		last, err = netip.ParseAddr(text)
	}
	if err != nil || last.Is4() != first.Is4() || last.Less(first) {
		return last, fmt.Errorf("%q is no end of a range that begins with %s", to, first)
	}
	return last, nil
}

// cover makes a range up of prefixes.
func cover(first, last netip.Addr) (out []netip.Prefix, err error) {
	const most = 64
	for {
		if len(out) == most {
			return nil, fmt.Errorf("the range to %s takes more than %d networks: write it as prefixes", last, most)
		}
		length := first.BitLen() - trailingZeros(first)
		for netip.PrefixFrom(first, length).Masked().Addr() != first || last.Less(lastOf(netip.PrefixFrom(first, length))) {
			length++
		}
		p := netip.PrefixFrom(first, length)
		out = append(out, p)
		end := lastOf(p)
		if end == last {
			return out, nil
		}
		first = end.Next()
	}
}

func trailingZeros(a netip.Addr) (n int) {
	b := a.AsSlice()
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] != 0 {
			return n + bits.TrailingZeros8(b[i])
		}
		n += 8
	}
	return n
}

func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < 8*len(b); i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// maskLength is the length of an IPv4 netmask, or of an IPv6 prefix as ipvsadm and keepalived write it.
func maskLength(text string) (int, bool) {
	if n, err := strconv.Atoi(text); err == nil {
		return n, n >= 1 && n <= 128
	}
	a, err := netip.ParseAddr(text)
	if err != nil || !a.Is4() {
		return 0, false
	}
	b := a.As4()
	v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	n := bits.LeadingZeros32(^v)
	return n, n >= 1 && bits.OnesCount32(v) == n
}
