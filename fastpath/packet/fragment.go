package packet

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/reason"
)

// maxDatagram is the most bytes behind the IP header that fragments may add up to.
const maxDatagram = 1<<16 - 1

// Piece is the part of a datagram that a fragment is: from byte From up to byte To of what was cut up.
type Piece struct {
	From, To uint32
	ID       uint32 // as loaded; of IPv4 the low half
	More     bool   // it is not the last
}

// Piece reads a fragment's place; the frame at data is one of Kind Fragment4 or Fragment6.
func (inf *Info) Piece(data unsafe.Pointer) (p Piece) {
	h := unsafe.Add(data, uintptr(inf.Frag))
	if inf.Kind == Fragment6 {
		field := Load16(h, ip6FragmentField)
		p.ID, p.More = Load32(h, ip6FragmentID), field&ip6FragmentMore != 0
		p.From = uint32(Swap16(field) &^ 7)
		p.To = p.From + uint32(inf.End-inf.Frag) - ip6FragmentLen
		return p
	}
	field := Load16(h, IP4Frag)
	p.ID, p.More = uint32(Load16(h, IP4ID)), field&IP4MoreFragments != 0
	p.From = uint32(Swap16(field)&0x1fff) * 8
	p.To = p.From + uint32(inf.End-inf.L4)
	return p
}

func parseFragment4(data unsafe.Pointer, inf *Info) {
	inf.Kind, inf.Frag = Fragment4, EthLen
	switch inf.Proto {
	case ProtoTCP, ProtoUDP, ProtoSCTP, ProtoICMP:
		inf.checkFragment(data)
	default:
		inf.Kind, inf.Fault = Other4, reason.UnsupportedProtocol
	}
}

// parseFragment6 looks behind the fragment header at L4: in a first fragment for the L4 header, which must be there
// with all headers before it (RFC 7112).
func parseFragment6(data unsafe.Pointer, inf *Info) {
	inf.Kind, inf.Frag = Fragment6, inf.L4
	inf.Proto, inf.L4 = Load8(data, uintptr(inf.L4)), inf.L4+ip6FragmentLen
	if inf.Piece(data).From == 0 {
		next, off, fault := Extensions(data, uint32(inf.L4), uint32(inf.End), inf.Proto)
		switch {
		case fault == reason.Truncated:
			inf.Kind, inf.Fault = Bad, reason.TinyFragment
			return
		case fault != reason.Unset:
			inf.Kind, inf.Fault = Bad, fault
			return
		}
		if inf.Proto, inf.L4 = next, uint16(off); next == ProtoFragment {
			inf.Kind, inf.Fault = Bad, reason.ExtensionChain
			return
		}
	}
	switch inf.Proto {
	case ProtoTCP, ProtoUDP, ProtoSCTP, ProtoICMP6, ProtoHopByHop, ProtoRouting, ProtoDestOpts:
		inf.checkFragment(data)
	default:
		inf.Kind, inf.Fault = Other6, reason.UnsupportedProtocol
	}
}

// checkFragment refuses what no honest sender makes: it would hide what a packet is from whoever looks at fragments
// one by one (RFC 1858, RFC 3128), or does not fit into any datagram.
func (inf *Info) checkFragment(data unsafe.Pointer) {
	p := inf.Piece(data)
	switch {
	case p.To == p.From, p.To > maxDatagram, p.More && p.To&7 != 0:
		inf.Kind, inf.Fault = Bad, reason.BadFragment
	case p.From == 0:
		inf.checkFirst(data)
	case inf.Proto == ProtoTCP && p.From < TCPLen:
		inf.Kind, inf.Fault = Bad, reason.TinyFragment
	default:
		inf.Fault = reason.Unset
	}
}

// checkFirst asks for the whole L4 header in a first fragment.
func (inf *Info) checkFirst(data unsafe.Pointer) {
	l4, size := unsafe.Add(data, uintptr(inf.L4)), uint32(inf.End-inf.L4)
	least, bad := uint32(UDPLen), false // as ICMP's
	switch {
	case inf.Proto == ProtoTCP && size < TCPLen:
		least = TCPLen
	case inf.Proto == ProtoTCP:
		least = uint32(Load8(l4, TCPDataOffset)>>4) * 4
		inf.TCPFlags = Load8(l4, TCPFlags)
		bad = least < TCPLen || inf.TCPFlags&SYN != 0 && inf.TCPFlags&(FIN|RST) != 0
	case inf.Proto == ProtoUDP && size >= UDPLen:
		bad = Swap16(Load16(l4, UDPLength)) < UDPLen
	case inf.Proto == ProtoSCTP:
		least = SCTPLen + ChunkLen
		if size >= least {
			bad = Swap16(Load16(l4, SCTPLen+ChunkLength)) < ChunkLen
			inf.Chunk = tellingChunk(l4, uint16(size))
		}
	}
	switch {
	case bad:
		inf.Kind, inf.Fault = Bad, reason.BadL4Header
	case size < least:
		inf.Kind, inf.Fault = Bad, reason.TinyFragment
	default:
		inf.Fault = reason.Unset
	}
}
