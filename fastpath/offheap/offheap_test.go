package offheap

import (
	"reflect"
	"testing"
	"unsafe"
)

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

func TestReservedMemoryIsZeroedAndWritable(t *testing.T) {
	r, err := Reserve(1 << 30) // of which two pages are used
	if err != nil {
		t.Fatal(err)
	}
	s := Slice[uint64](r, 1<<27)
	for _, i := range []int{0, 1<<27 - 1} {
		if s[i] != 0 {
			t.Errorf("word %d is not zero", i)
		}
		s[i] = 1
	}
	if err := r.Free(); err != nil {
		t.Error(err)
	}
	if _, err := Reserve(0); err == nil {
		t.Error("nothing was reserved")
	}
}

func TestWhatHoldsGoPointersIsFoundOut(t *testing.T) {
	type plain struct {
		a [3]uint64
		b struct{ c bool }
		d uintptr
	}
	type deep struct {
		a [2]struct{ p *int }
	}
	for _, v := range []any{0, plain{}, [4]plain{}, 1.5, [0]byte{}} {
		if HoldsPointers(reflect.TypeOf(v)) {
			t.Errorf("%T does not", v)
		}
	}
	for _, v := range []any{new(int), "", []int{}, map[int]int{}, func() {}, make(chan int), unsafe.Pointer(nil), deep{}, struct{ e error }{}} {
		if !HoldsPointers(reflect.TypeOf(v)) {
			t.Errorf("%T does", v)
		}
	}
	r, err := Alloc(4096, false)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Free()
	defer func() {
		if recover() == nil {
			t.Error("a slice of pointers was put off the heap")
		}
	}()
	Slice[deep](r, 1)
}
