package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/reason"
)

// maxPieces bounds the fragments of one packet: a jumbo frame never needs as many.
const maxPieces = 16

// piece is a fragment, with what the tunnel must know of it.
type piece struct {
	frame port.Frame
	item  item
}

// mayFragment reports whether a packet that is too large may be cut up: IPv4 without DF. Routers never fragment
// IPv6.
func mayFragment(f *port.Frame, it *item) bool {
	return !it.v6() && packet.Load16(f.Data, packet.EthLen+packet.IP4Frag)&packet.IP4DontFragment == 0
}

// sendPieces cuts a finished packet up to fit mtu (RFC 791 section 3.2) and gives the pieces to emit. The extra
// ones count as Weir's own.
func (w *Worker) sendPieces(f *port.Frame, it *item, mtu int, emit func(*Worker, *piece) verdict) verdict {
	pieces := &w.scratch.pieces
	n := w.split(f, it, mtu, pieces)
	if n == 0 {
		return drop(reason.NoBuffer)
	}
	w.counters.Own += uint64(n - 1)
	for i := range pieces[:n] {
		p := &pieces[i]
		w.settle(&p.frame, emit(w, p))
	}
	return sent
}

// split makes the pieces: the first in the packet's own buffer, the others in spare ones of the port it came
// from. It returns how many, 0 if there are not enough buffers.
func (w *Worker) split(f *port.Frame, it *item, mtu int, pieces *[maxPieces]piece) int {
	ip := unsafe.Add(f.Data, packet.EthLen)
	hl := int(packet.Load8(ip, packet.IP4VerIHL)&0x0f) * 4
	payload := int(it.End) - packet.EthLen - hl
	step := (mtu - hl) &^ 7 // offsets count in units of 8 bytes
	if step <= 0 || (payload+step-1)/step > maxPieces {
		return 0
	}
	n := 1
	for at := step; at < payload; at += step {
		part := min(step, payload-at)
		g, ok := w.spare(f.Port)
		if !ok || packet.EthLen+hl+part > int(g.Tail) {
			if ok {
				w.free(&g)
			}
			for i := range pieces[1:n] {
				w.free(&pieces[1+i].frame)
			}
			return 0
		}
		head := packet.EthLen + hl
		copy(packet.Bytes(g.Data, uint32(head)), packet.Bytes(f.Data, uint32(head)))
		copy(packet.Bytes(unsafe.Add(g.Data, head), uint32(part)), packet.Bytes(unsafe.Add(f.Data, head+at), uint32(part)))
		g.Len, g.Tail = uint32(head+part), g.Tail-uint16(head+part)
		pieces[n] = piece{frame: g, item: *it}
		pieces[n].finish(at, at+part < payload)
		n++
	}
	f.Tail += uint16(int(f.Len) - packet.EthLen - hl - step)
	f.Len = uint32(packet.EthLen + hl + step)
	pieces[0] = piece{frame: *f, item: *it}
	pieces[0].finish(0, true)
	return n
}

// finish writes a piece's own length and offset. The checksum is updated, not computed anew: the pieces of a
// damaged header are damaged.
func (p *piece) finish(offset int, more bool) {
	ip := unsafe.Add(p.frame.Data, packet.EthLen)
	was := packet.Load16(ip, packet.IP4Frag) // what is cut up may be a fragment
	frag := packet.Swap16(packet.Swap16(was)&0x1fff+uint16(offset/8)) | was&packet.IP4MoreFragments
	if more {
		frag |= packet.IP4MoreFragments
	}
	total := packet.Swap16(uint16(p.frame.Len - packet.EthLen))
	d := packet.Replace16(packet.Load16(ip, packet.IP4Total), total).
		Plus(packet.Replace16(packet.Load16(ip, packet.IP4Frag), frag))
	if offset > 0 {
		d = d.Plus(dropUncopied(ip))
		p.item.TCPFlags = 0 // payload stands where its TCP header would
	}
	packet.Store16(ip, packet.IP4Total, total)
	packet.Store16(ip, packet.IP4Frag, frag)
	packet.Store16(ip, packet.IP4Checksum, d.Update(packet.Load16(ip, packet.IP4Checksum)))
	p.item.End = uint16(p.frame.Len)
}

// dropUncopied makes those IPv4 options mean nothing that belong into the first fragment only (RFC 791 section
// 3.1: their copied flag is clear), and returns what that changes in the header's checksum.
func dropUncopied(ip unsafe.Pointer) packet.Delta {
	const end, nop, copied = 0, 1, 0x80
	var was [60]byte
	hl := uintptr(packet.Load8(ip, packet.IP4VerIHL)&0x0f) * 4
	header := packet.Bytes(ip, uint32(hl))
	copy(was[:], header)
	for off := packet.IP4Len; off < len(header) && header[off] != end; {
		size := 1
		if header[off] != nop {
			if off+1 == len(header) || header[off+1] < 2 || off+int(header[off+1]) > len(header) {
				break
			}
			size = int(header[off+1])
		}
		if header[off]&copied == 0 {
			for i := range header[off : off+size] {
				header[off+i] = nop
			}
		}
		off += size
	}
	return packet.Replace(unsafe.Pointer(&was), ip, int(hl))
}
