package ethdev

import (
	"bytes"
	"testing"
	"unsafe"

	"github.com/weirlb/weir/dpdk/internal/dpdktest"
	"github.com/weirlb/weir/dpdk/lcore"
	"github.com/weirlb/weir/fastpath/port"
)

// loop is a device whose transmit queues are its receive queues.
func loop(t *testing.T) (*Device, *Queue) {
	t.Helper()
	asWorker(t, lcore.AnyCore)
	d := device1(t, "%s", dpdktest.Name("net_ring"))
	return d, d.Queue(0)
}

func TestFramesArriveAsTheyWereSent(t *testing.T) {
	_, q := loop(t)
	var frames [][]byte
	for i, size := range []int{16, 60, 61, 64, 127, 128, 1514, 1518} {
		frames = append(frames, testFrame(size, i))
	}
	send(t, q, frames...)
	expect(t, q, frames...)
	if b := q.Burst(); b.TxFrames != uint64(len(frames)) || b.TxBytes != 16+60+61+64+127+128+1514+1518 {
		t.Errorf("counted %d frames, %d bytes", b.TxFrames, b.TxBytes)
	}
}

func TestAReceivedFrameHasRoomAround(t *testing.T) {
	_, q := loop(t)
	send(t, q, testFrame(60, 1), testFrame(1514, 2))
	q.Exchange(port.BurstSize)
	b := q.Burst()
	if b.NRX != 2 {
		t.Fatalf("%d frames arrived", b.NRX)
	}
	for _, f := range b.RX[:b.NRX] {
		if f.Room < port.Headroom || int(f.Tail) != 2048-int(f.Len) {
			t.Errorf("%d bytes have %d in front and %d behind", f.Len, f.Room, f.Tail)
		}
		if f.Flags != 0 || f.Port != 0 {
			t.Errorf("flags %#x, port %d", f.Flags, f.Port)
		}
		whole := unsafe.Slice((*byte)(unsafe.Add(f.Data, -int(f.Room))), int(f.Room)+int(f.Len)+int(f.Tail))
		for i := range whole {
			whole[i] = 0xa5
		}
	}
	discard(q, b.RX[:b.NRX]...)
	// The writes above hit no other buffer.
	send(t, q, numbered(20, 300)...)
	expect(t, q, numbered(20, 300)...)
}

func TestAFrameCanGrowAndShrinkAtBothEnds(t *testing.T) {
	_, q := loop(t)
	inner := testFrame(100, 1)
	frames := filled(t, q, inner, inner)
	grow, shrink := &frames[0], &frames[1]
	grow.Data, grow.Len = unsafe.Add(grow.Data, -48), grow.Len+48+10
	outer := bytes.Repeat([]byte{7}, 48)
	copy(data(*grow), outer)
	copy(data(*grow)[148:], outer[:10])
	shrink.Data, shrink.Len = unsafe.Add(shrink.Data, 20), shrink.Len-30
	offer(q, frames...)
	expect(t, q, append(append(bytes.Clone(outer), inner...), outer[:10]...), inner[20:90])
}

func TestExchangeReceivesNoMoreThanItsLimit(t *testing.T) {
	_, q := loop(t)
	b := q.Burst()
	send(t, q, numbered(200, 60)...)
	left := 200
	for _, tc := range []struct{ limit, want int }{{0, 0}, {1, 1}, {10, 10}, {0, 0}, {64, 64}, {1000, 64}, {64, 61}, {64, 0}} {
		q.Exchange(tc.limit)
		if int(b.NRX) != tc.want {
			t.Errorf("limit %d: %d frames with %d waiting, want %d", tc.limit, b.NRX, left, tc.want)
		}
		left -= int(b.NRX)
		discard(q, b.RX[:b.NRX]...)
	}
}

func TestSpareBuffersAreToppedUp(t *testing.T) {
	d, q := loop(t)
	b := q.Burst()
	for _, used := range []int{port.SpareSize, 1, 7} {
		frames := spares(t, q, used)
		q.Exchange(0)
		if b.NSpare != port.SpareSize {
			t.Fatalf("after %d were used there are %d", used, b.NSpare)
		}
		discard(q, frames...)
	}
	seen := map[unsafe.Pointer]bool{}
	for _, f := range b.Spare {
		if f.Len != 0 || f.Room < port.Headroom || f.Tail < 1792 || f.Flags != 0 || seen[f.Buf] {
			t.Errorf("a spare buffer has %d bytes, %d in front, %d behind, flags %#x", f.Len, f.Room, f.Tail, f.Flags)
		}
		seen[f.Buf] = true
	}
	q.Exchange(0)
	if n := d.pool.InUse(); n != port.SpareSize {
		t.Errorf("%d buffers are in use, want the %d spare ones", n, port.SpareSize)
	}
}

func TestExchangeFreesFirst(t *testing.T) {
	asWorker(t, lcore.AnyCore)
	d := device1(t, "%s", dpdktest.Name("net_ring"))
	q, b := d.Queue(0), d.Queue(0).Burst()
	var all []port.Frame
	for q.Exchange(0); b.NSpare > 0; q.Exchange(0) {
		all = append(all, spares(t, q, int(b.NSpare))...)
	}
	if free := d.pool.Free(); free >= port.SpareSize {
		t.Fatalf("%d buffers are free, the pool was to be empty", free)
	}
	// What is freed serves the same exchange.
	discard(q, all[:port.SpareSize]...)
	q.Exchange(0)
	if b.NFree != 0 || b.NSpare != port.SpareSize {
		t.Errorf("%d to free, %d spare after the exchange", b.NFree, b.NSpare)
	}
	for all = all[port.SpareSize:]; len(all) > 0; all = all[min(len(all), port.FreeSize):] {
		discard(q, all[:min(len(all), port.FreeSize)]...)
		q.Exchange(0)
	}
	if n := d.pool.InUse(); n != port.SpareSize {
		t.Errorf("%d buffers are in use at the end", n)
	}
}

