package fastpath

import (
	"testing"

	"github.com/weirlb/weir/fastpath/port"
)

// TestClosingFreesWhateverIsUnderWay closes workers while frames wait everywhere: for transmission, for their buffers
// to be freed, and between the workers. The rig's pool notices a buffer that is lost or freed twice.
func TestClosingFreesWhateverIsUnderWay(t *testing.T) {
	r := newRig(t, tcp4(), withWorkers(2, 2), withCapacity(4096))
	client := clientOf(t, "198.51.100.7", 0, 2).String()
	syn := pk{from: client, to: vip4, flags: "S"}.frame(t)
	one(t, r.send(wan, syn), lan)
	put := func(worker, port, count int, frame []byte) {
		t.Helper()
		for range count {
			if err := r.queues[worker][port].Put(frame, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(0, lan, 20, pk{from: "10.0.0.11:80", to: client, flags: "SA", srcMAC: rs1MAC, dstMAC: lanMAC}.frame(t))
	r.workers[0].Poll() // the replies wait for the next round to be sent
	for range handoverSize / port.BurstSize {
		put(1, wan, port.BurstSize, syn)
		r.workers[1].Poll() // worker 0 will not take them any more
	}
	put(0, wan, 5, syn)
	if got := r.queues[0][wan].Burst().NTX; got != 20 {
		t.Fatalf("%d frames wait for transmission", got)
	}
	if got := r.workers[1].Counters().HandedOver; got != handoverSize {
		t.Fatalf("%d frames were handed over", got)
	}
	r.release()
}

func TestClosingADeviceThatIsStuck(t *testing.T) {
	r := newRig(t, tcp4())
	for _, q := range r.queues[0] {
		q.SetStuck(true)
	}
	for range port.TxSize + 50 {
		r.send(wan, pk{from: client4, to: vip4, flags: "S"}.frame(t))
	}
	r.release()
}
