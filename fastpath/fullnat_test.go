package fastpath

import (
	"fmt"
	"net/netip"
	"testing"
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
)

var local4, local6 = netip.MustParseAddr("10.0.0.20"), netip.MustParseAddr("fd00::20")

func localOf(v6 bool) netip.Addr {
	if v6 {
		return local6
	}
	return local4
}

// fullRig is a rig with a fullnat service that has one backend, of the family of the VIP.
func fullRig(t testing.TB, vip, backend string, udp bool, opts ...rigOption) *rig {
	return newRig(t, []rigService{{vip: vip, proto: proto(udp), mode: FullNAT, peers: []string{backend}}}, opts...)
}

func TestFullNATRewritesBothEnds(t *testing.T) {
	for _, f := range families {
		for _, udp := range []bool{false, true} {
			for _, payload := range []int{0, 1, 17, 1001, 1400} {
				t.Run(fmt.Sprintf("%s/udp=%t/%d bytes", f.name, udp, payload), func(t *testing.T) {
					r := fullRig(t, f.vip, f.rs1, udp)
					for i, flags := range []string{"S", "A", "A"} {
						s := one(t, r.send(wan, pk{from: f.client, to: f.vip, udp: udp, flags: flags, payload: payload, tos: 0x2a}.frame(t)), lan)
						if s.src.Addr() != localOf(f.v6) || s.src.Port() < 1024 || s.dst.String() != f.rs1 || s.ttl != 63 || s.tos != 0x2a {
							t.Fatalf("packet %d to the backend: %s tos %02x", i, &s, s.tos)
						}
						if s.srcMAC != mac(lanMAC) || s.dstMAC != mac(rs1MAC) {
							t.Errorf("MACs to the backend: %s", &s)
						}
						reply := pk{from: f.rs1, to: s.src.String(), udp: udp, flags: flags + "A", payload: payload, srcMAC: rs1MAC, dstMAC: lanMAC}
						s = one(t, r.send(lan, reply.frame(t)), wan)
						if s.src.String() != f.vip || s.dst.String() != f.client || s.ttl != 63 {
							t.Errorf("packet %d to the client: %s", i, &s)
						}
						if s.srcMAC != mac(wanMAC) || s.dstMAC != mac(gwMAC) {
							t.Errorf("MACs to the client: %s", &s)
						}
					}
					if n := r.workers[0].LocalPorts(uint32(family(f.v6))); n != 1 {
						t.Errorf("%d ports in use", n)
					}
					r.advance(1_000_000)
					r.run()
					if n := r.workers[0].Counters().Live; n != 0 {
						t.Errorf("%d connections after the end", n)
					}
				})
			}
		}
	}
}

// toLocals sends a SYN from n clients and returns the local ends they came to the backend from.
func (r *rig) toLocals(vip string, n int) (out []netip.AddrPort) {
	r.t.Helper()
	for i := range n {
		from := fmt.Sprintf("198.51.%d.%d:%d", 100+i/50000, i/250%200, 2000+i%250)
		for _, s := range r.send(wan, pk{from: from, to: vip, flags: "S"}.frame(r.t)) {
			if s.port != lan {
				continue // an answer
			}
			l := look(r.t, s.data)
			out = append(out, l.src)
		}
	}
	return out
}

// Every address and port is used once for a backend before there are none, whatever order they come in.
func TestEveryLocalPortIsFoundBeforeThereAreNone(t *testing.T) {
	for _, workers := range []int{1, 3} {
		r := newRig(t, []rigService{{
			vip: vip4, proto: proto(false), mode: FullNAT, peers: []string{"10.0.0.11:80"},
			full: rigFull{locals: []string{"10.0.0.20", "10.0.0.21"}, first: 3000, last: 3100},
		}}, withWorkers(workers, workers), withCapacity(2000))
		seen := map[netip.AddrPort]bool{}
		for _, a := range r.toLocals(vip4, 400*workers) {
			if seen[a] || a.Port() < 3000 || a.Port() > 3100 {
				t.Errorf("%d workers: %s is used twice, or none of the local ports", workers, a)
			}
			seen[a] = true
		}
		if len(seen) != 202 {
			t.Errorf("%d workers: %d local ends for one backend, want 202", workers, len(seen))
		}
		if n := r.reasons()["no_local_port"]; n != uint64(400*workers-202) {
			t.Errorf("%d workers: reasons %v", workers, r.reasons())
		}
	}
}

