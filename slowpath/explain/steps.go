package explain

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/reason"
	"github.com/weirlb/weir/slowpath/view"
)

func portNames(cfg *conf.Config) string {
	var names []string
	for i := range cfg.Ports {
		names = append(names, cfg.Ports[i].Name)
	}
	return strings.Join(names, ", ")
}

func (t *trial) tellPort() {
	port := &t.cfg.Ports[t.in]
	text := "comes in by " + port.Name
	if t.p.In == "" {
		text += fmt.Sprintf(", as %s is reached by it", t.p.Src.Addr())
		if !t.reached() {
			text = fmt.Sprintf("comes in by %s, the first port: no network and no gateway leads to %s", port.Name, t.p.Src.Addr())
		}
	}
	if t.p.assumed {
		text += "; " + t.beginning() + ", as nothing else was given"
	}
	t.step("port", text)
}

// beginning is what a connection begins with.
func (t *trial) beginning() string {
	if t.p.number == packet.ProtoSCTP {
		return "an INIT"
	}
	return "a SYN"
}

func (t *trial) tellWorker() {
	n := t.workers()
	if n == 1 {
		return
	}
	core := ""
	if t.owner < len(t.cfg.Dataplane.Cores) {
		core = fmt.Sprintf(", core %d", t.cfg.Dataplane.Cores[t.owner])
	}
	what := "the client's address and port"
	if t.Still.Snapshot.LocalAddress(t.p.Dst.Addr()) {
		what = fmt.Sprintf("local port %d", t.p.Dst.Port())
	}
	t.step("worker", fmt.Sprintf("%d of %d (0 to %d) owns %s%s; another that receives it hands it over", t.owner, n, n-1, what, core))
}

// backendOf is the backend that a connection leads to; empty if it is no longer configured.
func (t *trial) backendOf(e *conn.Entry) string {
	backends := &t.Still.Snapshot.Backends
	if int(e.Backend) >= backends.Len() || backends.At(e.Backend).Peer().Gen != e.Gen {
		return ""
	}
	return t.peer(e.Backend)
}

// peer is the address of the backend with an index.
func (t *trial) peer(index uint32) string {
	backend := t.Still.Snapshot.Backends.At(index)
	p := backend.Peer()
	b := (*[16]byte)(unsafe.Pointer(&p.Addr))
	addr := netip.AddrFrom4([4]byte(b[:4]))
	if backend.V6 {
		addr = netip.AddrFrom16(*b)
	}
	return netip.AddrPortFrom(addr, packet.Swap16(p.Port)).String()
}

func (t *trial) tellConnection() {
	if !t.known {
		text := "none is known with these ends"
		if !t.Running {
			text = "none, as there are none in a file"
		}
		t.step("connection", text)
		return
	}
	now := conn.Tick(t.Still.Workers[min(t.owner, len(t.Still.Workers)-1)].Counters().NowNs / 1e6)
	left := time.Duration(int32(t.entry.Expires-now)) * time.Millisecond
	whose := "the client's packet"
	if t.reply {
		whose = "the backend's packet"
	}
	backend := t.backendOf(&t.entry)
	text := fmt.Sprintf("known, %s, %v left, with %s: this is %s", t.entry.State, left.Round(time.Second), backend, whose)
	switch {
	case backend == "":
		text = fmt.Sprintf("known, %s, but its backend is no longer configured: it ends", t.entry.State)
	case left <= 0:
		text = fmt.Sprintf("known until %v ago, %s, with %s: it has expired", (-left).Round(time.Second), t.entry.State, backend)
	case len(t.picks) > 0:
		text = fmt.Sprintf("known, %s, with %s, but %s begins a new one", t.entry.State, backend, t.beginning())
	}
	t.step("connection", text)
}

// tellService tells which service takes the packet, or why none does.
func (t *trial) tellService() {
	if v := t.service; v != nil {
		t.step("service", fmt.Sprintf("%s: %s %s%s, %s", v.Name, v.Protocol, v.Where(), v.Match, v.Mode), t.rivals(v)...)
		return
	}
	a := t.p.Dst.Addr()
	vip, own := t.Still.Snapshot.Local(a)
	switch {
	case vip && t.p.number == packet.ProtoICMP:
		t.step("service", fmt.Sprintf("%s is a VIP: Weir itself answers its pings", a))
	case vip:
		t.step("service", fmt.Sprintf("none: %s is a VIP, but none of its services has %s%s", a, t.end(), t.origin(a)), t.servicesOf(a)...)
	case t.Still.Snapshot.LocalAddress(a) && t.p.number == packet.ProtoICMP:
		t.step("service", fmt.Sprintf("%s is a local address: Weir itself answers its pings", a))
	case t.Still.Snapshot.LocalAddress(a):
		t.step("service", fmt.Sprintf("none: %s is a local address, where only backends' replies go", a))
	case own >= 0:
		t.step("service", fmt.Sprintf("none: %s is Weir's own address on %s, for the kernel", a, t.cfg.Ports[own].Name))
	default:
		t.step("service", fmt.Sprintf("none: %s is neither a VIP nor Weir's own", a), t.vips()...)
	}
}

// rivals are the other services that have the packet's destination, and why they do not get it.
func (t *trial) rivals(winner *conf.Service) (out []string) {
	if t.reply {
		return nil
	}
	for i := range t.cfg.Services {
		v := &t.cfg.Services[i]
		j := slices.IndexFunc(v.Addresses, func(e conf.Endpoint) bool { return e.Has(t.p.Dst) })
		switch {
		case v == winner || j < 0 || v.Protocol != winner.Protocol:
		case !v.Match.Has(t.p.Src.Addr(), t.cfg.Ports[t.in].Name):
			out = append(out, fmt.Sprintf("not %s, which takes what comes%s", v.Name, v.Match))
		default:
			out = append(out, fmt.Sprintf("more specific than %s: %s%s", v.Name, v.Addresses[j], v.Match))
		}
	}
	return shortened(out)
}

