// Package offheap gives memory outside the Go heap for tables that the garbage collector must not
// scan: from huge pages where some are free, otherwise from ordinary memory for which transparent
// huge pages are asked. What lies in it must hold no Go pointers.
package offheap

import (
	"fmt"
	"reflect"
	"unsafe"

	"golang.org/x/sys/unix"
)

const hugeSize = 2 << 20

// Region is a piece of zeroed memory, aligned to a page. It lives until Free.
type Region struct {
	mem  []byte
	huge bool
}

// Alloc maps size bytes (rounded up to a huge page's 2 MiB when size is at least that) and faults them
// in, so that no worker pays for a page's first use. With huge, reserved huge pages are tried first.
func Alloc(size int, huge bool) (*Region, error) {
	if size <= 0 {
		return nil, fmt.Errorf("offheap: cannot map %d bytes", size)
	}
	const flags = unix.MAP_PRIVATE | unix.MAP_ANONYMOUS
	const prot = unix.PROT_READ | unix.PROT_WRITE
	if size >= hugeSize {
		size = (size + hugeSize - 1) &^ (hugeSize - 1)
		if huge {
			// MAP_POPULATE makes the kernel refuse rather than kill the process later.
			mem, err := unix.Mmap(-1, 0, size, prot, flags|unix.MAP_HUGETLB|unix.MAP_POPULATE)
			if err == nil {
				return &Region{mem: mem, huge: true}, nil
			}
		}
	}
	mem, err := unix.Mmap(-1, 0, size, prot, flags)
	if err != nil {
		return nil, fmt.Errorf("mapping %d MiB of memory: %w", size>>20, err)
	}
	if size >= hugeSize {
		_ = unix.Madvise(mem, unix.MADV_HUGEPAGE) // advice: without it the pages are merely smaller
	}
	if err := unix.Madvise(mem, unix.MADV_POPULATE_WRITE); err != nil {
		touch(mem) // kernels before 5.14
	}
	return &Region{mem: mem}, nil
}

func touch(mem []byte) {
	for i := 0; i < len(mem); i += 4096 {
		mem[i] = 0
	}
}

// Pointer is the region's first byte.
func (r *Region) Pointer() unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(r.mem)) }

// Size is the region's length in bytes.
func (r *Region) Size() int { return len(r.mem) }

// Huge reports whether the region is made of reserved huge pages.
func (r *Region) Huge() bool { return r.huge }

// Free unmaps the region; nothing may use it any more. A second call does nothing.
func (r *Region) Free() error {
	mem := r.mem
	r.mem = nil
	if mem == nil {
		return nil
	}
	return unix.Munmap(mem)
}

// Slice views count values of T at the start of the region. It panics if they do not fit, which is a mistake of
// the caller's arithmetic, or if T holds pointers.
func Slice[T any](r *Region, count int) []T {
	var zero T
	if t := reflect.TypeFor[T](); HoldsPointers(t) {
		panic("offheap: " + t.String() + " holds pointers, which the garbage collector would not see")
	}
	if count < 0 || uintptr(count) > uintptr(len(r.mem))/unsafe.Sizeof(zero) {
		panic("offheap: slice larger than its region")
	}
	return unsafe.Slice((*T)(r.Pointer()), count)
}

// HoldsPointers reports whether values of a type hold pointers into the Go heap: such must not lie outside it.
func HoldsPointers(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Array:
		return HoldsPointers(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if HoldsPointers(t.Field(i).Type) {
				return true
			}
		}
		return false
	case reflect.Chan, reflect.Func, reflect.Interface, reflect.Map, reflect.Pointer, reflect.Slice, reflect.String,
		reflect.UnsafePointer:
		return true
	}
	return false
}

// Reserve maps size bytes of which only the pages that are written take memory.
func Reserve(size int) (*Region, error) {
	if size <= 0 {
		return nil, fmt.Errorf("offheap: cannot reserve %d bytes", size)
	}
	mem, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("reserving %d MiB of addresses: %w", size>>20, err)
	}
	return &Region{mem: mem}, nil
}
