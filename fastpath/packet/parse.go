package packet

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/reason"
)

// Kind is what Parse took a frame for.
type Kind uint8

// The kinds. Zero is a frame to drop, for Info.Fault.
const (
	Bad   Kind = iota
	_          // odd ones are IPv6's: see V6
	Flow4      // TCP, UDP or SCTP over IPv4 with a whole and plausible header
	Flow6      // the same over IPv6
	ICMP4
	ICMP6
	Other4 // IPv4, another protocol
	Other6
	Fragment4 // a fragment of TCP, UDP or ICMP over IPv4: see Info.Piece
	Fragment6 // the same over IPv6; of a later fragment it is not known what is in it
	ARP
)

// V6 reports whether the frame is known to hold an IPv6 packet.
func (k Kind) V6() bool { return k&1 != 0 }

// Flow reports whether it holds a TCP, UDP or SCTP packet that is whole.
func (k Kind) Flow() bool { return k|1 == Flow6 }

// Info is what Parse found in a frame. Offsets count from the Ethernet header; all are within the
// frame, and End is at least L4.
type Info struct {
	Kind     Kind
	Proto    uint8         // the protocol at L4
	TCPFlags uint8         // Flow4 and Flow6 with TCP only
	Fault    reason.Reason // Bad: why. Other4, Other6: why a service cannot take it
	L4       uint16        // offset of the header after the IP header and its extensions
	End      uint16        // offset just past the IP packet: padding follows
	Group    bool          // the destination MAC is multicast or broadcast
	Chunk    uint8         // Flow4 and Flow6 with SCTP only: type of the chunk that tells the association's state
	// Frag is for fragments only: offset of the header that has the fragment's place, IPv4's or the fragment header.
	Frag uint16
}

// Known sets all fields but Fault, Group and Chunk, which become zero, and Frag from one word: Kind, Proto and TCPFlags from
// bit 0 on, L4 and End from bit 32 on.
func (inf *Info) Known(word uint64) {
	*(*uint64)(unsafe.Pointer(inf)) = word
	inf.Group, inf.Chunk = false, 0
}

var _ = [1]struct{}{}[unsafe.Offsetof(Info{}.Proto)-1]
var _ = [1]struct{}{}[unsafe.Offsetof(Info{}.TCPFlags)-2]
var _ = [1]struct{}{}[unsafe.Offsetof(Info{}.L4)-4]
var _ = [1]struct{}{}[unsafe.Offsetof(Info{}.End)-6]

// maxFrame is the largest frame whose offsets fit Info.
const maxFrame = 1<<16 - 1

// maxExtensions is how many IPv6 extension headers Parse follows. More are legal, but no sender uses
// them and routers drop them too (RFC 7872).
const maxExtensions = 8

const macMask = 1<<48 - 1

// Parse looks at the n bytes of the frame at data, received by a port whose MAC (as the low 48 bits
// of a loaded word) is mac.
func Parse(data unsafe.Pointer, n uint32, mac uint64, inf *Info) {
	*inf = Info{Fault: reason.Truncated}
	if n < EthLen || n > maxFrame {
		return
	}
	w := Load64(data, EthDst)
	if w&macMask != mac {
		if w&1 == 0 {
			inf.Fault = reason.WrongMAC
			return
		}
		inf.Group = true
	}
	if w>>48&1 != 0 { // the source MAC's group bit
		inf.Fault = reason.BadEthernet
		return
	}
	switch Load16(data, EthTypeOff) {
	case EtherIPv4:
		parse4(data, n, inf)
	case EtherIPv6:
		parse6(data, n, inf)
	case EtherARP:
		inf.Kind, inf.Fault = ARP, reason.Unset
	default:
		inf.Fault = etherFault(Swap16(Load16(data, EthTypeOff)))
	}
}

func etherFault(t uint16) reason.Reason {
	switch {
	case t == 0x8100 || t == 0x88a8:
		return reason.UnknownVLAN
	case t < 0x600:
		return reason.BadEthernet
	}
	return reason.UnknownEtherType
}

