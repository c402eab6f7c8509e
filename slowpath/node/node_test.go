package node

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath/memport"
	"github.com/weirlb/weir/fastpath/port"
)

const two = "10.0.0.12:8080"

// Whichever step fails, connections go on as if nobody had tried.
func TestFailedApplyKeepsTheConfigurationInForce(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*conf.Config)
		want  string
	}{
		"backend out of reach": {
			func(cfg *conf.Config) { cfg.Services[0] = web("192.0.2.1:80") },
			"service web: backend 192.0.2.1:80: no port's network and no gateway leads to it",
		},
		"impossible static neighbour": {
			func(cfg *conf.Config) {
				cfg.Services[0] = web(two)
				cfg.Neighbors = []conf.Neighbor{{Port: "lan", Address: server, MAC: [6]byte{1}}}
			},
			"static neighbor 10.0.0.11 on port lan: no single station can have the MAC 01:00:00:00:00:00",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 1, web(one))
			r.resolve()
			const forwarded = "lan: 00:01:0b tcp 203.0.113.9:40000 > 10.0.0.11:8080"
			r.expect("sent", r.send(wan, vipSyn(40000)...), forwarded)
			cfg, snap := r.node.Config(), r.node.Snapshot()
			bad := configured(web())
			c.spoil(bad)
			if err := r.node.Apply(r.now, bad, up); err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("error %v, want %s", err, c.want)
			}
			if r.node.Config() != cfg || r.node.Snapshot() != snap {
				t.Error("the configuration in force has changed")
			}
			r.expect("sent", r.send(wan, vipSyn(40000)...), forwarded)
			// A good one after it still knows the connection's backend.
			r.apply(web(one, two))
			r.expect("sent", r.send(wan, ack(40000)...), forwarded)
		})
	}
}

func ack(from uint16) []gopacket.SerializableLayer {
	l := vipSyn(from)
	tcp := l[2].(*layers.TCP)
	tcp.SYN, tcp.ACK = false, true
	return l
}

func TestNodeWithAnImpossibleConfigurationIsNotMade(t *testing.T) {
	pool := &memport.Pool{}
	q := memport.New(pool, func() uint64 { return 1 })
	cfg := configured(web("192.0.2.1:80"))
	_, err := New(Options{Config: cfg, Ports: make([]Port, 2), Queues: [][]port.Queue{{q, q}}}, time.Now(), up)
	if err == nil {
		t.Error("no error")
	}
}

func TestAckedIsWhatTheSlowestWorkerUses(t *testing.T) {
	r := newRig(t, 2, web(one))
	before := r.node.Snapshot().Generation
	r.apply(web(one, two))
	if got := r.node.Acked(); got != before {
		t.Errorf("%d, want %d", got, before)
	}
	r.node.Workers()[1].Poll()
	if got := r.node.Acked(); got != before {
		t.Errorf("with one worker there: %d, want %d", got, before)
	}
	r.node.Workers()[0].Poll()
	if got := r.node.Acked(); got != before+1 {
		t.Errorf("with both there: %d, want %d", got, before+1)
	}
}

func TestBellRingsForTheFirstPuntOfASleepingSlowPath(t *testing.T) {
	r := newRig(t, 1)
	r.bells = 0
	w := r.node.Workers()[0]
	if !r.node.WaitPunts() {
		t.Fatal("there is something to do")
	}
	for range 3 {
		r.put(wan, whoHas(wanOwn, clientMAC, client)...)
		w.Poll()
	}
	if r.bells != 1 {
		t.Errorf("it rang %d times", r.bells)
	}
	if r.node.WaitPunts() {
		t.Error("it may sleep over three punts")
	}
	if n := r.node.HandlePunts(r.now); n != 3 {
		t.Errorf("%d punts", n)
	}
	r.run()
}

// The slow path has other things to do under a flood.
func TestOneCallHandlesABoundedNumberOfPunts(t *testing.T) {
	r := newRig(t, 1)
	const all = puntBurst + 10
	for range all {
		r.put(wan, whoHas(client, serverMAC, netip.MustParseAddr("203.0.113.8"))...)
	}
	for range all/port.BurstSize + 1 {
		r.node.Workers()[0].Poll()
	}
	if n := r.node.HandlePunts(r.now); n != puntBurst {
		t.Errorf("%d punts, want %d", n, puntBurst)
	}
	if n := r.node.HandlePunts(r.now); n != 10 {
		t.Errorf("%d punts, want the other 10", n)
	}
}

func TestBackendsCountsAreItsOwn(t *testing.T) {
	r := newRig(t, 1, web(one))
	r.resolve()
	for i := range 5 {
		r.send(wan, vipSyn(uint16(40000+i))...)
	}
	count := func(s conf.Service, backend string) uint64 {
		t.Helper()
		p, ok := r.node.Compiler().Place(&s, netip.MustParseAddrPort(backend))
		if !ok {
			t.Fatalf("%s has no place", backend)
		}
		c := r.node.BackendCounters(p)
		if c.PacketsIn != c.NewConns || c.BytesIn != 40*c.PacketsIn {
			t.Errorf("counted %+v", c)
		}
		return c.NewConns
	}
	if n := count(web(one), one); n != 5 {
		t.Errorf("%d connections, want 5", n)
	}
	// Its place goes to another as soon as the worker has left it.
	r.apply()
	r.run()
	r.apply(web(two))
	r.run()
	if n := count(web(two), two); n != 0 {
		t.Errorf("a new backend has %d connections", n)
	}
	r.send(wan, vipSyn(50000)...)
	if n := count(web(two), two); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

// Not from the link-local address that is configured first: routers would not pass it on.
func TestICMPErrorsComeFromAnAddressThatRoutersPassOn(t *testing.T) {
	for like, want := range map[string]string{"0.0.0.0": "203.0.113.2", "::": "2001:db8::2"} {
		got := errorSource(&configured().Ports[wan], netip.MustParseAddr(like))
		n := 4
		if like == "::" {
			n = 16
		}
		if a, _ := netip.AddrFromSlice(got[:n]); a.String() != want {
			t.Errorf("%s, want %s", a, want)
		}
	}
	if got := errorSource(&conf.Port{}, netip.IPv6Unspecified()); got != [16]byte{} {
		t.Errorf("a port without addresses has %x", got)
	}
}