// Whoever gets no local port is told as if there were no backend.
func TestClientsWithoutALocalPortAreTurnedAway(t *testing.T) {
	for answer, want := range map[Answer]int{AnswerICMP: packet.ProtoICMP, AnswerReset: packet.ProtoTCP, AnswerDrop: 0} {
		r := newRig(t, []rigService{{
			vip: vip4, proto: proto(false), mode: FullNAT, peers: []string{"10.0.0.11:80"},
			full: rigFull{locals: []string{"10.0.0.20"}, first: 3000, last: 3000},
		}})
		r.spec.Services[0].OnEmpty = answer
		r.publish()
		one(t, r.send(wan, pk{from: "198.51.100.1:1000", to: vip4, flags: "S"}.frame(t)), lan)
		out := r.send(wan, pk{from: "198.51.100.2:1000", to: vip4, flags: "S"}.frame(t))
		got := 0
		if len(out) == 1 && out[0].port == wan {
			s := look(t, out[0].data)
			got = int(s.proto)
		}
		if got != want || r.reasons()["no_local_port"] != 1 {
			t.Errorf("answer %d: protocol %d, want %d; reasons %v", answer, got, want, r.reasons())
		}
	}
}

// The same local port is used for several backends.
func TestLocalPortsAreOfABackend(t *testing.T) {
	r := newRig(t, []rigService{{
		vip: vip4, proto: proto(false), mode: FullNAT, peers: []string{"10.0.0.11:80", "10.0.0.12:80", "10.0.0.11:81"},
		full: rigFull{locals: []string{"10.0.0.20"}, first: 3000, last: 3009},
	}}, withCapacity(200))
	if n := len(r.toLocals(vip4, 30)); n != 30 {
		t.Errorf("%d connections with 10 ports and 3 backends: %v", n, r.reasons())
	}
}

// Two services that share local addresses and a backend do not get into each other's way.
func TestServicesShareLocalAddresses(t *testing.T) {
	full := rigFull{locals: []string{"10.0.0.20"}, first: 3000, last: 3019}
	r := newRig(t, []rigService{
		{vip: vip4, proto: proto(false), mode: FullNAT, peers: []string{"10.0.0.11:80"}, full: full},
		{vip: "203.0.113.10:81", proto: proto(false), mode: FullNAT, peers: []string{"10.0.0.11:80"}, full: full},
	}, withCapacity(200))
	got := append(r.toLocals(vip4, 10), r.toLocals("203.0.113.10:81", 20)...)
	seen := map[netip.AddrPort]bool{}
	for _, a := range got {
		seen[a] = true
	}
	if len(got) != 20 || len(seen) != 20 {
		t.Errorf("%d connections, %d local ends: %v", len(got), len(seen), r.reasons())
	}
}

// A connection that has expired gives its port up, before the sweep comes by.
func TestAnExpiredConnectionGivesUpItsPort(t *testing.T) {
	r := newRig(t, []rigService{{
		vip: vip4, proto: proto(true), mode: FullNAT, peers: []string{"10.0.0.11:53"},
		full: rigFull{locals: []string{"10.0.0.20"}, first: 3000, last: 3000},
	}})
	ask := func(client string) (n int) {
		for _, s := range r.send(wan, pk{from: client, to: vip4, udp: true}.frame(t)) {
			if s.port == lan {
				n++
			}
		}
		return n
	}
	if ask("198.51.100.1:1000") != 1 || ask("198.51.100.2:1000") != 0 {
		t.Fatalf("the only port is not used once: %v", r.reasons())
	}
	r.advance(300_000)
	if ask("198.51.100.2:1000") != 1 {
		t.Errorf("the expired connection's port is not used again: %v", r.reasons())
	}
}