func TestWhatTheDeviceDoesNotTakeStaysInOrder(t *testing.T) {
	_, q := loop(t)
	b := q.Burst()
	const capacity, all = ringSize - 1, ringSize + 400
	for frames := filled(t, q, numbered(all, 60)...); len(frames) > 0; {
		n := min(len(frames), port.TxSize-int(b.NTX))
		offer(q, frames[:n]...)
		frames = frames[n:]
		q.Exchange(0)
	}
	if want := uint32(all - capacity); b.NTX != want || b.TxFrames != capacity {
		t.Fatalf("%d frames wait and %d are sent, want %d and %d", b.NTX, b.TxFrames, want, capacity)
	}
	q.Exchange(0)
	if b.NTX != all-capacity {
		t.Fatalf("%d frames wait after a vain try", b.NTX)
	}
	expect(t, q, numbered(all, 60)...)
	if b.NTX != 0 || b.TxFrames != all || b.TxBytes != all*60 {
		t.Errorf("%d frames wait, %d frames with %d bytes are sent", b.NTX, b.TxFrames, b.TxBytes)
	}
}

// net_tap stops at a frame it can't send.
func TestAFrameThatIsTooLargeDoesNotBlockOthers(t *testing.T) {
	asWorker(t, lcore.AnyCore)
	name := dpdktest.Name("tx")
	d := device1(t, "%s,iface=%s", dpdktest.Name("net_tap"), name)
	wire := dpdktest.NewWire(t, name)
	q := d.Queue(0)
	before, after := testFrame(60, 1), testFrame(1514, 2)
	send(t, q, before, testFrame(1700, 3), testFrame(1600, 4), after)
	wire.Expect(before)
	wire.Expect(after)
	if b := q.Burst(); b.TxFrames != 2 || b.TxBytes != 60+1514 {
		t.Errorf("counted %d frames, %d bytes", b.TxFrames, b.TxBytes)
	}
	s, err := d.Stats()
	if err != nil || s.TxErrors < 2 {
		t.Errorf("%+v, %v: want 2 errors of transmission", s, err)
	}
}

func TestWorkersBeyondADevicesQueues(t *testing.T) {
	asWorker(t, lcore.AnyCore)
	d := open(t, Config{Name: "p0", Device: dpdktest.Name("net_ring"), Workers: 3, Queues: 2})[0]
	if rx, tx := d.Queues(); rx != 2 || tx != 2 {
		t.Fatalf("%d and %d queues, want 2 and 2", rx, tx)
	}
	for w := range 3 {
		q := d.Queue(w)
		if has := w < 2; q.HasRX() != has || q.HasTX() != has {
			t.Errorf("worker %d receives: %v, sends: %v", w, q.HasRX(), q.HasTX())
		}
	}
	q := d.Queue(2)
	q.Exchange(port.BurstSize)
	b := q.Burst()
	if b.NRX != 0 || b.NSpare != port.SpareSize || b.Now == 0 {
		t.Errorf("without sides: received %d, %d spare, time %d", b.NRX, b.NSpare, b.Now)
	}
	discard(q, spares(t, q, 5)...)
	q.Exchange(port.BurstSize)
	if b.NFree != 0 {
		t.Errorf("%d buffers were not freed", b.NFree)
	}
}

func TestTimeIsTheSameOnAllQueuesAndNeverGoesBack(t *testing.T) {
	asWorker(t, lcore.AnyCore)
	d := open(t, Config{Name: "p0", Device: dpdktest.Name("net_ring"), Workers: 2})[0]
	last := uint64(0)
	for i := range 1000 {
		q := d.Queue(i % 2)
		q.Exchange(0)
		if now := q.Burst().Now; now < last {
			t.Fatalf("exchange %d is at %d ns, the one before at %d", i, now, last)
		} else {
			last = now
		}
	}
}

func TestExchangeAllocatesNothing(t *testing.T) {
	asWorker(t, lcore.AnyCore)
	q := device1(t, "%s", dpdktest.Name("net_null")).Queue(0)
	frames := 0
	if n := testing.AllocsPerRun(1000, func() { frames += forward(q) }); n != 0 {
		t.Errorf("an exchange allocates %v times", n)
	}
	if frames == 0 {
		t.Error("nothing was received")
	}
}

func TestAnEmptyPoolStopsReceptionUntilBuffersAreBack(t *testing.T) {
	asWorker(t, lcore.AnyCore)
	d := device1(t, "%s", dpdktest.Name("net_null"))
	q, b := d.Queue(0), d.Queue(0).Burst()
	var held []port.Frame
	for q.Exchange(port.BurstSize); b.NRX > 0; q.Exchange(port.BurstSize) {
		held = append(held, b.RX[:b.NRX]...)
	}
	if free := d.pool.Free(); free >= 2*port.BurstSize {
		t.Fatalf("reception stopped with %d buffers free", free)
	}
	for ; len(held) > 0; held = held[min(len(held), port.FreeSize):] {
		discard(q, held[:min(len(held), port.FreeSize)]...)
		q.Exchange(0)
	}
	q.Exchange(port.BurstSize)
	if b.NRX == 0 {
		t.Error("nothing is received although buffers are free")
	}
	discard(q, b.RX[:b.NRX]...)
}
