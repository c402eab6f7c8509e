package memport

import (
	"bytes"
	"strings"
	"testing"
	"unsafe"

	"github.com/weirlb/weir/fastpath/port"
)

var _ port.Queue = (*Queue)(nil)

func newQueue(t *testing.T) (*Queue, *Pool) {
	t.Helper()
	pool := &Pool{}
	return New(pool, func() uint64 { return 5 }), pool
}

func put(t *testing.T, q *Queue, frame []byte) {
	t.Helper()
	if err := q.Put(frame, 0); err != nil {
		t.Fatal(err)
	}
}

// transmit and free give the frame RX[i] back.
func transmit(b *port.Burst, i int) { b.TX[b.NTX] = b.RX[i]; b.NTX++ }
func free(b *port.Burst, i int)     { b.Free[b.NFree] = b.RX[i].Buf; b.NFree++ }

func TestFramesArriveInOrderAndNoMoreThanAskedFor(t *testing.T) {
	q, pool := newQueue(t)
	const frames = port.BurstSize + 10
	for i := range frames {
		put(t, q, bytes.Repeat([]byte{byte(i)}, 60+i))
	}
	b := q.Burst()
	next := 0
	for _, limit := range []int{0, 1, port.BurstSize, port.BurstSize, 5} {
		waiting := q.Waiting()
		q.Exchange(limit)
		if int(b.NRX) != min(limit, waiting) || q.Waiting() != waiting-int(b.NRX) {
			t.Fatalf("received %d of %d, asked for %d", b.NRX, waiting, limit)
		}
		for i := range int(b.NRX) {
			f := &b.RX[i]
			got := unsafe.Slice((*byte)(f.Data), f.Len)
			if len(got) != 60+next || got[0] != byte(next) || got[len(got)-1] != byte(next) {
				t.Fatalf("frame %d has %d bytes %d…", next, len(got), got[0])
			}
			if f.Room < port.Headroom || int(f.Tail) != MaxFrame-len(got) || f.Flags != 0 {
				t.Fatalf("frame %d: %+v", next, *f)
			}
			next++
			free(b, i)
		}
	}
	if next != frames {
		t.Errorf("%d frames arrived of %d", next, frames)
	}
	q.Exchange(0)
	q.Drain()
	if n := pool.InUse(); n != 0 {
		t.Errorf("%d buffers leaked", n)
	}
}

func TestAnExchangeThatReceivesNothingLeavesTheBurstAlone(t *testing.T) {
	q, _ := newQueue(t)
	put(t, q, []byte("held by the worker"))
	put(t, q, []byte("still to come"))
	q.Exchange(1)
	held := q.Burst().RX[0]
	q.Exchange(0)
	if q.Burst().RX[0] != held || string(unsafe.Slice((*byte)(held.Data), held.Len)) != "held by the worker" || q.Waiting() != 1 {
		t.Error("the frame that the worker holds changed, or another one came")
	}
}

func TestFlagsOfTheDeviceArrive(t *testing.T) {
	q, _ := newQueue(t)
	if err := q.Put(make([]byte, 60), port.BadIPChecksum|port.Segmented); err != nil {
		t.Fatal(err)
	}
	q.Exchange(1)
	if f := q.Burst().RX[0]; f.Flags != port.BadIPChecksum|port.Segmented {
		t.Errorf("flags %x", f.Flags)
	}
}

func TestWhatIsSentComesOutAndIsCounted(t *testing.T) {
	q, pool := newQueue(t)
	b := q.Burst()
	put(t, q, []byte("first frame"))
	put(t, q, []byte("second"))
	q.Exchange(port.BurstSize)
	f := &b.RX[0] // one byte more in front, the last two cut off
	f.Data = unsafe.Add(f.Data, -1)
	*(*byte)(f.Data) = '>'
	f.Room, f.Len, f.Tail = f.Room-1, f.Len-1, f.Tail+2
	transmit(b, 0)
	transmit(b, 1)
	q.Exchange(0)
	out := q.Take()
	if len(out) != 2 || string(out[0]) != ">first fra" || string(out[1]) != "second" {
		t.Errorf("sent %q", out)
	}
	if b.TxFrames != 2 || b.TxBytes != 16 || b.NTX != 0 {
		t.Errorf("counted %d frames, %d bytes, %d left", b.TxFrames, b.TxBytes, b.NTX)
	}
	if q.Take() != nil || q.Err() != nil {
		t.Errorf("it came out twice, or %v", q.Err())
	}
	q.Drain()
	if pool.InUse() != 0 {
		t.Errorf("%d buffers leaked", pool.InUse())
	}
}

func TestTheSinkGetsFramesInsteadOfTake(t *testing.T) {
	q, _ := newQueue(t)
	var got []string
	q.OnSend(func(f []byte) { got = append(got, string(f)) })
	put(t, q, []byte("a frame"))
	q.Exchange(1)
	transmit(q.Burst(), 0)
	q.Exchange(0)
	if len(got) != 1 || got[0] != "a frame" || q.Take() != nil {
		t.Errorf("%q", got)
	}
}

