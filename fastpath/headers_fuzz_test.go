package fastpath

import (
	"bytes"
	"runtime/debug"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
)

// FuzzHeaders gives the parsers behind packet.Parse any frame: of what ICMP errors quote, of TCP options and of IPv4
// options; and whoever looks for the service of a frame that is lost. The frame ends at a page that nobody may touch.
func FuzzHeaders(f *testing.F) {
	const size, page = 1 << 17, 4096
	mem, err := unix.Mmap(-1, 0, size+page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = unix.Munmap(mem) })
	if err := unix.Mprotect(mem[size:], unix.PROT_NONE); err != nil {
		f.Fatal(err)
	}
	for _, s := range fuzzSeeds(f) {
		for len(s) > 3 {
			n := int(s[1])<<8 | int(s[2])
			f.Add(s[3 : 3+n])
			s = s[3+n:]
		}
	}
	w := newRig(f, fuzzServices()).workers[0]
	f.Fuzz(func(t *testing.T, data []byte) {
		debug.SetPanicOnFault(true)
		if len(data) > size || len(data) < packet.EthLen {
			return
		}
		frame := mem[size-len(data) : size]
		copy(frame, data)
		fr := port.Frame{Data: at(frame), Len: uint32(len(frame))}
		if s := int(w.serviceOf(&fr)); s > len(fuzzServices()) {
			t.Errorf("it is of service %d", s)
		}
		var it item
		packet.Parse(fr.Data, fr.Len, packet.Load64(fr.Data, 0)&(1<<48-1), &it.Info)
		switch it.Kind {
		case packet.ICMP4, packet.ICMP6:
			if it.End-it.L4 >= packet.ICMPLen {
				checkQuotes(t, &fr, &it, w.snap)
			}
		case packet.Flow4, packet.Flow6:
			before := bytes.Clone(frame)
			if it.Proto == packet.ProtoTCP {
				clampMSS(&fr, &it, 100)
			}
			if it.Kind == packet.Flow4 {
				dropUncopied(unsafe.Add(fr.Data, packet.EthLen))
			}
			if !bytes.Equal(before[:34], frame[:34]) || !bytes.Equal(before[it.End:], frame[it.End:]) {
				t.Error("more than options changed")
			}
		}
	})
}

func checkQuotes(t *testing.T, f *port.Frame, it *item, snap *Snapshot) {
	var q, outer quote
	if q.find(f, it) {
		checkQuoteBounds(t, f, it, &q)
	}
	if q.findTunnelled(f, it, &outer, snap) {
		checkQuoteBounds(t, f, it, &q)
		checkQuoteBounds(t, f, it, &outer)
	}
}

func checkQuoteBounds(t *testing.T, f *port.Frame, it *item, q *quote) {
	ip, l4 := int(uintptr(q.ip)-uintptr(f.Data)), int(uintptr(q.l4)-uintptr(f.Data))
	least := map[bool]int{false: packet.IP4Len, true: packet.IP6Len}[q.v6]
	if ip < int(it.L4)+packet.ICMPLen || l4 < ip+least || q.size < packet.L4QuoteLen || l4+q.size != int(it.End) {
		t.Errorf("quoted IP at %d, L4 at %d with %d bytes, in a packet that ends at %d", ip, l4, q.size, it.End)
	}
}
