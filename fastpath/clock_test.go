package fastpath

import "testing"

// Ports of different devices tell the time a little apart.
func TestTheWorkersClockNeverGoesBackAndBusyTimeIsThatWithPackets(t *testing.T) {
	r := newRig(t, tcp4())
	w := r.workers[0]
	frame := pk{from: client4, to: vip4, flags: "S"}.frame(t)
	const second = uint64(1e9)
	polled := 0
	times := []uint64{9 * second, 10 * second} // of the two ports, whose queues are asked in turn
	r.clock = func() uint64 { polled++; return times[polled%2] }
	step := func(packets int) {
		t.Helper()
		for range packets {
			if err := r.queues[0][wan].Put(frame, 0); err != nil {
				t.Fatal(err)
			}
		}
		w.Poll()
		if got := w.Counters().NowNs; got != times[1] {
			t.Errorf("the worker's clock says %d, the later port's %d", got, times[1])
		}
		times[0], times[1] = times[0]+second, times[1]+second
	}
	for _, packets := range []int{0, 1, 1, 0, 0, 1, 0} {
		step(packets)
	}
	// Three rounds had packets; each lasted until the clock was next looked at, a second later.
	if got := w.Counters().BusyNs; got != 3*second {
		t.Errorf("busy for %d ns, want %d", got, 3*second)
	}
}
