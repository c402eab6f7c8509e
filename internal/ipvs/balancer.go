package ipvs

import (
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/slowpath/replay"
)

// Weir is Weir's packet path in memory, as weir replay runs it.
type Weir struct {
	cfg    *conf.Config
	name   func(service int) string // of a service of cfg, in a Table
	player *replay.Player
	at     time.Time
	out    []Frame
}

// NewWeir makes one with a configuration, whose services have these names in a Table.
func NewWeir(cfg *conf.Config, name func(service int) string) (*Weir, error) {
	w := &Weir{cfg: cfg, name: name}
	var err error
	w.player, err = replay.NewPlayer(cfg, func(port int, frame []byte) {
		w.out = append(w.out, Frame{cfg.Ports[port].Name, append([]byte(nil), frame...)})
	})
	return w, err
}

// Play lets a frame come in at a time, and returns what that made leave.
func (w *Weir) Play(at time.Time, port string, frame []byte) ([]Frame, error) {
	w.at, w.out = at, nil
	err := w.player.Play(at, port, frame)
	return w.out, err
}

// Apply changes the configuration in force.
func (w *Weir) Apply(cfg *conf.Config) error {
	w.cfg = cfg
	return w.player.Apply(cfg)
}

// Pass lets time pass.
func (w *Weir) Pass(at time.Time) {
	w.at = at
	w.player.Pass(at)
}

// Summary is what became of the packets so far.
func (w *Weir) Summary() *replay.Summary { return w.player.Summary() }

// Close frees its memory.
func (w *Weir) Close() error { return w.player.Close() }

// Table is its connections and its backends' counts.
func (w *Weir) Table() (t Table, err error) {
	w.player.Pass(w.at)
	now := conn.Tick(w.player.Now() / 1e6)
	type key struct{ index, gen uint32 }
	counts := map[key]*Count{}
	for i := range w.cfg.Services {
		s := &w.cfg.Services[i]
		for _, b := range s.Backends {
			p, ok := w.player.Node().Compiler().Place(s, b.Address)
			if !ok {
				return t, fmt.Errorf("%s of %s has no place", b.Address, s.Name)
			}
			counts[key{p.Index, p.Gen}] = &Count{Service: w.name(i), Backend: b.Address, Weight: b.Weight,
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
