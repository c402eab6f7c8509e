//go:build !race

package fastpath

import (
	"net/netip"
	"os"
	"testing"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
	"golang.org/x/sys/unix"
)

// Under the race detector it would take minutes.

// TestTenMillionConnectionsAreMadeUsedAndExpired fills one worker's table with nat connections, sends a packet of each,
// and lets time pass.
func TestTenMillionConnectionsAreMadeUsedAndExpired(t *testing.T) {
	const flows = 10_000_000 / port.BurstSize * port.BurstSize
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		t.Fatal(err)
	}
	if free := info.Freeram * uint64(info.Unit); free < 2<<30 && os.Getenv("CI") != "true" {
		t.Skipf("SKIPPED, NOT TESTED: it takes 1 GB of memory, and %d MB are free", free>>20)
	}
	vip := "203.0.113.10:80"
	r := newRig(t, []rigService{{vip: vip, proto: packet.ProtoUDP, mode: NAT}})
	r.spec.Timeouts = []conn.Timeouts{conn.NewTimeouts(900_000, 120_000, 60_000, 900_000)}
	r.publish()
	tm := newTreadmill(false, flows, netip.MustParseAddrPort(vip).Addr())
	w := newTreadmillWorker(t, r, tm, flows)
	for range 2 * flows / port.BurstSize { // all begin, then all have a second packet
		w.Poll()
	}
	if c := w.Counters(); c.Out != 2*flows || c.NewConns != flows || c.Live != flows || c.Expired+c.Evicted != 0 {
		t.Fatalf("of %d connections: %d packets left, %d connections began, %d are there, %d expired, %d evicted",
			flows, c.Out, c.NewConns, c.Live, c.Expired, c.Evicted)
	}
	tm.idle = true
	tm.now += 61e9
	for range 100_000 {
		if tm.now += 1e6; w.table.Len() == 0 {
			break
		}
		w.Poll()
	}
	if c := w.Counters(); c.Live != 0 || c.Expired != flows {
		t.Errorf("%d connections are left, %d expired", c.Live, c.Expired)
	}
	for i, l := range r.loads {
		if n := l.Inactive.Load(); n != 0 {
			t.Errorf("backend %d has %d connections left", i, n)
		}
	}
}
