package fastpath

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/sched"
)

// persistent makes the rig's first service bind clients to backends.
func (r *rig) persistent(p PersistenceSpec) {
	r.spec.Services[0].Persist = &p
	r.publish()
}

// turns is a round robin of all workers together.
type turns struct {
	n    uint32
	next atomic.Uint32
}

func (s *turns) Pick(*sched.Key, *sched.State) int { return int((s.next.Add(1) - 1) % s.n) }

var byHost = PersistenceSpec{Timeout: 300_000, Mask4: 32, Mask6: 128}

func TestAClientKeepsItsBackendOverItsConnections(t *testing.T) {
	for _, c := range []struct {
		name, vip string
		spec      PersistenceSpec
		same      []string // clients that are one
		other     string
	}{
		{"IPv4", "203.0.113.10:80", byHost, []string{"198.51.100.7:40000", "198.51.100.7:40001", "198.51.100.7:9"}, "198.51.100.8:40000"},
		{"IPv6", "[2001:db8::10]:80", byHost, []string{"[2001:db8:c::7]:40000", "[2001:db8:c::7]:40001"}, "[2001:db8:c::8]:40000"},
		{
			"IPv4 network", "203.0.113.10:80", PersistenceSpec{Timeout: 300_000, Mask4: 23, Mask6: 128},
			[]string{"198.51.100.7:40000", "198.51.101.255:40000"}, "198.51.102.1:40000",
		},
		{
			"IPv6 network", "[2001:db8::10]:80", PersistenceSpec{Timeout: 300_000, Mask4: 32, Mask6: 71},
			[]string{"[2001:db8:c:1::7]:1", "[2001:db8:c:1:1ff::7]:1", "[2001:db8:c:1:100::]:1"}, "[2001:db8:c:1:200::]:1",
		},
		{
			"IPv6 short network", "[2001:db8::10]:80", PersistenceSpec{Timeout: 300_000, Mask4: 32, Mask6: 48},
			[]string{"[2001:db8:c:1::7]:1", "[2001:db8:c:ffff:1ff::7]:1"}, "[2001:db8:d:1::7]:1",
		},
	} {
		for _, udp := range []bool{false, true} {
			for _, mode := range []Mode{NAT, TUN, DR} {
				r := newRig(t, []rigService{{vip: c.vip, proto: proto(udp), mode: mode}}, withWorkers(3, 3))
				r.spec.Services[0].Sched = &turns{n: 2}
				r.persistent(c.spec)
				send := func(from string) string {
					out := r.send(wan, pk{from: from, to: c.vip, udp: udp, flags: "S"}.frame(t))
					if len(out) != 1 {
						t.Fatalf("%s: %d frames left: %v", c.name, len(out), r.reasons())
					}
					return mac([6]byte(out[0].data[:6]))
				}
				first := send(c.same[0])
				for _, from := range c.same {
					if got := send(from); got != first {
						t.Errorf("%s: %s went to %s, the first one to %s", c.name, from, got, first)
					}
				}
				if got := send(c.other); got == first {
					t.Errorf("%s: %s is bound as %s", c.name, c.other, c.same[0])
				}
			}
		}
	}
}

func TestAClientIsForgottenAfterItsTimeAndItsConnections(t *testing.T) {
	r := newRig(t, []rigService{{vip: vip4, proto: proto(true), mode: NAT}})
	r.persistent(PersistenceSpec{Timeout: 1000, Mask4: 32})
	r.spec.Timeouts = []conn.Timeouts{conn.NewTimeouts(1, 1, 30_000, 1)}
	r.publish()
	send := func(port int) string {
		return r.backendOf(pk{from: fmt.Sprintf("198.51.100.7:%d", port), to: vip4, udp: true})
	}
	first := send(1)
	r.advance(25_000) // the connection still is there, and so is what binds its client
	if got := send(2); got != first {
		t.Errorf("while a connection exists, the next went to %s, the first to %s", got, first)
	}
	r.advance(40_000) // looked at a minute after its time was up, as in LVS
	r.run()
	if got := send(3); got != first {
		t.Errorf("within the minute it went to %s", got)
	}
	r.advance(120_000)
	r.run()
	if got := send(4); got == first {
		t.Errorf("after its time it still went to %s", got)
	}
}

func TestClientsOfABackendThatIsGoneGoToAnotherOne(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*BackendSpec)
		expire bool
		stays  bool
	}{
		"up":                  {func(*BackendSpec) {}, true, true},
		"removed":             {func(b *BackendSpec) { b.Gen, b.Load = 99, new(sched.Load) }, false, false},
		"down":                {func(b *BackendSpec) { b.Accepts = false }, false, false},
		"weight 0":            {func(b *BackendSpec) { b.Accepts, b.Quiescent = false, true }, false, true},
		"weight 0, expelled":  {func(b *BackendSpec) { b.Accepts, b.Quiescent = false, true }, true, false},
		"another service's":   {func(b *BackendSpec) { b.Service = 1 }, false, false},
		"full, as in LVS too": {func(b *BackendSpec) { b.Load.SetThresholds(1, 0) }, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, []rigService{
				{vip: vip4, proto: proto(false), mode: NAT}, {vip: "203.0.113.10:81", proto: proto(false), mode: NAT},
			})
			spec := byHost
			spec.ExpireQuiescent = c.expire
			r.persistent(spec)
			if got := r.backendOf(pk{from: client4, to: vip4, flags: "S"}); got != "10.0.0.11" {
				t.Fatalf("the first connection went to %s", got)
			}
			c.change(&r.spec.Backends[0])
			r.spec.Services[0].Sched = &roundRobin{n: 1} // a scheduler takes notice, too
			r.spec.Services[0].Backends = r.spec.Services[0].Backends[1:2]
			r.publish()
			want := "10.0.0.12"
			if c.stays {
				want = "10.0.0.11"
			}
			for port := range 3 {
				if got := r.backendOf(pk{from: fmt.Sprintf("198.51.100.7:%d", port+1), to: vip4, flags: "S"}); got != want {
					t.Errorf("connection %d went to %s, want %s", port, got, want)
				}
			}
		})
	}
}

func TestWithNoBackendNothingIsRemembered(t *testing.T) {
	r := newRig(t, tcp4())
	r.persistent(byHost)
	r.spec.Services[0].Sched = &roundRobin{}
	r.publish()
	r.send(wan, pk{from: client4, to: vip4, flags: "S"}.frame(t))
	if n := r.templates.Len(); n != 0 {
		t.Errorf("%d clients are remembered", n)
	}
}

func TestPersistenceAllocatesNothing(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		vip := map[bool]string{false: vip4, true: "[2001:db8::10]:80"}[v6]
		r := newRig(t, []rigService{{vip: vip, proto: proto(true), mode: NAT}})
		r.persistent(byHost)
		tm := newTreadmill(v6, 5000, netipAddr(vip))
		for i := range tm.flows {
			tm.flows[i] <<= 16 // of a client each
		}
		w := newTreadmillWorker(t, r, tm, 4000) // connects and evicts, too
		if n := testing.AllocsPerRun(200, func() { w.Poll() }); n != 0 {
			t.Errorf("IPv6 %v: %v allocations a round", v6, n)
		}
		if w.Counters().TemplatesEvicted+w.Counters().TemplatesFull == 0 {
			t.Error("the table of templates was not full")
		}
	}
}