// origin is what the packet comes from, if a service of the address asks for that.
func (t *trial) origin(a netip.Addr) string {
	for i := range t.cfg.Services {
		v := &t.cfg.Services[i]
		if v.Match.String() != "" && slices.ContainsFunc(v.Addresses, func(e conf.Endpoint) bool { return e.Prefix.Contains(a) }) {
			return fmt.Sprintf(" from %s by port %s", t.p.Src.Addr(), t.cfg.Ports[t.in].Name)
		}
	}
	return ""
}

// end is what a service would have to have.
func (t *trial) end() string {
	if t.p.ports() {
		return fmt.Sprintf("%s port %d", t.p.Proto, t.p.Dst.Port())
	}
	return t.p.Proto
}

// most is how many of a list are told.
const most = 8

func (t *trial) servicesOf(a netip.Addr) (out []string) {
	for i := range t.cfg.Services {
		v := &t.cfg.Services[i]
		for _, e := range v.Addresses {
			if e.Prefix.Contains(a) {
				out = append(out, fmt.Sprintf("%s has %s %s%s", v.Name, v.Protocol, e.Ports.Words(), v.Match))
			}
		}
	}
	return shortened(out)
}

func (t *trial) vips() (out []string) {
	seen := map[netip.Prefix]bool{}
	for i := range t.cfg.Services {
		for _, e := range t.cfg.Services[i].Addresses {
			if p := e.Prefix; p.Addr().Is6() == t.p.v6() && !seen[p] {
				seen[p] = true
				out = append(out, fmt.Sprintf("%s is the VIP of %s", conf.VIP(p), t.cfg.Services[i].Name))
			}
		}
	}
	return shortened(out)
}

func shortened(list []string) []string {
	if len(list) > most {
		return append(list[:most:most], fmt.Sprintf("and %d more", len(list)-most))
	}
	return list
}

// bases say what a scheduler's choice depends on, and whether other connections may change it.
var bases = map[string]struct {
	text    string
	certain bool
}{
	"sh":     {"by the client's address: it gets the same as long as the backends stay", true},
	"mh":     {"by the client's address: it gets the same as long as the backends stay", true},
	"dh":     {"by the VIP: it gets the same as long as the backends stay", true},
	"fo":     {"the one with the largest weight that is up", true},
	"rr":     {"in turn: any connection made before on this worker moves the turn on", false},
	"wrr":    {"in turn, by weight: any connection made before on this worker moves the turn on", false},
	"random": {"drawn: any connection made before on this worker changes the draw", false},
	"p2c":    {"drawn, and compared by connections: any connection made before changes it", false},
	"twos":   {"drawn, and compared by connections: any connection made before changes it", false},
	"lblc":   {"by what it remembers of the destination and by the connections there are now", false},
	"lblcr":  {"by what it remembers of the destination and by the connections there are now", false},
}

// tellScheduler tells among which backends one was chosen.
func (t *trial) tellScheduler() {
	if len(t.picks) == 0 {
		return
	}
	v := t.service
	if sorry, ok := t.sorry(); ok {
		t.out.Backend = sorry
		t.step("scheduler", fmt.Sprintf("the quorum is lost: the sorry server %s takes every new connection", sorry), t.candidates(sorry)...)
		return
	}
	choice := "none"
	if n := t.picks[0]; n >= 0 && n < len(v.Backends) {
		choice = v.Backends[n].Address.String()
		t.out.Backend = choice
	}
	b, ok := bases[v.Scheduler]
	if !ok {
		b.text = "by the connections there are now: those made before may change it"
	}
	if choice == "none" {
		b.text, b.certain = "none is up and has a weight", true
		switch r, _ := t.lost(); {
		case r == reason.BackendsFull:
			b.text = "those that could take it have as many connections as their upper_threshold allows"
		case r == reason.NoBackend && t.anybody():
			b.text = "the one it would choose takes no connections"
		}
	}
	t.out.Predicted = !b.certain
	t.step("scheduler", fmt.Sprintf("%s chooses %s, %s", v.Scheduler, choice, b.text), t.candidates(choice)...)
}

// sorry is the service's sorry server, if it takes the connections.
func (t *trial) sorry() (address string, ok bool) {
	for _, b := range t.Backends(t.service) {
		if b.State == "sorry" {
			return b.Address, true
		}
	}
	return "", false
}

// anybody reports whether a backend takes connections.
func (t *trial) anybody() bool {
	for _, b := range t.Backends(t.service) {
		if b.Effective > 0 {
			return true
		}
	}
	return false
}

// candidates are the backends that the scheduler chose among, the chosen one always.
func (t *trial) candidates(choice string) (out []string) {
	more := 0
	for _, b := range t.Backends(t.service) {
		if len(out) >= 2*most && b.Address != choice {
			more++
			continue
		}
		out = append(out, candidate(&b))
	}
	if more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return out
}

func candidate(b *view.Backend) string {
	s := fmt.Sprintf("%s %s, weight %d", b.Address, b.State, b.Weight)
	if b.Effective != float64(b.Weight) {
		s += fmt.Sprintf(" (counts as %g)", b.Effective)
	}
	s += fmt.Sprintf(", %d active and %d inactive connections", b.Active, b.Inactive)
	if b.UpperThreshold != 0 {
		s += fmt.Sprintf(", of at most %d", b.UpperThreshold)
	}
	if b.State == "down" && b.Health != "" {
		s += ": " + b.Health
	}
	return s
}
