package ring

import (
	"runtime"
	"testing"

	"github.com/weirlb/weir/fastpath/port"
)

func frame(i uint32) *port.Frame { return &port.Frame{Len: i, Hash: ^i} }

func TestFramesComeOutInOrderAcrossTheEnd(t *testing.T) {
	const size = 8
	r := NewFrames(size)
	var in, out uint32
	buf := make([]port.Frame, 5)
	for round := range 200 {
		for range round % (size + 1) {
			if !r.Push(frame(in)) {
				break
			}
			in++
		}
		r.Publish()
		for _, f := range buf[:r.Pop(buf[:round%6])] {
			if f.Len != out || f.Hash != ^out {
				t.Fatalf("frame %d came out, want %d", f.Len, out)
			}
			out++
		}
	}
	for n := r.Pop(buf); n > 0; n = r.Pop(buf) {
		out += uint32(n)
	}
	if in != out || in < 3*size {
		t.Errorf("%d frames in, %d out", in, out)
	}
}

func TestAQueueOfFramesKnowsHowManyWait(t *testing.T) {
	r := NewFrames(4)
	buf := make([]port.Frame, 3)
	for round := range uint32(10) {
		for range 3 {
			r.Push(frame(round))
		}
		if r.Len() != 0 {
			t.Errorf("%d wait before any was published", r.Len())
		}
		r.Publish()
		if r.Len() != 3 {
			t.Errorf("%d of 3 wait", r.Len())
		}
		r.Pop(buf)
	}
	if r.Len() != 0 {
		t.Errorf("%d wait in an empty queue", r.Len())
	}
}

func TestAFullQueueOfFramesRefusesAndTakesAgain(t *testing.T) {
	r := NewFrames(4)
	for i := range uint32(4) {
		if !r.Push(frame(i)) {
			t.Fatalf("no room for frame %d of 4", i)
		}
	}
	if r.Push(frame(4)) {
		t.Fatal("room for a fifth")
	}
	buf := make([]port.Frame, 4)
	if n := r.Pop(buf); n != 0 {
		t.Errorf("%d frames before they were published", n)
	}
	r.Publish()
	if n := r.Pop(buf[:1]); n != 1 {
		t.Fatalf("popped %d", n)
	}
	if !r.Push(frame(4)) || r.Push(frame(5)) {
		t.Error("after one was taken there is room for exactly one")
	}
}

func TestFramesCounterWraps(t *testing.T) {
	r := NewFrames(4)
	start := ^uint32(0) - 1
	r.next, r.seen = start, start
	r.head.Store(start)
	r.tail.Store(start)
	buf := make([]port.Frame, 4)
	for i := range uint32(10) {
		if !r.Push(frame(i)) {
			t.Fatalf("no room for frame %d", i)
		}
		r.Publish()
		if n := r.Pop(buf); n != 1 || buf[0].Len != i {
			t.Fatalf("popped %d, frame %d, want %d", n, buf[0].Len, i)
		}
	}
}

func TestFramesBetweenTwoGoroutines(t *testing.T) {
	const total = 200_000
	r := NewFrames(64)
	go func() {
		for i := uint32(0); i < total; {
			for range 1 + i%7 {
				if i == total || !r.Push(frame(i)) {
					break
				}
				i++
			}
			r.Publish()
			runtime.Gosched()
		}
	}()
	buf := make([]port.Frame, 64)
	for want := uint32(0); want < total; {
		n := r.Pop(buf)
		for _, f := range buf[:n] {
			if f.Len != want || f.Hash != ^want {
				t.Fatalf("frame %d (%x), want %d", f.Len, f.Hash, want)
			}
			want++
		}
		if n == 0 {
			runtime.Gosched()
		}
	}
}

func TestImpossibleSizesPanic(t *testing.T) {
	for name, make := range map[string]func(){
		"no frames":             func() { NewFrames(0) },
		"3 frames":              func() { NewFrames(3) },
		"less than 4096 bytes":  func() { NewPackets(2048, nil) },
		"5000 bytes of packets": func() { NewPackets(5000, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			make()
		})
	}
}
