package fastpath

import (
	"encoding/binary"
	"testing"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
)

// connect makes UDP connections, one a client port, and returns how many there are.
func connect(t *testing.T, r *rig, n int) {
	t.Helper()
	frame := pk{from: client4, to: vip4, udp: true, noChecksum: true}.frame(t)
	for i := range n {
		binary.BigEndian.PutUint16(frame[34:], uint16(1024+i))
		if err := r.queues[0][wan].Put(frame, 0); err != nil {
			t.Fatal(err)
		}
	}
	r.run()
	if live := r.workers[0].Counters().Live; live != uint64(n) {
		t.Fatalf("%d connections, want %d", live, n)
	}
}

func TestIdleRoundsCatchUpWithExpiry(t *testing.T) {
	const connections = 20_000
	r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoUDP, mode: NAT}}, withCapacity(connections))
	connect(t, r, connections)
	r.advance(300_000)
	rounds := 0
	for r.workers[0].Counters().Live > 0 {
		r.workers[0].Poll()
		if rounds++; rounds > connections/(idleSweeps*len(conn.Dead{}))+2 {
			t.Fatalf("%d connections are left after %d rounds", r.workers[0].Counters().Live, rounds)
		}
	}
	if c := r.workers[0].Counters(); c.Expired != connections {
		t.Errorf("%d expired", c.Expired)
	}
}

func TestARoundWithPacketsDoesNotWaitForExpiry(t *testing.T) {
	const connections = 2000
	r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoUDP, mode: NAT}}, withCapacity(connections))
	connect(t, r, connections)
	r.advance(300_000)
	foreign := pk{from: client4, to: client4, udp: true}.frame(t)
	for was := uint64(0); r.workers[0].Counters().Live > 0; {
		if err := r.queues[0][wan].Put(foreign, 0); err != nil {
			t.Fatal(err)
		}
		r.workers[0].Poll()
		now := r.workers[0].Counters().Expired
		if now-was > uint64(fullSweeps*len(conn.Dead{})) {
			t.Fatalf("%d connections were expired in one round", now-was)
		}
		if now == was {
			t.Fatal("none was")
		}
		was = now
	}
}

func TestAReplaysRoundExpiresAllThatIsDue(t *testing.T) {
	const connections = 5000
	r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoUDP, mode: NAT}}, withCapacity(connections))
	r.workers[0].unhurried = true
	r.workers[0].Poll() // nothing to do, and no end to it would be a bug
	connect(t, r, connections)
	r.advance(300_000)
	r.workers[0].Poll()
	if live := r.workers[0].Counters().Live; live != 0 {
		t.Errorf("%d connections are left", live)
	}
}
