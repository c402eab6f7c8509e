package ring

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/reason"
)

// numbered is a packet that shows if it was damaged: n bytes that follow from its number.
func numbered(i, n int) []byte {
	b := make([]byte, n)
	for j := range b {
		b[j] = byte(i + 7*j)
	}
	return b
}

func TestPacketsComeOutAsTheyWentIn(t *testing.T) {
	r := NewPackets(4096, nil)
	rng := rand.New(rand.NewPCG(1, 1))
	type sent struct {
		meta Meta
		data []byte
	}
	var queue []sent
	buf := make([]byte, 4096)
	full := 0
	for i := range 50_000 {
		if rng.IntN(2) == 0 {
			s := sent{Meta{Reason: reason.Reason(i), Port: uint8(i), V6: i%2 == 0, Addr: nexthop.Addr{byte(i), 15: 9}}, numbered(i, rng.IntN(1600))}
			if r.Push(&s.meta, s.data) {
				queue = append(queue, s)
			} else {
				full++
			}
			continue
		}
		var m Meta
		n, ok := r.Pop(&m, buf)
		if ok != (len(queue) > 0) || r.Empty() != (len(queue) <= 1) {
			t.Fatalf("step %d: Pop %t, Empty %t with %d packets", i, ok, r.Empty(), len(queue))
		}
		if !ok {
			continue
		}
		want := queue[0]
		queue = queue[1:]
		if m != want.meta || !bytes.Equal(buf[:n], want.data) {
			t.Fatalf("step %d: %+v with %d bytes, want %+v with %d", i, m, n, want.meta, len(want.data))
		}
	}
	if full == 0 {
		t.Error("the queue was never full")
	}
}

func TestAPacketQueueIsFullToTheLastByte(t *testing.T) {
	const size = 4096
	r := NewPackets(size, nil)
	fits := size - metaSize
	if r.Push(&Meta{}, make([]byte, fits+1)) {
		t.Error("a packet larger than the queue was taken")
	}
	for i := range 3 { // at three places
		if !r.Push(&Meta{}, numbered(i, fits)) {
			t.Fatal("a packet as large as the queue was refused")
		}
		if r.Push(&Meta{}, nil) {
			t.Fatal("an empty packet was taken on top")
		}
		var m Meta
		buf := make([]byte, size)
		if n, ok := r.Pop(&m, buf); !ok || !bytes.Equal(buf[:n], numbered(i, fits)) {
			t.Fatal("it came out changed")
		}
		r.Push(&Meta{}, make([]byte, 100))
		r.Pop(&m, buf)
	}
}

func TestAPacketTooLongForTheReaderIsCut(t *testing.T) {
	r := NewPackets(4096, nil)
	r.Push(&Meta{Port: 1}, numbered(1, 100))
	r.Push(&Meta{Port: 2}, numbered(2, 10))
	var m Meta
	buf := make([]byte, 40)
	if n, ok := r.Pop(&m, buf); !ok || n != 40 || m.Len != 100 || !bytes.Equal(buf, numbered(1, 100)[:40]) {
		t.Errorf("%d bytes of %d", n, m.Len)
	}
	if n, ok := r.Pop(&m, buf); !ok || m.Port != 2 || !bytes.Equal(buf[:n], numbered(2, 10)) {
		t.Errorf("the packet behind it: %+v, %d bytes", m, n)
	}
}

func TestPacketsCounterWraps(t *testing.T) {
	r := NewPackets(4096, nil)
	start := ^uint32(0) - 1000 + 1
	r.head.Store(start &^ 7)
	r.tail.Store(start &^ 7)
	var m Meta
	buf := make([]byte, 4096)
	for i := range 20 {
		if !r.Push(&Meta{}, numbered(i, 300)) {
			t.Fatalf("packet %d was refused", i)
		}
		if n, ok := r.Pop(&m, buf); !ok || !bytes.Equal(buf[:n], numbered(i, 300)) {
			t.Fatalf("packet %d came out changed", i)
		}
	}
}

func TestTheBellRingsOnlyForASleeperAndOnce(t *testing.T) {
	rung := 0
	r := NewPackets(4096, func() { rung++ })
	step := func(what string, want int, do func()) {
		t.Helper()
		do()
		if rung != want {
			t.Fatalf("after %s the bell has rung %d times, want %d", what, rung, want)
		}
	}
	push := func() { r.Push(&Meta{}, make([]byte, 60)) }
	pop := func() { r.Pop(new(Meta), make([]byte, 60)) }
	step("a packet for one who is awake", 0, func() { push(); r.Ring() })
	step("going to sleep with a packet there", 0, func() {
		if r.Wait() {
			t.Error("Wait let the reader sleep")
		}
		r.Ring()
	})
	step("a round without packets for a sleeper", 0, func() {
		pop()
		if !r.Wait() {
			t.Error("Wait kept the reader awake")
		}
		r.Ring()
	})
	step("a packet for a sleeper", 1, func() { push(); r.Ring() })
	step("more of them", 1, func() { push(); r.Ring(); r.Ring() })
}

func TestAQueueWithoutABellIsQuiet(t *testing.T) {
	r := NewPackets(4096, nil)
	r.Wait()
	r.Push(&Meta{}, nil)
	r.Ring()
}

// TestNoPacketIsSleptThrough lets the reader sleep whenever it may: if a wake-up got lost, it would never end.
func TestNoPacketIsSleptThrough(t *testing.T) {
	const total = 100_000
	bell := make(chan struct{}, 1)
	r := NewPackets(4096, func() { bell <- struct{}{} })
	go func() {
		for i := 0; i < total; {
			full := false
			for range 1 + i%3 {
				if i == total {
					break
				}
				if full = !r.Push(&Meta{Port: uint8(i)}, numbered(i, i%200)); full {
					break
				}
				i++
			}
			if r.Ring(); full {
				runtime.Gosched()
			}
		}
	}()
	var m Meta
	buf := make([]byte, 200)
	for i := 0; i < total; {
		n, ok := r.Pop(&m, buf)
		if ok {
			if m.Port != uint8(i) || !bytes.Equal(buf[:n], numbered(i, i%200)) {
				t.Fatalf("packet %d is damaged or out of order", i)
			}
			i++
			continue
		}
		if r.Wait() {
			<-bell
		}
	}
}