func TestAStuckDeviceKeepsFramesInOrderUntilItIsNot(t *testing.T) {
	q, _ := newQueue(t)
	b := q.Burst()
	q.SetStuck(true)
	for _, s := range []string{"one", "two", "three"} {
		put(t, q, []byte(s))
		q.Exchange(1)
		transmit(b, 0)
	}
	q.Exchange(0)
	if b.NTX != 3 || q.Take() != nil || b.TxFrames != 0 {
		t.Fatalf("%d frames wait", b.NTX)
	}
	q.SetStuck(false)
	q.Exchange(0)
	if got := q.Take(); len(got) != 3 || string(got[0]) != "one" || string(got[2]) != "three" {
		t.Errorf("sent %q", got)
	}
}

func TestSparesAreToppedUpAsTheContractSays(t *testing.T) {
	q, pool := newQueue(t)
	b := q.Burst()
	for range 3 {
		q.Exchange(0)
		if b.NSpare != port.SpareSize {
			t.Fatalf("%d spares", b.NSpare)
		}
		for i := range b.NSpare {
			f := &b.Spare[i]
			if f.Len != 0 || f.Room < port.Headroom || f.Tail < 1792 {
				t.Fatalf("spare %d: %+v", i, *f)
			}
		}
		for range 5 { // taken and freed
			b.NSpare--
			b.Free[b.NFree] = b.Spare[b.NSpare].Buf
			b.NFree++
		}
	}
	q.Exchange(0)
	q.Drain()
	if pool.InUse() != 0 {
		t.Errorf("%d buffers leaked", pool.InUse())
	}
}

func TestAnEmptyPoolGivesNoSparesAndRefusesFrames(t *testing.T) {
	q, pool := newQueue(t)
	pool.Limit = 2
	put(t, q, make([]byte, 60))
	q.Exchange(0)
	if n := q.Burst().NSpare; n != 1 {
		t.Errorf("%d spares, want the last buffer", n)
	}
	if err := q.Put(make([]byte, 60), 0); err == nil || !strings.Contains(err.Error(), "2 buffers") {
		t.Errorf("error %v", err)
	}
}

func TestFramesLargerThanABufferAreRefused(t *testing.T) {
	q, pool := newQueue(t)
	if err := q.Put(make([]byte, MaxFrame+1), 0); err == nil || pool.InUse() != 0 {
		t.Errorf("error %v, %d buffers in use", err, pool.InUse())
	}
	put(t, q, make([]byte, MaxFrame))
}

func TestTimeNeverGoesBack(t *testing.T) {
	times := []uint64{7, 9, 3, 9, 12}
	q := New(&Pool{}, func() uint64 { now := times[0]; times = times[1:]; return now })
	for _, want := range []uint64{7, 9, 9, 9, 12} {
		if q.Exchange(0); q.Burst().Now != want {
			t.Errorf("now %d, want %d", q.Burst().Now, want)
		}
	}
}

func TestSidesThatAQueueLacks(t *testing.T) {
	pool := &Pool{}
	q := NewPartial(pool, func() uint64 { return 1 }, false, false)
	if q.HasRX() || q.HasTX() {
		t.Error("it has a side")
	}
	put(t, q, make([]byte, 60))
	q.Exchange(port.BurstSize)
	if b := q.Burst(); b.NRX != 0 || b.Now != 1 || b.NSpare != port.SpareSize {
		t.Errorf("received %d at %d with %d spares", b.NRX, b.Now, b.NSpare)
	}
	q.Drain()
	if pool.InUse() != 0 {
		t.Errorf("%d buffers leaked", pool.InUse())
	}
}

func TestMistakesOfTheWorkerShow(t *testing.T) {
	t.Run("a buffer freed twice", func(t *testing.T) {
		q, _ := newQueue(t)
		put(t, q, make([]byte, 60))
		q.Exchange(1)
		free(q.Burst(), 0)
		free(q.Burst(), 0)
		expectPanic(t, func() { q.Exchange(0) })
	})
	t.Run("a frame sent on a queue without that side", func(t *testing.T) {
		q := NewPartial(&Pool{}, func() uint64 { return 1 }, true, false)
		put(t, q, make([]byte, 60))
		q.Exchange(1)
		transmit(q.Burst(), 0)
		expectPanic(t, func() { q.Exchange(0) })
	})
	for name, spoil := range map[string]func(*port.Frame){
		"room that is not there":    func(f *port.Frame) { f.Room++ },
		"tail that is not there":    func(f *port.Frame) { f.Tail++ },
		"longer than its buffer":    func(f *port.Frame) { f.Len = MaxFrame + 1 },
		"data before its buffer":    func(f *port.Frame) { f.Data = unsafe.Add(f.Buf, -1) },
		"moved without saying so":   func(f *port.Frame) { f.Data = unsafe.Add(f.Data, 4) },
		"shortened, tail unchanged": func(f *port.Frame) { f.Len-- },
	} {
		t.Run(name, func(t *testing.T) {
			q, pool := newQueue(t)
			put(t, q, make([]byte, 60))
			q.Exchange(1)
			transmit(q.Burst(), 0)
			spoil(&q.Burst().TX[0])
			q.Exchange(0)
			q.Drain()
			if q.Err() == nil || q.Take() != nil || pool.InUse() != 0 {
				t.Errorf("error %v, %d buffers in use", q.Err(), pool.InUse())
			}
		})
	}
}

func expectPanic(t *testing.T, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	f()
}
