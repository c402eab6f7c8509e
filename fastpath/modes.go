package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
)

// ttlOut reports whether a packet may not be forwarded any further.
func ttlOut(f *port.Frame, v6 bool) bool {
	if v6 {
		return packet.Load8(f.Data, packet.EthLen+packet.IP6HopLimit) <= 1
	}
	return packet.Load8(f.Data, packet.EthLen+packet.IP4TTL) <= 1
}

// lowerTTL takes one off the TTL or hop limit; d is what else changed in the IPv4 header.
func lowerTTL(ip unsafe.Pointer, v6 bool, d packet.Delta) {
	if v6 {
		packet.Store8(ip, packet.IP6HopLimit, packet.Load8(ip, packet.IP6HopLimit)-1)
		return
	}
	lowerTTL4(ip, d.Plus(packet.TTLDelta))
}

// lowerTTL4 is lowerTTL for IPv4; d has the change of the TTL as well.
func lowerTTL4(ip unsafe.Pointer, d packet.Delta) {
	mid := packet.Load32(ip, packet.IP4TTL) // TTL, protocol and checksum
	packet.Store32(ip, packet.IP4TTL, mid&0xff00|uint32(uint8(mid)-1)|uint32(d.Update(uint16(mid>>16)))<<16)
}

// updateL4 changes a TCP or UDP checksum; SCTP has a CRC, see setSCTPPorts.
func updateL4(l4 unsafe.Pointer, proto uint8, d packet.Delta) {
	if proto == packet.ProtoTCP {
		updateTCP(l4, 0, d)
		return
	}
	updateUDP(l4, 0, d)
}

func updateTCP(p unsafe.Pointer, l4 uintptr, d packet.Delta) {
	packet.Store16(p, l4+packet.TCPChecksum, d.Update(packet.Load16(p, l4+packet.TCPChecksum)))
}

// updateUDP: a UDP checksum of 0 says that there is none and stays (RFC 768); one that becomes 0 is written as its
// other form.
func updateUDP(p unsafe.Pointer, l4 uintptr, d packet.Delta) {
	old := packet.Load16(p, l4+packet.UDPChecksum)
	if old == 0 {
		return
	}
	sum := d.Update(old)
	if sum == 0 {
		sum = 0xffff
	}
	packet.Store16(p, l4+packet.UDPChecksum, sum)
}

// setSCTPPorts writes the ports, in a row as loaded, of an SCTP packet that has size bytes, and updates its CRC.
func setSCTPPorts(l4 unsafe.Pointer, ports uint32, size uint16) {
	d := replacePorts(packet.Load32(l4, packet.PortsOff), ports, size)
	packet.Store32(l4, packet.PortsOff, ports)
	packet.Store32(l4, packet.SCTPChecksum, packet.Load32(l4, packet.SCTPChecksum)^d)
}

// replacePorts is what the CRC of an SCTP packet of size bytes changes by with its ports.
func replacePorts(old, new uint32, size uint16) uint32 {
	return packet.ReplaceCRC(uint16(old), uint16(new), size) ^ packet.ReplaceCRC(uint16(old>>16), uint16(new>>16), size-2)
}

// natTo rewrites a client's packet: destination from the VIP to the backend.
func (w *Worker) natTo(f *port.Frame, it *item, e *conn.Entry, b *Backend) {
	ip := unsafe.Add(f.Data, packet.EthLen)
	l4 := unsafe.Add(f.Data, uintptr(it.L4))
	p := &b.peer
	if b.wide {
		natWide(f, it, unsafe.Pointer(&p.Addr), p.PortOf(e), false)
		return
	}
	if it.v6() {
		packet.Store64(ip, packet.IP6Dst, p.Addr[0])
		packet.Store64(ip, packet.IP6Dst+8, p.Addr[1])
		packet.Store8(ip, packet.IP6HopLimit, packet.Load8(ip, packet.IP6HopLimit)-1)
	} else {
		packet.Store32(ip, packet.IP4Dst, uint32(p.Addr[0]))
		lowerTTL4(ip, b.toL3TTL)
	}
	if it.isFragment() {
		return // not the first: it has no ports
	}
	packet.Store16(l4, packet.PortsOff+2, p.Port)
	updateL4(l4, it.Proto, b.ToL4)
}

// natFrom rewrites a backend's packet: source from the backend to the VIP.
func (w *Worker) natFrom(f *port.Frame, it *item, e *conn.Entry, b *Backend) {
	ip := unsafe.Add(f.Data, packet.EthLen)
	l4 := unsafe.Add(f.Data, uintptr(it.L4))
	if b.wide {
		natWide(f, it, destination(unsafe.Pointer(&e.Addrs), it.v6()), uint16(e.Ports>>16), true)
		return
	}
	if it.v6() {
		packet.Store64(ip, packet.IP6Src, e.Addrs[2])
		packet.Store64(ip, packet.IP6Src+8, e.Addrs[3])
		packet.Store8(ip, packet.IP6HopLimit, packet.Load8(ip, packet.IP6HopLimit)-1)
	} else {
		packet.Store32(ip, packet.IP4Src, uint32(e.Addrs[0]>>32))
		lowerTTL4(ip, b.fromL3TTL)
	}
	if it.isFragment() {
		return
	}
	packet.Store16(l4, packet.PortsOff, uint16(e.Ports>>16))
	updateL4(l4, it.Proto, b.ToL4.Neg())
}
