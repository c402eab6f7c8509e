package sched

import (
	"encoding/binary"
	"testing"
)

// FuzzPick builds every scheduler from made-up servers and picks twice with made-up keys and state.
func FuzzPick(f *testing.F) {
	f.Add([]byte{0, 1, 0, 3}, []byte{192, 0, 2, 1}, int32(0), int32(0), uint16(7), true, false)
	f.Add([]byte{0xff, 0xff, 0, 0, 0, 1}, []byte("sixteen bytes....!"), int32(-1), int32(1<<31-1), uint16(65521), false, true)
	memories := map[string]*Memory{}
	for _, name := range schedulers {
		memories[name] = NewMemory(name)
	}
	f.Fuzz(func(t *testing.T, weights, src []byte, pos, weight int32, size uint16, ports, fallback bool) {
		var ws []int
		for ; len(weights) >= 2 && len(ws) < hashBuckets; weights = weights[2:] {
			ws = append(ws, int(binary.BigEndian.Uint16(weights)))
		}
		ss := servers(ws...)
		for i := range ss {
			ss[i].Share, ss[i].Last, ss[i].Down = uint8(size>>(i%8)), int(uint16(pos)), weight>>(i%32)&1 != 0
		}
		k := Key{V6: len(src) >= 16, SrcPort: uint16(pos), Now: uint32(weight)}
		copy(k.Src[:], src)
		copy(k.Dst[:], src)
		for _, name := range schedulers {
			opt := Options{TableSize: int(size), Ports: ports, Fallback: fallback, Memory: memories[name]}
			s, err := New(name, ss, opt)
			if err != nil {
				if name != "mh" || size == 0 || CheckTableSize(int(size), len(ss)) == nil {
					t.Fatal(err)
				}
				continue
			}
			st := State{Pos: pos, Weight: weight}
			checkPick(t, name, ss, opt, s.Pick(&k, &st))
			checkPick(t, name, ss, opt, s.Pick(&k, &st))
		}
	})
}