// parse4 checks what RFC 1812 section 5.2.2 asks of a router, but for the checksum, which the device
// checks if it can: Weir's incremental update keeps a wrong one wrong.
func parse4(data unsafe.Pointer, n uint32, inf *Info) {
	if n < EthLen+IP4Len {
		return
	}
	ip := unsafe.Add(data, EthLen)
	v := Load8(ip, IP4VerIHL)
	hl := uint32(v&0x0f) * 4
	total := uint32(Swap16(Load16(ip, IP4Total)))
	if v>>4 != 4 {
		inf.Fault = reason.BadIPVersion
		return
	}
	if hl < IP4Len || total < hl {
		inf.Fault = reason.BadIPHeader
		return
	}
	if EthLen+total > n {
		return
	}
	if hl > IP4Len && sourceRoute(ip, uintptr(hl)) {
		inf.Fault = reason.SourceRoute
		return
	}
	inf.Proto = Load8(ip, IP4Proto)
	inf.L4 = uint16(EthLen + hl)
	inf.End = uint16(EthLen + total)
	if Load16(ip, IP4Frag)&IP4FragMask != 0 {
		parseFragment4(data, inf)
		return
	}
	switch inf.Proto {
	case ProtoTCP, ProtoUDP, ProtoSCTP:
		parseL4(data, inf, Flow4)
	case ProtoICMP:
		inf.Kind, inf.Fault = ICMP4, reason.Unset
	default:
		inf.Kind, inf.Fault = Other4, reason.UnsupportedProtocol
	}
}

// sourceRoute looks for a loose or strict source route among the options of an IPv4 header of hl bytes. As a router that
// does not forward by it must not forward at all (RFC 1812 section 5.2.4.1), and Linux does not unless told to, such packets go no
// further. Options that cannot be read end the search.
func sourceRoute(ip unsafe.Pointer, hl uintptr) bool {
	const end, nop, loose, strict = 0, 1, 131, 137
	for off := uintptr(IP4Len); off < hl; {
		kind := Load8(ip, off)
		switch kind {
		case end:
			return false
		case nop:
			off++
			continue
		case loose, strict:
			return true
		}
		if off+1 == hl || Load8(ip, off+1) < 2 {
			return false
		}
		off += uintptr(Load8(ip, off+1))
	}
	return false
}

func parse6(data unsafe.Pointer, n uint32, inf *Info) {
	if n < EthLen+IP6Len {
		return
	}
	ip := unsafe.Add(data, EthLen)
	if Load8(ip, 0)>>4 != 6 {
		inf.Fault = reason.BadIPVersion
		return
	}
	end := EthLen + IP6Len + uint32(Swap16(Load16(ip, IP6Payload)))
	if end > n {
		return
	}
	inf.Proto = Load8(ip, IP6Next)
	inf.L4 = EthLen + IP6Len
	inf.End = uint16(end)
	switch inf.Proto {
	case ProtoTCP, ProtoUDP, ProtoSCTP:
		parseL4(data, inf, Flow6)
	case ProtoICMP6:
		inf.Kind, inf.Fault = ICMP6, reason.Unset
	default:
		parseExtensions(data, inf)
	}
}

// parseExtensions takes a packet with extension headers for what follows them.
func parseExtensions(data unsafe.Pointer, inf *Info) {
	next, off, fault := Extensions(data, uint32(inf.L4), uint32(inf.End), inf.Proto)
	if fault == reason.Unset && next == ProtoFragment && Load16(data, uintptr(off)+ip6FragmentField)&ip6FragmentMask == 0 {
		// An atomic fragment is a whole packet, whatever others bear its identification (RFC 6946 section 4).
		next, off, fault = Extensions(data, off+ip6FragmentLen, uint32(inf.End), Load8(data, uintptr(off)))
		if next == ProtoFragment {
			fault = reason.ExtensionChain
		}
	}
	if fault != reason.Unset {
		inf.Fault = fault
		return
	}
	inf.Proto, inf.L4 = next, uint16(off)
	switch next {
	case ProtoTCP, ProtoUDP, ProtoSCTP:
		parseL4(data, inf, Flow6)
	case ProtoICMP6:
		inf.Kind, inf.Fault = ICMP6, reason.Unset
	case ProtoFragment:
		parseFragment6(data, inf)
	default:
		inf.Kind, inf.Fault = Other6, reason.UnsupportedProtocol
	}
}

