package conf

import (
	"net/netip"
	"slices"
	"strings"
)

// maxAtOnce bounds how many checks of one backend can be under way: each is an open file of this process.
const maxAtOnce = 10

func (c *checker) health(i int, s *Service) {
	if s.Health == nil {
		return
	}
	h, at := s.Health, c.service(i).field("health")
	if h.Type != "" {
		c.healthTypeKeys(at, h)
	}
	if h.Interval != 0 && h.Timeout > maxAtOnce*h.Interval {
		at.field("timeout").errorf("must be at most %d times the interval, is %s with the interval %s: more checks of a backend than that would be under way at once",
			maxAtOnce, short(h.Timeout), short(h.Interval))
	}
	statuses(at.field("status"), h.HTTP.Status)
	if h.HTTP.Body != "" && h.HTTP.Method == "HEAD" {
		at.field("body").errorf("cannot be looked at: an answer to HEAD has none. Use method GET")
	}
	if v := at.field("passive"); h.Passive != nil && s.Protocol != "" && s.Protocol != TCP {
		v.errorf("has a meaning only for protocol tcp, this service is %s: only TCP tells that a connection has failed, remove the section", s.Protocol)
	}
	healthTLS(at, h)
	c.uses(at.field("ca"), h.TLS.CA, false)
	c.uses(at.field("certificate"), h.TLS.Certificate, false)
	c.uses(at.field("key"), h.TLS.Key, false)
	c.healthVia(i, s)
	if h.Source.IsValid() && h.Via == ViaService && s.whole() {
		if vip := s.Checked().Addr(); vip.Is6() != h.Source.Is6() {
			at.field("source").errorf("%s is %s, but the service is %s", h.Source, family(h.Source), family(vip))
		}
	} else if h.Source.IsValid() {
		for _, b := range s.Backends {
			if a := b.Address.Addr(); a.IsValid() && a.Is6() != h.Source.Is6() {
				at.field("source").errorf("%s is %s, but the backend %s is %s", h.Source, family(h.Source), a, family(a))
				break
			}
		}
	}
}

// healthVia checks that checks can take the service's own way: in a mode that leaves the VIP in the packets, to the port
// that the service forwards, through a kernel's interface that carries them to the data plane.
func (c *checker) healthVia(i int, s *Service) {
	h, at := s.Health, c.service(i).field("health")
	if h.Via != ViaService || !s.whole() || !c.networks {
		return
	}
	via := at.field("via")
	if s.Mode != TUN && s.Mode != DR {
		via.errorf("service has a meaning only for mode tun or dr, this service is %s: its backends are checked at their own addresses, remove the key", s.Mode)
		return
	}
	port, one := s.Port()
	switch {
	case one && h.Port != 0 && h.Port != port:
		at.field("port").errorf("must be the service's port %d with via: service, which takes the service's way, is %d: remove the key", port, h.Port)
	case !one && h.Port != 0 && !slices.ContainsFunc(s.Addresses, func(e Endpoint) bool { return e.Ports.has(h.Port) }):
		at.field("port").errorf("must be one of the service's ports with via: service, which takes the service's way, is %d", h.Port)
	}
	said := map[int]bool{}
	for _, b := range s.Backends {
		port, _, ok := c.cfg.egress(b.Address.Addr())
		if !b.Address.IsValid() || !ok || said[port] {
			continue
		}
		said[port] = true
		c.viaPort(at, s, &c.cfg.Ports[port])
	}
}

// viaPort checks the port through which checks of a service's way leave.
func (c *checker) viaPort(at value, s *Service, p *Port) {
	vip, source := s.Checked().Addr(), s.Health.Source
	own := false
	for _, a := range p.Addresses {
		own = own || a.IsValid() && a.Addr().Is6() == vip.Is6() && (!a.Addr().Is6() || !a.Addr().IsLinkLocalUnicast())
	}
	switch {
	case p.TAP == "":
		at.field("via").errorf("service needs tap on port %s, through which the kernel gives Weir its checks: add for example tap: weir0 there", p.Name)
	case !own:
		at.field("via").errorf("service needs an %s address on port %s for the checks to come from, as the service is %s: add one there", family(vip), p.Name, family(vip))
	case source.IsValid() && source.Is6() == vip.Is6() && !slices.ContainsFunc(p.Addresses, func(a netip.Prefix) bool { return a.Addr() == source }):
		at.field("source").errorf("must be an address of port %s, through which the checks go with via: service, is %s", p.Name, source)
	}
}

