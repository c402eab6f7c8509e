package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
)

// In FullNAT, fragments of different clients come to a backend from one local address. Two of them may have the same
// identification, which of IPv4 has 16 bits: the backend would make one datagram of both. So Weir, which is their source, gives
// them identifications of its own (RFC 6864 section 4.3). They count up for each backend's address, by every worker in a share of
// its own, so that none comes again within the time that a host keeps fragments, unless there are more datagrams in that time than
// the share has. From IPv6 to IPv6 the 32 bits that clients choose stay.

// identSlots is how many counters there are; backends have one by their address.
const identSlots = 1024

// newIdent is an identification that no other datagram to a backend has.
func (w *Worker) newIdent(b *Backend) uint16 {
	at := &w.passages.idents[w.hasher.HashOf(b.peer.Addr[0]^b.peer.Addr[1])%identSlots]
	*at++
	share := (1 << 16) / w.workers
	return uint16(int(*at)%share*w.workers + w.id)
}

// renumber gives what is to be fragments on the way to a backend an identification: a first fragment, with which the others of
// its datagram get it, and a packet that Weir cuts up.
func (w *Worker) renumber(f *port.Frame, it *item, e *conn.Entry, b *Backend, large bool) {
	switch {
	case it.v6() && b.V6 || it.isFragment():
	case it.firstOfSeveral(f):
		k := it.arriving(f)
		p := w.remember(&k, false)
		p.other = uint32(w.newIdent(b))
		setIdent(f, it, uint16(p.other))
		w.rememberLeaving(f, it, e, b, false, k.id)
	case large && !it.v6():
		setIdent(f, it, w.newIdent(b))
	}
}

// renumberPart gives a later fragment the identification of its datagram; false: that is not remembered any more.
func (w *Worker) renumberPart(f *port.Frame, it *item, b *Backend) bool {
	if it.v6() && b.V6 {
		return true
	}
	k := it.arriving(f)
	p := w.passage(&k, false)
	if p == nil {
		return false
	}
	setIdent(f, it, uint16(p.other))
	return true
}

// setIdent writes an identification into a packet as it comes; of IPv6, into its fragment header, from where it goes into the IPv4
// header.
func setIdent(f *port.Frame, it *item, id uint16) {
	if it.v6() {
		const idOff = 4
		packet.Store32(f.Data, uintptr(it.Frag)+idOff, packet.Swap32(uint32(id)))
		return
	}
	setIdent4(unsafe.Add(f.Data, packet.EthLen), packet.Swap16(id))
}

// setIdent4 writes one, as loaded, into an IPv4 header.
func setIdent4(ip unsafe.Pointer, id uint16) {
	d := packet.Replace16(packet.Load16(ip, packet.IP4ID), id)
	packet.Store16(ip, packet.IP4ID, id)
	packet.Store16(ip, packet.IP4Checksum, d.Update(packet.Load16(ip, packet.IP4Checksum)))
}

// renumber gives a quoted fragment another identification, as loaded. With the header's checksum that changes nothing in the sum
// over both, and so in the error's checksum.
func (q *quote) renumber(id uint32) {
	if q.v6 || id == q.id {
		return
	}
	q.id = id
	setIdent4(q.ip, uint16(id))
}
