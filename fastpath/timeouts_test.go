package fastpath

import (
	"net/netip"
	"testing"

	"github.com/weirlb/weir/fastpath/conn"
)

// TestEachServiceHasItsOwnTimeouts sends both ways that a packet can take through Weir: the first of a connection, and
// the steady ones.
func TestEachServiceHasItsOwnTimeouts(t *testing.T) {
	for _, f := range families {
		vips := []string{f.vip, netip.AddrPortFrom(netipAddr(f.vip).Next(), 80).String()}
		r := newRig(t, []rigService{{vip: vips[0], proto: proto(true), mode: NAT}, {vip: vips[1], proto: proto(true), mode: NAT}})
		r.spec.Timeouts = append(r.spec.Timeouts, conn.NewTimeouts(1000, 2000, 3000, 4000))
		r.spec.Services[1].Timeouts = 1
		r.publish()
		for i, want := range []uint64{300_000, 3000} {
			p := pk{from: f.client, to: vips[i], udp: true}
			for range 3 {
				r.send(wan, p.frame(t))
				r.advance(want - 1)
				if n := r.workers[0].Counters().NewConns; n != uint64(2*i+1) {
					t.Fatalf("%s: after less than its timeout there are %d connections", vips[i], n)
				}
			}
			r.advance(want)
			r.send(wan, p.frame(t))
			if n := r.workers[0].Counters().NewConns; n != uint64(2*i+2) {
				t.Errorf("%s: after its timeout there are %d connections", vips[i], n)
			}
		}
	}
}
