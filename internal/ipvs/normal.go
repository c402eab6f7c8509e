package ipvs

import (
	"bytes"
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

// clearOuter clears of a packet to a backend the TTL if it still has the VIP, and of a tunnel's header also the flow label and what
// identifies a packet that may be cut up.
func clearOuter(in, frame []byte) {
	ip := frame[14:]
	_, vip, _ := outer(in)
	_, to, _ := outer(frame)
	tunnel := ip[0]>>4 == 4 && (ip[9] == 4 || ip[9] == 41) || ip[0]>>4 == 6 && (ip[6] == 4 || ip[6] == 41)
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
	ip := frame[14:]
	header := 20
	if ip[0]>>4 == 6 {
		header = 40
	}
	if !icmp(frame) || len(ip) < header+8+header+8 || header == 20 && ip[20] != 3 && ip[20] != 11 || header == 40 && ip[40] >= 128 {
		return
	}
	right := checksum(ip)
	ip[header+2], ip[header+3] = right, right
	quote := ip[header+8:]
	proto := quote[9]
	if header == 40 {
		proto = quote[6]
	}
	from := map[byte][2]int{6: {16, 18}, 17: {6, 8}, 132: {8, 12}}[proto]
	for i := header + from[0]; i < min(header+from[1], len(quote)); i++ {
		quote[i] = 0
	}
}

// checksum is 1 if that of an ICMP message is right, and 0 otherwise.
func checksum(ip []byte) byte {
	sum, message := uint32(0), ip[20:]
	if ip[0]>>4 == 6 {
		message = ip[40:]
		sum = 58 + uint32(len(message))
		for i := 8; i < 40; i += 2 {
			sum += uint32(ip[i])<<8 | uint32(ip[i+1])
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
