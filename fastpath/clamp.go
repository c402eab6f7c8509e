package fastpath

import (
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
)

// clampsBoth reports whether the MSS that both ends announce is lowered. In SCTP a chunk's type is where the flags are.
func (b *Backend) clampsBoth(it *item) bool {
	return b.Clamp && b.Mode != TUN && it.Proto == packet.ProtoTCP
}

// clampBetween lowers the MSS that a SYN announces. What it tells of are the segments of the other way, which will come in
// where the SYN leaves, as IPv6 or not and with that MTU, and leave where it came in: they have to fit both.
func (w *Worker) clampBetween(f *port.Frame, it *item, v6 bool, mtu int) {
	clampMSS(f, it, min(largestSegment(v6, mtu), largestSegment(it.v6(), w.ports[f.Port].mtu)))
}

// largestSegment is the MSS for an MTU without options (RFC 6691).
func largestSegment(v6 bool, mtu int) uint16 {
	if v6 {
		return uint16(mtu - packet.IP6Len - packet.TCPLen)
	}
	return uint16(mtu - packet.IP4Len - packet.TCPLen)
}
