package ipvs

import (
	"bytes"
	"net/netip"
	"slices"
)

// Normal is frames that a packet led to without what the two balancers are meant to do differently, see
// docs/differences-from-ipvs.md. A nil packet is none.
func Normal(in *Frame, frames []Frame) (out []Frame) {
	for _, f := range frames {
		if in != nil && Elsewhere(in.Data, f.Data) {
			continue
		}
		f.Data = bytes.Clone(f.Data)
		switch {
		case in != nil && (!icmp(f.Data) || complaint(in.Data)):
			clearQuote(f.Data)
			clearOuter(in.Data, f.Data)
		case icmp(f.Data):
			clearQuote(f.Data)
			clearOwn(f.Data)
		}
		out = append(out, f)
	}
	return out
}

// icmp reports a frame that is ICMP of either version, at least the length of an error.
func icmp(frame []byte) bool {
	if len(frame) < 14+20+8 {
		return false
	}
	ip := frame[14:]
	return ip[0]>>4 == 4 && ip[9] == 1 || ip[0]>>4 == 6 && len(ip) >= 40+8 && ip[6] == 58
}

// complaint reports an ICMP error, of either version.
func complaint(frame []byte) bool {
	ip := frame[14:]
	return icmp(frame) && (ip[0]>>4 == 4 && slices.Contains([]byte{3, 4, 5, 11, 12}, ip[20]) || ip[0]>>4 == 6 && ip[40] < 128)
}

// Elsewhere reports what the rest of Linux says of a packet that IPVS leaves to it: "protocol unreachable", or a reset. Weir says
// nothing.
func Elsewhere(in, f []byte) bool {
	asked, _, ok := outer(in)
	_, told, ok2 := outer(f)
	if !ok || !ok2 || asked != told || icmp(in) {
		return false
	}
	ip := f[14:]
	if ip[0]>>4 == 6 {
		return icmp(f) && ip[40] == 4 && ip[41] == 1 || ip[6] == 6 && len(ip) > 40+13 && ip[40+13]&4 != 0
	}
	return icmp(f) && ip[20] == 3 && ip[21] == 2 || ip[9] == 6 && len(ip) > 20+13 && ip[20+13]&4 != 0
}

// clearOuter clears of a packet to a backend the TTL if it still has the VIP, and of a tunnel's headers also the flow label, what
// identifies a packet that may be cut up, and the port that GUE comes from.
func clearOuter(in, frame []byte) {
	ip := frame[14:]
	_, vip, _ := outer(in)
	_, to, ok := outer(frame)
	if !ok {
		return // no IP packet
	}
	tunnel := tunnelled(ip, vip)
	switch {
	case !tunnel && to != vip:
	case ip[0]>>4 == 6:
		ip[7] = 0
		if tunnel {
			ip[1] &= 0xf0
			ip[2], ip[3] = 0, 0
		}
	default:
		ip[8], ip[10], ip[11] = 0, 0, 0
		if tunnel && ip[6]&0x40 == 0 {
			ip[4], ip[5] = 0, 0
		}
	}
}

// tunnelled reports whether an IP packet has another in it, and clears what is the sender's choice between them. A packet in GUE, which may
// have any port, is known by the VIP within.
func tunnelled(ip []byte, vip netip.Addr) bool {
	header, proto := 20, ip[9]
	if ip[0]>>4 == 6 {
		header, proto = 40, ip[6]
	}
	switch proto {
	case 4, 41, 47:
		return true
	case 17:
		const gue = 8 + 4
		if len(ip) < header+gue+20 {
			return false
		}
		if _, to, ok := outer(ip[header+gue-14:]); !ok || to != vip || !slices.Contains([]byte{4, 41}, ip[header+8+1]) {
			return false
		}
		udp := ip[header:]
		if udp[6] != 0 || udp[7] != 0 {
			udp[6], udp[7] = 0xff, checksum(ip)
		}
		udp[0], udp[1] = 0, 0
		return true
	}
	return false
}

// clearOwn clears of an ICMP message that the balancer made itself what its network stack chooses: where an error comes from, the
// identity of the packet, the flow label, the TTL of what is quoted.
func clearOwn(frame []byte) {
	ip := frame[14:]
	if ip[0]>>4 == 6 {
		ip[1] &= 0xf0
		ip[2], ip[3] = 0, 0
		if ip[40] < 128 && len(ip) > 48+7 {
			ip[48+7] = 0
			if ip[40] != 1 { // "port unreachable" is IPVS's own, and comes from the VIP
				clear(ip[8:24])
			}
		}
		return
	}
	ip[4], ip[5], ip[10], ip[11] = 0, 0, 0, 0
	if ip[20] == 0 { // an echo reply, and whether it may be cut up
		ip[6] &^= 0x40
	}
	if ip[20] != 0 && len(ip) > 28+11 {
		ip[28+8], ip[28+10], ip[28+11] = 0, 0, 0
		if ip[20] != 3 || ip[21] != 3 {
			clear(ip[12:16])
		}
	}
}

// clearQuote clears the checksums of a packet that an ICMP error quotes. What is left of the error's own is whether it is right.
func clearQuote(frame []byte) {
	if !icmp(frame) {
		return
	}
	ip := frame[14:]
	header := 20
	if ip[0]>>4 == 6 {
		header = 40
	}
	if len(ip) < header+8+header+8 || header == 20 && ip[20] != 3 && ip[20] != 4 && ip[20] != 11 || header == 40 && ip[40] >= 128 {
		return
	}
	right := checksum(ip)
	ip[header+2], ip[header+3] = right, right
	quote := ip[header+8:]
	proto := quote[9]
	if header == 40 {
		if proto = quote[6]; proto == 44 && len(quote) > header { // a fragment
			proto = quote[header]
			header += 8
		}
	}
	from := map[byte][2]int{6: {16, 18}, 17: {6, 8}, 132: {8, 12}}[proto]
	for i := header + from[0]; i < min(header+from[1], len(quote)); i++ {
		quote[i] = 0
	}
}

// checksum is 1 if that of an ICMP message or a UDP packet is right, and 0 otherwise.
func checksum(ip []byte) byte {
	sum, message, addresses := uint32(0), ip[20:], ip[12:20]
	proto := ip[9]
	if ip[0]>>4 == 6 {
		message, addresses, proto = ip[40:], ip[8:40], ip[6]
	}
	if proto != 1 { // ICMP of IPv4 has no pseudo header
		sum = uint32(proto) + uint32(len(message))
		for i := 0; i < len(addresses); i += 2 {
			sum += uint32(addresses[i])<<8 | uint32(addresses[i+1])
		}
	}
	for i := range message {
		sum += uint32(message[i]) << (8 * ((i + 1) % 2))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	if sum == 0xffff {
		return 1
	}
	return 0
}

func equalFrames(a, b Frame) bool { return a.Port == b.Port && bytes.Equal(a.Data, b.Data) }
