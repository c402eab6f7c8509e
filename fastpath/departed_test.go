package fastpath

import (
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// leave makes the rig's first backend depart: new connections go to the second.
func (r *rig) leave(how Departure) {
	r.spec.Backends[0].Accepts, r.spec.Backends[0].Departure = false, how
	svc := &r.spec.Services[0]
	svc.Sched, svc.Backends = &roundRobin{n: 1}, []uint32{1}
	r.publish()
}

// established is a rig with a connection to the first backend.
func established(t *testing.T, f int, mode Mode) (r *rig, client, reply func(flags string) []byte) {
	fam := families[f]
	r = newRig(t, []rigService{{vip: fam.vip, proto: proto(false), mode: mode}})
	rs := map[bool]string{false: "10.0.0.11:80", true: "[fd00::11]:80"}[fam.v6]
	client = func(flags string) []byte { return pk{from: fam.client, to: fam.vip, flags: flags, payload: 5}.frame(t) }
	reply = func(flags string) []byte {
		return pk{from: rs, to: fam.client, flags: flags, srcMAC: rs1MAC, dstMAC: lanMAC, payload: 3}.frame(t)
	}
	r.send(wan, client("S"))
	if mode == NAT {
		r.send(lan, reply("SA"))
	}
	r.send(wan, client("A"))
	if s := r.states(); len(s) != 1 || s[0] != "ESTABLISHED" {
		t.Fatalf("states %v", s)
	}
	return r, client, reply
}

func parsed(f sentFrame) gopacket.Packet {
	return gopacket.NewPacket(f.data, layers.LayerTypeEthernet, gopacket.Default)
}

func TestConnectionsOfARemovedBackendThatDrainsGoOn(t *testing.T) {
	for f := range families {
		r, client, reply := established(t, f, NAT)
		r.leave(Stays)
		if s := one(t, r.send(wan, client("A")), lan); mac(rs1MAC) != s.dstMAC {
			t.Errorf("went to %s", s.dstMAC)
		}
		one(t, r.send(lan, reply("A")), wan)
	}
}

func TestConnectionsOfADepartedBackendAreResetOnBothSides(t *testing.T) {
	for f, fam := range families {
		for _, how := range []Departure{Resets, Reschedules} {
			for _, first := range []string{"client", "backend"} {
				r, client, reply := established(t, f, NAT)
				r.leave(how)
				in, frame := wan, client("A")
				if first == "backend" {
					in, frame = lan, reply("A")
				}
				out := r.send(in, frame)
				if len(out) != 2 {
					t.Fatalf("%s: %d frames left, %v", fam.name, len(out), r.reasons())
				}
				ends := map[int]seen{}
				for _, o := range out {
					ends[o.port] = look(t, o.data)
					// The one that sent gets what its acknowledgement asks for, the other what it waits for.
					if o.port == in {
						expectReset(t, parsed(o), 0, 0, false)
					} else {
						expectReset(t, parsed(o), 1000, 0, true)
					}
				}
				toClient, toBackend := ends[wan], ends[lan]
				if toClient.src.String() != fam.vip || toClient.dst.String() != fam.client || toBackend.src.String() != fam.client ||
					toBackend.dst.Addr().String() != map[bool]string{false: "10.0.0.11", true: "fd00::11"}[fam.v6] || toBackend.dst.Port() != 80 {
					t.Errorf("%s: %s and %s", fam.name, &toClient, &toBackend)
				}
				if r.reasons()["backend_gone"] != 1 || len(r.states()) != 0 || r.loads[0].Total() != 0 {
					t.Errorf("%s: %v, states %v, %d counted", fam.name, r.reasons(), r.states(), r.loads[0].Total())
				}
			}
		}
	}
}

func TestInTunAndDRTheClientIsReset(t *testing.T) {
	for f, fam := range families {
		for _, mode := range []Mode{TUN, DR} {
			r, client, _ := established(t, f, mode)
			r.leave(Resets)
			out := r.send(wan, client("A"))
			s := one(t, out, wan)
			expectReset(t, parsed(out[0]), 0, 0, false)
			if s.src.String() != fam.vip {
				t.Errorf("the RST is %s", &s)
			}
		}
	}
}

// TestWhatMayBeginAConnectionGoesElsewhereAtOnce: the very packet that meets the departed backend is not lost.
func TestWhatMayBeginAConnectionGoesElsewhereAtOnce(t *testing.T) {
	for _, how := range []Departure{Resets, Reschedules} {
		for _, c := range []struct {
			name   string
			udp    bool
			sloppy bool
			flags  string // of the packet that comes back
			moves  bool
		}{
			{"a SYN again", false, false, "S", true},
			{"UDP", true, false, "", true},
			{"the middle of a connection", false, false, "A", false},
			{"the middle of a sloppy one", false, true, "A", how == Reschedules},
			{"a sloppy one's RST", false, true, "R", false},
		} {
			r := newRig(t, []rigService{{vip: vip4, proto: proto(c.udp), mode: DR}})
			r.spec.Services[0].Sloppy = c.sloppy
			r.publish()
			r.send(wan, pk{from: client4, to: vip4, udp: c.udp, flags: "S"}.frame(t))
			r.leave(how)
			out := r.send(wan, pk{from: client4, to: vip4, udp: c.udp, flags: c.flags}.frame(t))
			moved := len(out) == 1 && out[0].port == lan && mac([6]byte(out[0].data)) == mac(rs2MAC)
			if moved != c.moves || r.loads[0].Total() != 0 {
				t.Errorf("%s: moved %v, %d frames left, %d counted at the old one, %v", c.name, moved, len(out), r.loads[0].Total(), r.reasons())
			}
		}
	}
}

func TestALateAnswerOfADepartedBackendStillArrives(t *testing.T) {
	r := newRig(t, []rigService{{vip: vip4, proto: proto(true), mode: NAT}})
	r.send(wan, pk{from: client4, to: vip4, udp: true}.frame(t))
	r.leave(Resets)
	answer := pk{from: "10.0.0.11:80", to: client4, udp: true, srcMAC: rs1MAC, dstMAC: lanMAC}.frame(t)
	if s := one(t, r.send(lan, answer), wan); s.src.String() != vip4 {
		t.Errorf("from %s", s.src)
	}
	if got := r.backendOf(pk{from: client4, to: vip4, udp: true}); got != "10.0.0.12" {
		t.Errorf("the next packet went to %s", got)
	}
}

func TestConnectionsNobodyTouchedSurviveAReturn(t *testing.T) {
	r, client, _ := established(t, 0, NAT)
	r.leave(Resets)
	r.spec.Backends[0].Departure = Stays
	r.publish()
	one(t, r.send(wan, client("A")), lan)
}

func TestEndedConnectionsOfADepartedBackendAreNotCounted(t *testing.T) {
	r, _, _ := established(t, 0, NAT)
	r.leave(Resets)
	r.advance(2_000_000)
	r.run()
	if n := r.loads[0].Total(); n != 0 || len(r.states()) != 0 {
		t.Errorf("%d connections are counted, %v are there", n, r.states())
	}
}
