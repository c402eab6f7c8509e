package sched

import "testing"

// TestAPickAsideLeavesNoTrace: whoever looks what a scheduler would do must not change what it does next.
func TestAPickAsideLeavesNoTrace(t *testing.T) {
	for _, name := range Names() {
		if name == "last" { // an example's
			continue
		}
		build := func() Scheduler {
			servers := []Server{{Address: "10.0.0.1:80", Weight: 2, Load: new(Load)}, {Address: "10.0.0.2:80", Weight: 3, Share: 50, Load: new(Load)},
				{Address: "10.0.0.3:80", Weight: 3, Load: new(Load)}}
			s, err := New(name, servers, Options{Memory: NewMemory(name)})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		undisturbed, watched := build(), build()
		var a, b State
		for i := range rounds(60) {
			k := Key{Src: [16]byte{198, 51, 100, byte(i)}, Dst: [16]byte{203, 0, 113, byte(i % 7)}, SrcPort: uint16(i), Now: uint32(i) * 1e6}
			other := Key{Src: [16]byte{9, 9, 9, byte(i)}, Dst: [16]byte{9, 0, 0, byte(i)}, Now: k.Now}
			st := b
			looking := Aside(watched)
			for _, look := range []Key{other, k} {
				looking.Pick(&look, &st)
			}
			st = b
			foretold := Aside(watched).Pick(&k, &st)
			want, got := undisturbed.Pick(&k, &a), watched.Pick(&k, &b)
			if got != want || foretold != got || a != b {
				t.Fatalf("%s, connection %d: picked %d after a look that said %d, without one %d", name, i, got, foretold, want)
			}
		}
	}
}
