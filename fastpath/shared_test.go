package fastpath

import (
	"math/rand/v2"
	"testing"

	"github.com/weirlb/weir/fastpath/packet"
)

func TestServersOfSeveralConnectionsAreMarked(t *testing.T) {
	r := rand.New(rand.NewPCG(51, 52))
	for range 20 {
		n := 1 + r.IntN(3000)
		snap := &Snapshot{Backends: make([]Backend, n)}
		for i := range snap.Backends {
			b := &snap.Backends[i]
			b.Mode, b.V6 = []Mode{NAT, NAT, NAT, DR}[r.IntN(4)], r.IntN(4) == 0
			b.peer.Addr[0], b.peer.Port = uint64(r.IntN(4000)), packet.Swap16(uint16(80+r.IntN(2)))
			if r.IntN(200) == 0 {
				b.peer.Port, b.wide = 0, true
			}
		}
		snap.markShared()
		type server struct {
			addr uint64
			v6   bool
		}
		all := map[server]map[uint16]int{}
		for i := range snap.Backends {
			if b := &snap.Backends[i]; b.Mode == NAT {
				k := server{b.peer.Addr[0], b.V6}
				if all[k] == nil {
					all[k] = map[uint16]int{}
				}
				all[k][b.peer.Port]++
			}
		}
		for i := range snap.Backends {
			b := &snap.Backends[i]
			ports := all[server{b.peer.Addr[0], b.V6}]
			want := b.Mode == NAT && (b.wide || ports[b.peer.Port] > 1 || ports[0] > 0)
			if b.shared != want {
				t.Fatalf("backend %d of %d, ports %v: shared %t", i, n, ports, b.shared)
			}
		}
	}
}
