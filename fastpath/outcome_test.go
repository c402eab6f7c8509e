package fastpath

import (
	"testing"

	"github.com/weirlb/weir/fastpath/packet"
)

// failures are what the worker has counted at a backend.
func failures(r *rig, backend uint32) [3]uint64 {
	c := r.workers[0].BackendCounters(backend)
	return [3]uint64{c.Unanswered, c.Refused, c.Resets}
}

func TestFailedConnectionsAreCountedOnceEach(t *testing.T) {
	for _, f := range families {
		client := pk{from: f.client, to: f.vip}
		server := map[bool]string{false: "10.0.0.11:80", true: "[fd00::11]:80"}[f.v6]
		answer := pk{from: server, to: f.client, srcMAC: rs1MAC, dstMAC: lanMAC}
		type step struct {
			port  int
			flags string
			wait  uint64 // in milliseconds, after it
		}
		fromClient := func(flags string, wait uint64) step { return step{wan, flags, wait} }
		fromServer := func(flags string) step { return step{lan, flags, 0} }
		const gone = 200_000
		for _, c := range []struct {
			name  string
			mode  Mode
			steps []step
			want  [3]uint64
		}{
			{"a good one", NAT, []step{fromClient("S", 0), fromServer("SA"), fromClient("A", 0), fromClient("FA", 0), fromServer("FA"), fromClient("A", gone)}, [3]uint64{}},
			{"no answer", NAT, []step{fromClient("S", 1000), fromClient("S", 2000), fromClient("S", gone)}, [3]uint64{1, 0, 0}},
			{"no answer, and given up", NAT, []step{fromClient("S", gone)}, [3]uint64{1, 0, 0}},
			{"a late answer", NAT, []step{fromClient("S", 1000), fromClient("S", 0), fromServer("SA"), fromClient("A", gone)}, [3]uint64{1, 0, 0}},
			{"an answer that gets lost", NAT, []step{fromClient("S", 0), fromServer("SA"), fromClient("S", 0), fromServer("SA"), fromClient("A", gone)}, [3]uint64{}},
			{"half open, as in a flood", NAT, []step{fromClient("S", 0), fromServer("SA"), {wan, "", gone}}, [3]uint64{}},
			{"refused", NAT, []step{fromClient("S", 0), fromServer("RA"), {wan, "", gone}}, [3]uint64{0, 1, 0}},
			{"reset later", NAT, []step{fromClient("S", 0), fromServer("SA"), fromClient("A", 0), fromServer("R"), fromServer("R")}, [3]uint64{0, 0, 1}},
			{"reset before the last ACK", NAT, []step{fromClient("S", 0), fromServer("SA"), fromServer("R")}, [3]uint64{0, 0, 1}},
			{"reset by the client", NAT, []step{fromClient("S", 0), fromServer("SA"), fromClient("A", 0), fromClient("R", gone)}, [3]uint64{}},
			{"no answer, of which only the client's side is seen", DR, []step{fromClient("S", 1000), fromClient("S", 0), fromClient("S", gone)}, [3]uint64{1, 0, 0}},
			{"a good one, of which only the client's side is seen", TUN, []step{fromClient("S", 0), fromClient("A", gone)}, [3]uint64{}},
		} {
			t.Run(f.name+"/"+c.name, func(t *testing.T) {
				r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoTCP, mode: c.mode, peers: []string{server}}})
				for _, s := range c.steps {
					p := client
					if s.port == lan {
						p = answer
					}
					if p.flags = s.flags; s.flags != "" {
						r.send(s.port, p.frame(t))
					}
					r.advance(s.wait)
				}
				r.run()
				r.advance(1)
				r.run() // the sweep
				if got := failures(r, 0); got != c.want {
					t.Errorf("unanswered, refused, reset: %v, want %v", got, c.want)
				}
			})
		}
	}
}

func TestSetupTimesAreCountedFromTheFirstSYN(t *testing.T) {
	r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoTCP, mode: NAT, peers: []string{"10.0.0.11:80"}}})
	syn := pk{from: client4, to: vip4, flags: "S"}
	answer := pk{from: "10.0.0.11:80", to: client4, flags: "SA", srcMAC: rs1MAC, dstMAC: lanMAC}
	r.send(wan, syn.frame(t))
	r.now += 700_000
	r.send(lan, answer.frame(t))
	r.send(lan, answer.frame(t)) // once more

	syn.from, answer.to = "198.51.100.7:40001", "198.51.100.7:40001"
	r.send(wan, syn.frame(t))
	r.now += 1_000_000_000
	r.send(wan, syn.frame(t))
	r.now += 500_000
	r.send(lan, answer.frame(t))
	r.send(wan, pk{from: syn.from, to: vip4, flags: "A"}.frame(t))

	got := r.workers[0].ServiceSetups(0)
	want := map[uint64]uint64{1 << 20: 1, 1 << 30: 1}
	for i, n := range got.Buckets {
		if n != want[SetupBound(i)] {
			t.Errorf("%d of up to %d ns", n, SetupBound(i))
		}
	}
	if sum := got.SetupSum(); sum < 1_001_100_000 || sum > 1_001_300_000 {
		t.Errorf("%d ns in all", sum)
	}
	var twice Setups
	twice.Add(&got)
	twice.Add(&got)
	twice.Sub(&got)
	if twice != got {
		t.Errorf("%v", twice)
	}
}

func TestOtherProtocolsAndModesHaveNoSetupTimes(t *testing.T) {
	r := newRig(t, []rigService{
		{vip: vip4, proto: packet.ProtoTCP, mode: DR, peers: []string{"10.0.0.11:80"}},
		{vip: "203.0.113.10:53", proto: packet.ProtoUDP, mode: NAT, peers: []string{"10.0.0.11:53"}},
	})
	r.send(wan, pk{from: client4, to: vip4, flags: "S"}.frame(t))
	r.send(wan, pk{from: client4, to: vip4, flags: "A"}.frame(t))
	r.send(wan, pk{from: client4, to: "203.0.113.10:53", udp: true}.frame(t))
	r.send(lan, pk{from: "10.0.0.11:53", to: client4, udp: true, srcMAC: rs1MAC, dstMAC: lanMAC}.frame(t))
	for s := range uint32(2) {
		if got := r.workers[0].ServiceSetups(s); got != (Setups{}) {
			t.Errorf("service %d: %v", s, got)
		}
	}
}
