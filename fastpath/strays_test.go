package fastpath

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/weirlb/weir/fastpath/rss"
)

func (r *rig) strays(port int) (n uint64) {
	for _, w := range r.workers {
		n += w.Strays(port)
	}
	return n
}

func TestRepliesOnOtherQueuesThanToldAreCounted(t *testing.T) {
	const workers, connections = 4, 200
	told := spreadOver(t, workers, 128, allKinds)
	for _, f := range families {
		for _, udp := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/udp=%t", f.name, udp), func(t *testing.T) {
				r := fullRig(t, f.vip, f.rs1, udp, withWorkers(workers, workers), withRSS(told))
				r.connect(told, f.vip, f.client, udp, connections)
				if n := r.strays(lan); n != 0 {
					t.Errorf("the device does as it tells, and %d replies are strays", n)
				}
				r = fullRig(t, f.vip, f.rs1, udp, withWorkers(workers, workers), withRSS(told))
				otherwise, err := rss.New(rss.Settings{Key: slices.Repeat([]byte("another key"), 4)[:40], Table: []uint16{0, 1, 2, 3}, Ports: allKinds})
				if err != nil {
					t.Fatal(err)
				}
				r.connect(otherwise, f.vip, f.client, udp, connections)
				if n := r.strays(lan); n < connections/2 || n != r.handedOver() || r.strays(wan) != 0 {
					t.Errorf("%d strays on lan, %d on wan, %d packets handed over", n, r.strays(wan), r.handedOver())
				}
			})
		}
	}
}

// What is handed over for another reason is no stray.
func TestWhatTheDevicePutsWhereItTellsIsNoStray(t *testing.T) {
	const workers = 4
	told := spreadOver(t, workers, 128, allKinds)
	r := fullRig(t, vip4, "10.0.0.11:80", false, withWorkers(workers, workers), withRSS(told))
	client, backend := netipAddr(client4), netip.MustParseAddrPort("10.0.0.11:80")
	for n := range uint16(100) {
		// The client's packet comes to any worker.
		from := netip.AddrPortFrom(client, 2000+n)
		r.sendTo(int(n)%workers, wan, pk{from: from.String(), to: vip4, flags: "S"}.frame(t), 0)
		// The port is none of those that lead home, as when these are used up, or no connection has it.
		local := netip.AddrPortFrom(localOf(false), 5000+n)
		r.sendTo(queueOf(told, backend, local), lan, pk{from: backend.String(), to: local.String(), flags: "A", srcMAC: rs1MAC, dstMAC: lanMAC}.frame(t), 0)
	}
	if handed, strays := r.handedOver(), r.strays(lan)+r.strays(wan); handed < 100 || strays != 0 {
		t.Errorf("%d strays among %d packets handed over", strays, handed)
	}
}
