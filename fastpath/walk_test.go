package fastpath

import (
	"math/rand/v2"
	"testing"

	"github.com/weirlb/weir/fastpath/packet"
)

// TestAWalkGoesOnFromWhereItIsAcrossReloads compares walks, among reloads that change addresses, ports and the backend's family,
// with the same computed by division at each step, up to the most places that there can be.
func TestAWalkGoesOnFromWhereItIsAcrossReloads(t *testing.T) {
	for _, workers := range []int{1, 3} {
		r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoTCP, mode: FullNAT}}, withWorkers(workers, workers))
		rnd := rand.New(rand.NewPCG(91, uint64(workers)))
		r.run()
		for id, w := range r.workers {
			var at uint32
			for range 200 {
				b := &Backend{V6: rnd.IntN(2) == 0}
				full := &fullNAT{id: fullNATs.Add(1), first: uint16(1 + rnd.IntN(3000))}
				full.last = full.first + uint16(rnd.IntN(1<<rnd.IntN(16)))
				full.last = max(full.last, full.first)
				locals := make([]uint16, 1+rnd.IntN(1<<rnd.IntN(17)))
				if rnd.IntN(20) == 0 {
					full.first, full.last, locals = 1, 65535, make([]uint16, MaxLocals)
				}
				for i := range locals {
					locals[i] = uint16(i) ^ 0x5a5a
				}
				full.locals[family(b.V6)] = locals
				w.snap.Services[0].full = full
				first, ports := full.share(id, workers)
				places := uint64(len(locals)) * ports
				for range 20 {
					got, ok := w.nextLocal(0, b)
					if ok != (places > 0) {
						t.Fatalf("%d places, and there is one to go to: %t", places, ok)
					}
					if !ok {
						continue
					}
					at = uint32((uint64(at) + walkStep) % places)
					place := (uint64(at) + w.hasher.HashOf(0)%places) % places
					n := uint64(len(locals))
					want := uint32(locals[place%n])<<16 | uint32(packet.Swap16(uint16(first+place/n*uint64(workers))))
					if got != want {
						t.Fatalf("%d addresses, ports %d to %d, worker %d of %d: %x, want %x", n, full.first, full.last, id, workers, got, want)
					}
				}
			}
		}
	}
}
