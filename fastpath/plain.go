package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
)

// Where the L4 header of a plain frame begins.
const (
	plain4L4 = packet.EthLen + packet.IP4Len
	plain6L4 = packet.EthLen + packet.IP6Len
)

// What the first 3 bytes from the EtherType on are in a plain frame of IPv4, and in one of IPv6 but for the traffic class.
const (
	plainHead4 = 0x45<<16 | uint64(packet.EtherIPv4)
	plainHead6 = 0x60<<16 | uint64(packet.EtherIPv6)
)

// steadyMask is what item.steady says of an entry's head, from the protocol on.
const steadyMask = 0xff | uint32(conn.V6|conn.Active|conn.Several)<<8 | 0xff<<16

// steadyHead is the mask of a head with the ports.
const steadyHead = uint64(steadyMask)<<32 | (1<<32 - 1)

const (
	steadyV6  = uint32(conn.V6) << 8
	steadyTCP = packet.ProtoTCP | uint32(conn.Active)<<8 | uint32(conn.Established)<<16
	// steadySYN is of a client's SYN: no connection is in such a state.
	steadySYN = packet.ProtoTCP | uint32(0xff)<<16
	steadyUDP = packet.ProtoUDP | uint32(conn.Several)<<8 | uint32(conn.UDPFlow)<<16
)

// plain recognises with a few loads what nearly all frames are: for this port, whose MAC is mac, of TCP or UDP without
// IPv4 options, IPv6 extension headers or anything to object to, and no FIN, RST or SYN+ACK. It fills in their items, from
// the first frame to the first that is none such, and returns how many there were. What it stops at is
// packet.Parse's, which takes three times as long over a frame.
func (w *Worker) plain(frames []port.Frame, items []item, in uint8, mac uint64) int {
	const most = packet.EthLen + packet.IP4Len + packet.UDPLen // bytes that are read before it is known what it is
	items = items[:len(frames)]
	for i := range frames {
		f, it := &frames[i], &items[i]
		f.Port = in
		d, n := f.Data, f.Len
		// The destination is ours and the source no group.
		if n < most || f.Flags&deviceFaults != 0 || (packet.Load64(d, packet.EthDst)^mac)&(1<<49-1) != 0 {
			return i
		}
		head := packet.Load64(d, packet.EthTypeOff) // EtherType, then the IP header's first 6 bytes
		var proto, size, hash uint64                // size: what follows the IP header; huge, if that is too long for it
		steady, l4 := uint32(0), uintptr(plain4L4)
		if head&0xffffff == plainHead4 {
			rest := packet.Load32(d, packet.EthLen+packet.IP4Frag) // fragment field, TTL, protocol
			if uint16(rest)&packet.IP4FragMask != 0 {
				return i
			}
			proto, size = uint64(rest>>24), uint64(packet.Swap16(uint16(head>>32)))-packet.IP4Len
			hash = w.hasher.Hash4(packet.Load64(d, packet.EthLen+packet.IP4Src), packet.Load32(d, plain4L4), uint8(proto))
			it.Known(uint64(packet.Flow4) | proto<<8 | plain4L4<<32 | (plain4L4+size)<<48)
		} else if head&0xf0ffff == plainHead6 && n >= plain6L4+packet.UDPLen {
			proto, size = uint64(packet.Load8(d, packet.EthLen+packet.IP6Next)), uint64(packet.Swap16(uint16(head>>48)))
			hash = w.hasher.Hash6(unsafe.Add(d, packet.EthLen+packet.IP6Src), packet.Load32(d, plain6L4), uint8(proto))
			it.Known(uint64(packet.Flow6) | proto<<8 | plain6L4<<32 | (plain6L4+size)<<48)
			steady, l4 = steadyV6, plain6L4
		} else {
			return i
		}
		if proto == packet.ProtoUDP {
			l := uint64(packet.Swap16(packet.Load16(d, l4+packet.UDPLength)))
			if l < packet.UDPLen || l > size || size > uint64(n)-uint64(l4) {
				return i
			}
			steady |= steadyUDP
		} else if proto == packet.ProtoTCP {
			if size < packet.TCPLen || size > uint64(n)-uint64(l4) {
				return i
			}
			fields := uint64(packet.Load16(d, l4+packet.TCPDataOffset)) // header length in words in bits 4-7, flags from 8 on
			const flags = uint64(packet.SYN|packet.FIN|packet.RST|packet.ACK) << 8
			if l := fields >> 2 & 0x3c; l < packet.TCPLen || l > size {
				return i
			}
			switch fields & flags {
			case uint64(packet.ACK) << 8:
				steady |= steadyTCP
			case uint64(packet.SYN) << 8:
				steady |= steadySYN
			default:
				return i
			}
		} else {
			return i
		}
		it.hash, it.steady, it.Home = uint32(hash), steady, w.hasher.HomeOf(hash)
	}
	return len(frames)
}
