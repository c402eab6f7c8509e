package ipvs

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"
	"unsafe"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/slowpath/replay"
)

// weir is Weir's packet path in memory, as weir replay runs it.
type weir struct {
	t        testing.TB
	scenario *Scenario
	services []Service
	cfg      *conf.Config
	player   *replay.Player
	at       time.Time
	out      []Frame
}

func newWeir(t testing.TB, s *Scenario) *weir {
	t.Helper()
	w := &weir{t: t, scenario: s, services: s.Services, at: time.Unix(1e9, 0)}
	w.cfg = w.load(s.Services)
	var err error
	w.player, err = replay.NewPlayer(w.cfg, func(port int, frame []byte) {
		w.out = append(w.out, Frame{Ports[port].Name, append([]byte(nil), frame...)})
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.player.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *weir) load(services []Service) *conf.Config {
	w.t.Helper()
	text := w.scenario.Weir(services)
	file := filepath.Join(w.t.TempDir(), "weir.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	cfg, err := conf.Load(file)
	if err != nil {
		w.t.Fatalf("%v\n%s", err, text)
	}
	return cfg
}

// Send implements Balancer.
func (w *weir) Send(port string, frame []byte) ([]Frame, error) {
	w.at = w.at.Add(time.Millisecond)
	w.out = nil
	err := w.player.Play(w.at, port, frame)
	return w.out, err
}

// Edit implements Balancer.
func (w *weir) Edit(_, to []Service) error {
	w.cfg, w.services = w.load(to), to
	return w.player.Apply(w.cfg)
}

// Wait implements Balancer.
func (w *weir) Wait(d time.Duration) error {
	w.at = w.at.Add(d)
	w.player.Pass(w.at)
	return nil
}

// Table implements Balancer.
func (w *weir) Table() (t Table, err error) {
	w.player.Pass(w.at)
	now := conn.Tick(w.player.Now() / 1e6)
	type key struct{ index, gen uint32 }
	counts := map[key]*Count{}
	for i := range w.services {
		s := &w.services[i]
		of := &w.cfg.Services[i]
		name := fmt.Sprintf("%s %s", s.Protocol, s.Address)
		if len(s.More) > 0 {
			name = Marked
		}
		for j, b := range s.Backends {
			p, ok := w.player.Node().Compiler().Place(of, of.Backends[j].Address)
			if !ok {
				return t, fmt.Errorf("%s of %s has no place", b.Address, name)
			}
			counts[key{p.Index, p.Gen}] = &Count{Service: name, Backend: b.Address, Weight: b.Weight,
				Active: int(p.Load.Active.Load()), Inactive: int(p.Load.Inactive.Load())}
		}
	}
	w.player.Node().Workers()[0].Dump(func(e *conn.Entry) bool {
		if now.Before(e.Expires) {
			proto := map[uint8]Protocol{packet.ProtoTCP: TCP, packet.ProtoUDP: UDP, packet.ProtoSCTP: SCTP}[e.Proto]
			c := Conn{Protocol: proto, State: e.State.String(), Expires: int(e.Expires-now+500) / 1000}
			c.Client, c.VIP = ends(e)
			if b := counts[key{e.Backend, e.Gen}]; b != nil {
				if c.Backend = b.Backend; c.Backend.Port() == 0 {
					c.Backend = netip.AddrPortFrom(b.Backend.Addr(), c.VIP.Port())
				}
			}
			t.Conns = append(t.Conns, c)
		}
		return true
	})
	for _, c := range counts {
		t.Counts = append(t.Counts, *c)
	}
	return t, nil
}

func ends(e *conn.Entry) (client, vip netip.AddrPort) {
	b := (*[32]byte)(unsafe.Pointer(&e.Addrs))
	from, to := netip.AddrFrom4([4]byte(b[:4])), netip.AddrFrom4([4]byte(b[4:8]))
	if e.Flags&conn.V6 != 0 {
		from, to = netip.AddrFrom16([16]byte(b[:16])), netip.AddrFrom16([16]byte(b[16:]))
	}
	return netip.AddrPortFrom(from, packet.Swap16(uint16(e.Ports))), netip.AddrPortFrom(to, packet.Swap16(uint16(e.Ports>>16)))
}