// The last free port of many is found, after as many connections as the documentation allows.
func TestTheLastFreePortIsFound(t *testing.T) {
	const first, ports = 1024, 64512
	r := fullRig(t, vip4, "10.0.0.11:80", false, withCapacity(ports+10))
	w := r.workers[0]
	k := conn.Key{Proto: packet.ProtoTCP}
	var o opening
	var all []*conn.Entry
	for i := range ports {
		o.backend, o.real = 0, w.made(0)
		if !w.proposeLocal(&k, w.made(0), &o) || !w.settleLocal(&k, w.real(0), &o) {
			t.Fatalf("no port for connection %d", i)
		}
		addrs := uint64(i)<<8 | 7
		ck := conn.Key{Addrs: unsafe.Pointer(&addrs), Ports: uint32(i), Proto: packet.ProtoTCP}
		if !w.made(0).Load.Reserve() {
			t.Fatal("the backend takes none")
		}
		e := w.insert(&ck, w.hasher.KeyHome(&ck), w.made(0), &o)
		if e == nil {
			t.Fatal("no room")
		}
		e.Touch(w.now, w.idle(w.made(0)))
		all = append(all, e)
		w.tries = 0
	}
	if w.proposeLocal(&k, w.made(0), &o) && w.settleLocal(&k, w.real(0), &o) {
		t.Fatal("there is a port more than there are")
	}
	w.forget(all[40_000])
	tried := 0
	for !w.proposeLocal(&k, w.made(0), &o) || !w.settleLocal(&k, w.real(0), &o) {
		w.tries = 0
		if tried++; tried > ports/portTries {
			t.Fatalf("the last of %d ports is not found after %d connections", ports, tried)
		}
	}
	t.Logf("found by connection %d", tried+1)
}

func TestFullNATRepliesFindTheOwnerWhateverQueueTheyComeInOn(t *testing.T) {
	for _, f := range families {
		for _, queues := range []int{3, 2, 1} {
			r := fullRig(t, f.vip, f.rs1, false, withWorkers(3, queues))
			for id := range 3 {
				client := clientOf(t, netipAddr(f.client).String(), id, 3).String()
				for in := range queues {
					s := one(t, r.sendTo(in, wan, pk{from: client, to: f.vip, flags: "S"}.frame(t), 0), lan)
					if got := PortOwner(s.src.Port(), 3); got != id {
						t.Fatalf("%s: port %d is worker %d's, the client's connections are %d's", f.name, s.src.Port(), got, id)
					}
					reply := pk{from: f.rs1, to: s.src.String(), flags: "SA", srcMAC: rs1MAC, dstMAC: lanMAC}.frame(t)
					s = one(t, r.sendTo((in+1)%queues, lan, reply, 0), wan)
					if s.src.String() != f.vip || s.dst.String() != client {
						t.Fatalf("%s: %s", f.name, &s)
					}
				}
			}
			for id, w := range r.workers {
				if n := w.Counters().Live; n != 1 {
					t.Errorf("%s: worker %d has %d connections, want its own one", f.name, id, n)
				}
			}
		}
	}
}

func TestFullNATTranslatesErrorsAtBothEnds(t *testing.T) {
	for _, f := range families {
		for _, udp := range []bool{false, true} {
			for _, quoted := range []int{8, 16, 18, 20, 100} {
				r := fullRig(t, f.vip, f.rs1, udp, withWorkers(3, 3))
				out := r.send(wan, pk{from: f.client, to: f.vip, udp: udp, flags: "S", payload: 99}.frame(t))
				s := one(t, out, lan)
				local := s.src
				in := icmpFrame(netipAddr(f.rs1).String(), local.Addr().String(), errorKind(f.v6), 3, quoteOf(out[0].data, quoted), rs1MAC, lanMAC, 64)
				s = one(t, r.sendTo(1, lan, in, 0), wan)
				if s.src.Addr() != netipAddr(f.vip) || s.dst.Addr() != netipAddr(f.client) || s.ttl != 63 {
					t.Errorf("%s: error to the client: %s", f.name, &s)
				}
				checkQuote(t, s.l4[8:], f.client, f.vip, quoted, pk{from: f.client, to: f.vip, udp: udp, flags: "S", payload: 99}.frame(t))
				reply := pk{from: f.vip, to: f.client, udp: udp, flags: "A", payload: 77}.frame(t)
				in = icmpFrame(routers[f.v6], netipAddr(f.vip).String(), errorKind(f.v6), 3, quoteOf(reply, quoted), gwMAC, wanMAC, 64)
				s = one(t, r.sendTo(2, wan, in, 0), lan)
				if s.src.Addr() != local.Addr() || s.dst.Addr() != netipAddr(f.rs1) || s.ttl != 63 {
					t.Errorf("%s: error to the backend: %s", f.name, &s)
				}
				checkQuote(t, s.l4[8:], f.rs1, local.String(), quoted, pk{from: f.rs1, to: local.String(), udp: udp, flags: "A", payload: 77}.frame(t))
			}
		}
	}
}

