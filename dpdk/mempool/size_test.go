package mempool

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirlb/weir/fastpath/port"
)

func TestDemandsOnOnePoolAddUp(t *testing.T) {
	a := Demand{Descriptors: 1, Bursts: 2, Workers: 3, Rings: 4, Extra: 5}
	b := Demand{Descriptors: 10, Bursts: 20, Workers: 2, Rings: 40, Extra: 50}
	want := Demand{Descriptors: 11, Bursts: 22, Workers: 3, Rings: 44, Extra: 55} // the same workers
	for _, got := range []Demand{a.Add(b), b.Add(a)} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("sum (-want +got):\n%s", diff)
		}
	}
}

func TestAPoolHoldsEveryPlaceThatCanBeFull(t *testing.T) {
	const burst = port.BurstSize + port.TxSize + port.FreeSize + port.SpareSize
	for _, tc := range []struct {
		name string
		d    Demand
		want int
	}{
		{"nothing", Demand{}, 1024},
		{"one small port", Demand{Descriptors: 128, Bursts: 0, Workers: 1}, 1024},
		{"one port and worker", Demand{Descriptors: 2048, Bursts: 1, Workers: 1}, 2048 + burst + 768},
		{"two ports, two workers", Demand{Descriptors: 8192, Bursts: 4, Workers: 2, Rings: 2048, Extra: 7}, 8192 + 4*burst + 2*768 + 2048 + 7},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.d.Buffers(); got != tc.want {
				t.Errorf("%d buffers, want %d", got, tc.want)
			}
		})
	}
}
