package offheap

import "testing"

func TestMemoryIsZeroedWritableAndCanBeFreedTwice(t *testing.T) {
	for _, huge := range []bool{false, true} {
		for _, size := range []int{1, 4096, hugeSize, 3*hugeSize + 1} {
			r, err := Alloc(size, huge)
			if err != nil {
				t.Fatal(err)
			}
			s := Slice[uint64](r, size/8)
			for i := range s {
				if s[i] != 0 {
					t.Fatalf("size %d: word %d is not zero", size, i)
				}
				s[i] = uint64(i)
			}
			if r.Size() < size {
				t.Errorf("asked for %d bytes, got %d", size, r.Size())
			}
			for range 2 {
				if err := r.Free(); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

func TestImpossibleSizesAreErrors(t *testing.T) {
	for _, size := range []int{0, -1, 1 << 60} {
		if _, err := Alloc(size, false); err == nil {
			t.Errorf("Alloc(%d) succeeded", size)
		}
	}
}

func TestASliceLargerThanItsRegionPanics(t *testing.T) {
	r, err := Alloc(4096, false)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Free()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	Slice[uint64](r, 513)
}