func TestFullNATAnswersWhatRunsOutOfTTLAndWhatIsTooBig(t *testing.T) {
	for _, f := range families {
		r := fullRig(t, f.vip, f.rs1, true, withLanMTU(1300))
		local := one(t, r.send(wan, pk{from: f.client, to: f.vip, udp: true}.frame(t)), lan).src.String()
		s := one(t, r.send(wan, pk{from: f.client, to: f.vip, udp: true, ttl: 1}.frame(t)), wan)
		if s.dst.Addr() != netipAddr(f.client) {
			t.Errorf("%s: to the client: %s", f.name, &s)
		}
		s = one(t, r.send(lan, pk{from: f.rs1, to: local, udp: true, ttl: 1, srcMAC: rs1MAC, dstMAC: lanMAC}.frame(t)), lan)
		if s.dst.Addr() != netipAddr(f.rs1) {
			t.Errorf("%s: to the backend: %s", f.name, &s)
		}
		kind, code := tooBigKind(f.v6)
		s = one(t, r.send(wan, pk{from: f.client, to: f.vip, udp: true, payload: 1400, df: true}.frame(t)), wan)
		if s.l4[0] != kind || s.l4[1] != code || s.l4[6] != 1300>>8 || s.l4[7] != 1300&0xff {
			t.Errorf("%s: % x", f.name, s.l4[:8])
		}
		if f.v6 {
			continue
		}
		if n := len(r.send(wan, pk{from: f.client, to: f.vip, udp: true, payload: 1400}.frame(t))); n != 2 {
			t.Errorf("%d pieces without DF", n)
		}
	}
}

func TestALocalAddressThatIsRemovedEndsItsConnections(t *testing.T) {
	r := fullRig(t, vip4, "10.0.0.11:80", false)
	local := one(t, r.send(wan, pk{from: client4, to: vip4, flags: "S"}.frame(t)), lan).src.String()
	r.spec.Locals = append([]netip.Addr{{}}, append(r.spec.Locals[1:], netip.MustParseAddr("10.0.0.21"))...)
	r.spec.Services[0].Full.Locals = []uint32{2}
	r.publish()
	reply := pk{from: "10.0.0.11:80", to: local, flags: "SA", srcMAC: rs1MAC, dstMAC: lanMAC}.frame(t)
	if out := r.send(lan, reply); len(out) != 0 {
		t.Errorf("a reply to the removed address left: %v", r.reasons())
	}
	if out := r.send(wan, pk{from: client4, to: vip4, flags: "A"}.frame(t)); len(out) != 0 || r.reasons()["backend_gone"] != 1 {
		t.Errorf("%d frames, reasons %v", len(out), r.reasons())
	}
	if s := one(t, r.send(wan, pk{from: client4, to: vip4, flags: "S"}.frame(t)), lan); s.src.Addr().String() != "10.0.0.21" {
		t.Errorf("the next connection: %s", &s)
	}
	if n := r.workers[0].LocalPorts(0); n != 0 {
		t.Errorf("%d ports of the removed address in use", n)
	}
}

func TestLocalAddressesAreWeirsOwn(t *testing.T) {
	r := fullRig(t, vip4, "10.0.0.11:80", false)
	ping := icmpFrame("10.0.0.11", "10.0.0.20", packet.ICMP4Echo, 0, []byte{0, 1, 0, 1, 5, 6}, rs1MAC, lanMAC, 64)
	if s := one(t, r.send(lan, ping), lan); s.l4[0] != packet.ICMP4EchoReply || s.src.Addr() != local4 {
		t.Errorf("ping: %s", &s)
	}
	r.send(lan, pk{from: "10.0.0.11:80", to: "10.0.0.20:5000", flags: "SA", srcMAC: rs1MAC, dstMAC: lanMAC}.frame(t))
	r.send(wan, pk{from: "10.0.0.20:5000", to: vip4, flags: "S"}.frame(t))
	if m := r.reasons(); m["no_connection"] != 1 || m["spoofed_source"] != 1 || m["echo_reply"] != 1 || len(m) != 3 {
		t.Errorf("reasons %v", m)
	}
}
