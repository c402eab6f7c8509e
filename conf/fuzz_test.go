package conf_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/sched"
	"github.com/weirlb/weir/slowpath/compile"
)

func examples(t testing.TB) (files []string) {
	t.Helper()
	files, err := filepath.Glob("examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	return files
}

// FuzzLoad feeds any text to the reader: it does not panic, every error has what a user needs to mend it, and what has
// no errors keeps the promises of the configuration's types and can be compiled.
func FuzzLoad(f *testing.F) {
	for _, text := range conf.Valid {
		f.Add(text)
	}
	for _, file := range examples(f) {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	for _, text := range []string{"ports:\n\t- x\n", "a: &a [*a]\n", "x: [::1]:80\n", "- \"\n", "ports: *y\n", "{a: b", "? [x]\n: y\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		cfg, err := conf.ParseText(text)
		if err == nil {
			keepsPromises(t, cfg)
			return
		}
		errs, ok := err.(conf.Errors)
		if !ok || len(errs) == 0 {
			t.Fatalf("%T %v", err, err)
		}
		lines := 1 + strings.Count(text, "\n") + strings.Count(text, "\r") + strings.Count(text, "\u0085") +
			strings.Count(text, "\u2028") + strings.Count(text, "\u2029") // YAML's line breaks
		for _, e := range errs {
			if e.Msg == "" || strings.ContainsAny(e.Error(), "\n\r") || e.Line < 0 || e.Line > lines {
				t.Fatalf("%d lines: %#v", lines, e)
			}
		}
	})
}

func TestValidConfigurationsKeepTheirPromises(t *testing.T) {
	n := 0
	for _, text := range conf.Valid {
		if cfg, err := conf.ParseText(text); err == nil {
			keepsPromises(t, cfg)
			n++
		}
	}
	if n < 2 {
		t.Errorf("only %d are valid", n)
	}
}

// keepsPromises checks what the rest of Weir relies on, without the code that was to make sure of it.
func keepsPromises(t *testing.T, cfg *conf.Config) {
	t.Helper()
	names, devices := map[string]bool{}, map[string]bool{}
	own := map[netip.Addr]bool{}
	for _, p := range cfg.Ports {
		device, _, _ := strings.Cut(p.Device, ",")
		if p.Parent != "" {
			device = fmt.Sprint(p.Parent, p.VLAN)
			if !names[p.Parent] || p.Device != "" || len(p.VLAN) == 0 || len(p.VLAN) > 2 {
				t.Fatalf("%+v", p)
			}
		}
		if p.Name == "" || names[p.Name] || device == "" || devices[device] || p.MTU < 1280 || p.MTU > 9000 || len(p.TAP) > 15 {
			t.Fatalf("%+v", p)
		}
		names[p.Name], devices[device] = true, true
		for _, a := range p.Addresses {
			if !a.IsValid() || own[a.Addr()] {
				t.Fatalf("%+v", p)
			}
			own[a.Addr()] = true
		}
	}
	if len(cfg.Ports) == 0 || len(cfg.Ports) > 32 {
		t.Fatalf("%d ports", len(cfg.Ports))
	}
	for _, n := range cfg.Neighbors {
		if !names[n.Port] || own[n.Address] || n.MAC == [6]byte{} || n.MAC[0]&1 != 0 {
			t.Fatalf("%+v", n)
		}
	}
	taken := map[string]bool{}
	for i := range cfg.Services {
		s := &cfg.Services[i]
		if taken[s.Name] || s.Name == "" || len(s.Addresses) == 0 {
			t.Fatalf("%s is taken: %+v", s.Name, s)
		}
		taken[s.Name] = true
		for _, e := range s.Addresses {
			at := fmt.Sprintf("%s %s", s.Protocol, e)
			if taken[at] {
				t.Fatalf("%s is taken: %+v", at, s)
			}
			taken[at] = true
		}
		servicePromises(t, s, own)
	}
	compiles(t, cfg)
}

func servicePromises(t *testing.T, s *conf.Service, own map[netip.Addr]bool) {
	t.Helper()
	vip := s.Addresses[0].Prefix.Addr()
	for _, e := range s.Addresses {
		a := e.Prefix.Addr()
		if !e.Valid() || e.Ports.First > e.Ports.Last || !a.IsGlobalUnicast() && !a.IsLinkLocalUnicast() || s.Mode != conf.TUN && s.Mode != conf.FullNAT && a.Is4() != vip.Is4() || s.Line <= 0 {
			t.Fatalf("%+v", s)
		}
	}
	port, one := s.Port()
	for i, f := range s.SchedulerFlags {
		if !slices.Contains(sched.Flags(s.Scheduler), f) || slices.Contains(s.SchedulerFlags[:i], f) || s.SlowStart < 0 {
			t.Fatalf("%+v", s)
		}
	}
	seen := map[netip.AddrPort]bool{}
	for _, b := range s.Backends {
		a := b.Address.Addr()
		if seen[b.Address] || own[a] || a == vip || one && b.Address.Port() == 0 || b.Weight < 0 || b.Weight > sched.MaxWeight || b.Line <= 0 {
			t.Fatalf("%+v of %+v", b, s)
		}
		seen[b.Address] = true
		if s.Mode != conf.TUN && s.Mode != conf.FullNAT && a.Is4() != vip.Is4() || s.Mode != conf.NAT && s.Mode != conf.FullNAT && b.Address.Port() != port {
			t.Fatalf("%+v of %+v", b, s)
		}
	}
	if n := len(slices.Collect(s.Locals())); (s.Mode == conf.FullNAT) != (n > 0) || n > 4096 || s.LocalPorts.Len() < 1 {
		t.Fatalf("%d local addresses: %+v", n, s)
	}
	if h := s.Health; h != nil {
		if h.Interval <= 0 || h.Timeout <= 0 || h.Rise <= 0 || h.Fall <= 0 || h.Type == "" {
			t.Fatalf("%+v", h)
		}
		host := h.HTTP.Host
		if host == "" {
			host = "backend"
		}
		r, err := http.NewRequest(http.MethodGet, "http://"+host+h.HTTP.Path, nil)
		if err != nil || r.URL.Host != host || r.URL.RequestURI() != h.HTTP.Path || r.Write(new(strings.Builder)) != nil {
			t.Fatalf("%+v: %v", h, err)
		}
	}
}

// compiles makes of a configuration what the workers use.
func compiles(t *testing.T, cfg *conf.Config) {
	t.Helper()
	up := func(_ *conf.Service, b *conf.Backend) compile.Status {
		return compile.Status{Up: !b.Down, Weight: b.Weight}
	}
	if _, _, err := compile.New(hops{}).Compile(time.Time{}, cfg, up, 0); err != nil {
		t.Fatalf("%v\n%+v", err, cfg)
	}
	for i := range cfg.Services {
		s := &cfg.Services[i]
		for _, b := range s.Backends {
			if port, via, ok := compile.Way(cfg, b.Address.Addr()); !ok || s.Mode == conf.DR && via != b.Address.Addr() {
				t.Fatalf("backend %s of %s: port %d via %s, %v", b.Address, s.Name, port, via, ok)
			}
		}
	}
}

// hops resolves every neighbour that there can be.
type hops struct{}

func (hops) Resolve(port int, a netip.Addr) (nexthop.ID, error) {
	if !a.IsValid() || a.IsMulticast() || a.IsUnspecified() || a.IsLoopback() {
		return 0, fmt.Errorf("%s on port %d is no host", a, port)
	}
	return 1, nil
}

// FuzzEdit changes any valid configuration: what comes out is the change and nothing else, or the change is refused. The
// forms that Diff and Effective make hold, too.
func FuzzEdit(f *testing.F) {
	for _, text := range append(slices.Clone(conf.Valid), conf.EditSamples...) {
		f.Add(text, uint8(0), uint16(7))
	}
	for _, file := range examples(f) {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text), uint8(1), uint16(0))
	}
	f.Fuzz(func(t *testing.T, text string, pick uint8, weight uint16) {
		cfg, err := conf.ParseText(text)
		if err != nil {
			return
		}
		if d := conf.Diff(cfg, cfg); len(d) > 0 {
			t.Errorf("it differs from itself: %v", d)
		}
		if effective, err := cfg.Effective(); err != nil {
			t.Error(err)
		} else if _, err := conf.Parse("effective", effective); err != nil {
			t.Errorf("the effective form has errors: %v\n%s", err, effective)
		}
		for i := range cfg.Services {
			s := &cfg.Services[i]
			if len(s.Backends) == 0 {
				continue
			}
			b := s.Backends[int(pick)%len(s.Backends)]
			for _, e := range []conf.Edit{
				{Service: s.Name, Backend: b.Address, Weight: int(weight)},
				{Service: s.Name, Backend: b.Address, Remove: true},
				{Service: s.Name, Backend: netip.AddrPortFrom(b.Address.Addr().Next(), b.Address.Port()), Weight: int(weight)},
			} {
				now, err := cfg.Edited([]conf.Edit{e}) // compares the outcome itself
				if err != nil {
					continue
				}
				for _, d := range conf.Diff(cfg, now) {
					if d.Service != s.Name || d.Path != "services[].backends[].weight" && d.Path != "services[].backends" {
						t.Errorf("%+v changes %+v", e, d)
					}
				}
			}
		}
	})
}