// healthPort checks that there is a port to check: backends of services with several may have none of their own.
func (c *checker) healthPort(i int, s *Service) {
	h := s.Health
	if h == nil || h.Type == "" || h.Type == CheckPing || h.Type == CheckExec || !s.whole() {
		return
	}
	at := c.service(i).field("health")
	if at.field("port").exists() {
		return
	}
	for _, b := range s.Backends {
		if b.Address.IsValid() && b.Address.Port() == 0 {
			at.field("port").errorf("is missing: the backend %s has no port of its own, as packets keep theirs", b.Address.Addr())
			return
		}
	}
}

// healthTypeKeys reports keys that the check's type does not have, and those that it lacks.
func (c *checker) healthTypeKeys(at value, h *Health) {
	for _, k := range healthKeys {
		if slices.Contains(k.types, h.Type) {
			continue
		}
		if v := at.field(k.key); v.exists() {
			v.errorf("has a meaning only for type %s, this one is %s: remove the key", checks(k.types), h.Type)
		}
	}
	switch {
	case h.Type == CheckDNS && !at.field("name").exists():
		at.field("name").errorf("is missing: write what to ask for, for example name: www.example.com")
	case h.Type == CheckExec && !at.field("command").exists():
		at.field("command").errorf("is missing: write the program and its arguments, for example command: [/usr/local/bin/check, --fast]")
	case h.Type == CheckExec:
		c.command(at.field("command"), h.Exec.Command)
	}
}

func checks(types []Check) string {
	words := make([]string, len(types))
	for i, t := range types {
		words[i] = string(t)
	}
	return oneOf(words)
}

// command checks the first word of a command; others may be anything.
func (c *checker) command(at value, words []string) {
	if !at.exists() {
		return // its error is reported
	}
	switch first := at.item(0); {
	case len(words) == 0:
		if at.isEmpty() {
			at.errorf("is empty: write the program and its arguments, for example [/usr/local/bin/check, --fast]")
		}
	case words[0] == "" && (!first.exists() || first.node.Value != "" || first.node.ShortTag() == null): // so is this one's
	case !strings.HasPrefix(words[0], "/") || strings.HasSuffix(words[0], "/"):
		first.errorf("must be the program's path from the root, such as /usr/local/bin/check, is %s", quote(words[0]))
	default:
		c.uses(first, words[0], true)
	}
}

func statuses(at value, all []StatusRange) {
	for j, r := range all {
		if r.First == 0 || r.Last == 0 {
			continue // its error is reported
		}
		for k := range j {
			if o := all[k]; o.First <= r.Last && r.First <= o.Last {
				said := "overlaps " + o.String()
				if o == r {
					said = "is given twice"
				}
				at.item(j).errorf("%s %s", r, said)
				break
			}
		}
	}
}

func healthTLS(at value, h *Health) {
	t := &h.TLS
	if (h.Type == CheckHTTP2 || h.Type == CheckGRPC) && !t.On && !at.field("tls").exists() {
		for _, key := range []string{"sni", "verify", "ca", "certificate", "key"} {
			if v := at.field(key); v.exists() {
				v.errorf("has a meaning only over TLS: add tls: true, or remove the key")
			}
		}
		return
	}
	if ca := at.field("ca"); ca.exists() && !t.Verify && !at.field("verify").exists() {
		ca.errorf("has a meaning only if the backend's certificate is verified: add verify: true, or remove the key")
	}
	cert, key := at.field("certificate"), at.field("key")
	switch {
	case cert.exists() && !key.exists():
		cert.errorf("needs the key that belongs to it: add key: FILE")
	case key.exists() && !cert.exists():
		key.errorf("needs the certificate that belongs to it: add certificate: FILE")
	}
}