// Extensions follows the IPv6 extension headers (RFC 8200 section 4) from offset off of data, where one of
// type next may begin, to the first header that is none of them or a fragment header. It returns that one's
// type and offset, which is at most end, or why it could not: what it reads lies before end. A fragment
// header that it returns is there in full.
func Extensions(data unsafe.Pointer, off, end uint32, next uint8) (uint8, uint32, reason.Reason) {
	for i := 0; ; i++ {
		switch next {
		case ProtoHopByHop, ProtoRouting, ProtoDestOpts:
			if i == maxExtensions || next == ProtoHopByHop && i > 0 {
				return next, off, reason.ExtensionChain
			}
		case ProtoFragment:
			if off+ip6FragmentLen > end {
				return next, off, reason.Truncated
			}
			return next, off, reason.Unset
		default:
			return next, off, reason.Unset
		}
		if off+8 > end {
			return next, off, reason.Truncated
		}
		size := 8 + 8*uint32(Load8(data, uintptr(off)+1))
		if off+size > end {
			return next, off, reason.Truncated
		}
		// The address in the header is not yet the packet's last (RFC 8200 section 4.4), so the checksum behind
		// it is another one's; RFC 5095 tells what such headers are good for.
		if next == ProtoRouting && Load8(data, uintptr(off)+ip6SegmentsLeft) != 0 {
			return next, off, reason.ExtensionChain
		}
		next = Load8(data, uintptr(off))
		off += size
	}
}

// parseL4 proves that the TCP, UDP or SCTP header at inf.L4 is whole and not absurd. A SYN that also ends the
// connection belongs to none.
func parseL4(data unsafe.Pointer, inf *Info, kind Kind) {
	l4 := unsafe.Add(data, uintptr(inf.L4))
	size := inf.End - inf.L4
	switch inf.Proto {
	case ProtoTCP:
		if size < TCPLen {
			return
		}
		hl := uint16(Load8(l4, TCPDataOffset)>>4) * 4
		flags := Load8(l4, TCPFlags)
		if hl < TCPLen || hl > size || flags&SYN != 0 && flags&(FIN|RST) != 0 {
			inf.Fault = reason.BadL4Header
			return
		}
		inf.TCPFlags = flags
	case ProtoUDP:
		if size < UDPLen {
			return
		}
		if l := Swap16(Load16(l4, UDPLength)); l < UDPLen || l > size {
			inf.Fault = reason.BadL4Header
			return
		}
	default:
		if size < SCTPLen+ChunkLen {
			return
		}
		if l := Swap16(Load16(l4, SCTPLen+ChunkLength)); l < ChunkLen || l > size-SCTPLen {
			inf.Fault = reason.BadL4Header
			return
		}
		inf.Chunk = tellingChunk(l4, size)
	}
	inf.Kind = kind
	inf.Fault = reason.Unset
}

// tellingChunk is the type of an SCTP packet's first chunk, which is the one that changes an association's state, but for
// an ABORT behind COOKIE ECHO or COOKIE ACK, as in LVS. The first chunk lies within size.
func tellingChunk(l4 unsafe.Pointer, size uint16) uint8 {
	first := Load8(l4, SCTPLen)
	if first != ChunkCookieEcho && first != ChunkCookieAck {
		return first
	}
	next := SCTPLen + (uint32(Swap16(Load16(l4, SCTPLen+ChunkLength)))+3)&^3
	if next+ChunkLen <= uint32(size) && Load8(l4, uintptr(next)) == ChunkAbort {
		return ChunkAbort
	}
	return first
}
