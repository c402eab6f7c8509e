package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/reason"
)

// local returns what the address at p is to us, as the snapshot has it. The link-local address of the port itself,
// which no snapshot names, is our own as well.
func (w *Worker) local(f *port.Frame, p unsafe.Pointer, v6 bool) uint32 {
	local := w.snap.local(p, v6)
	if local == 0 && v6 && *(*nexthop.Addr)(p) == w.ports[f.Port].linkLocal {
		return localOwn | (uint32(f.Port) + 1)
	}
	return local
}

// toKernel punts a packet for one of Weir's own addresses, if the kernel has the address and an interface for
// the port that the packet came in on.
func (w *Worker) toKernel(f *port.Frame, local uint32) verdict {
	if p := ownPort(local); int(p) < len(w.ports) && w.ports[p].tap && w.ports[f.Port].tap {
		return punt(reason.PuntLocal)
	}
	return drop(reason.NoTap)
}

// badSource finds sources that no packet from a network can have (RFC 1812 section 5.3.7) and those that
// are our own. As to Linux, 240.0.0.0/4 is like any other network but for the broadcast address: some sites use it.
func (w *Worker) badSource(f *port.Frame, addrs unsafe.Pointer, v6 bool) reason.Reason {
	if v6 {
		hi, lo := packet.Load64(addrs, 0), packet.Load64(addrs, 8)
		const mapped = 0xffff0000 // the middle of ::ffff:0:0/96, as loaded
		if uint8(hi) == 0xff || hi == 0 && (lo == 0 || lo == 1<<56 || uint32(lo) == mapped) {
			return reason.MartianSource
		}
	} else if a := packet.Load8(addrs, 0); a == 0 || a == 127 || a >= 224 && a < 240 || packet.Load32(addrs, 0) == 1<<32-1 || w.snap.Routes.broadcast(packet.Load32(addrs, 0)) {
		return reason.MartianSource
	}
	if w.local(f, addrs, v6) != 0 {
		return reason.SpoofedSource
	}
	return reason.Unset
}

// ordinary4 reports whether badSource will find nothing wrong with an IPv4 source, as loaded: in one look instead of three.
// It may say no of sources that are good.
func (snap *Snapshot) ordinary4(a uint32) bool {
	return unicast4(a) && len(snap.vipNets.lens[0]) == 0 && !snap.never.has(slot4(a))
}

// unicast4 reports whether an IPv4 source, as loaded, is one that a host can have, and not of 240.0.0.0/4.
func unicast4(a uint32) bool { return uint8(a)-1 < 223 && uint8(a) != 127 }

// global6 reports whether badSource may find nothing wrong with an IPv6 source but that it is ours, and it is not link-local; word is its
// first 8 bytes, as loaded. It says no of all of ::/64, in which are the unspecified, the loopback and IPv4-mapped addresses.
func global6(word uint64) bool { return word != 0 && uint8(word) != 0xff && word&0xc0ff != 0x80fe }

// linkLocal reports whether the IPv6 address at p is one of fe80::/10, which no router forwards
// (RFC 4291 section 2.5.6).
func linkLocal(p unsafe.Pointer) bool { return packet.Load16(p, 0)&0xc0ff == 0x80fe }
