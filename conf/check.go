package conf

import (
	"net/netip"
	"slices"
	"strings"
)

// checker holds what the check files look into: what several keys together must satisfy. Values that could not be
// read were reported and are zero; the checks pass over them.
type checker struct {
	cfg     *Config
	root    value
	own     map[netip.Addr]place // addresses of ports
	vips    vips
	groupAt map[string]int    // groups by their names
	used    map[use][]Backend // of groups
	// locals are local addresses, with the first service of each; tooMany is the number of the service that makes them
	// more than there can be.
	locals  map[netip.Addr]int
	tooMany int
	// networks is whether every port's addresses and gateways could be read. If not, what cannot be reached may be
	// on one that is missing.
	networks bool
	once     first[netip.AddrPort] // backends of services with one_packet in nat
	workers  int                   // 0 if their cores could not be read
}

// place is an entry of a port's list.
type place struct{ port, index int }

func check(root value, cfg *Config) {
	c := &checker{
		once: first[netip.AddrPort]{},
		cfg:  cfg, root: root, own: map[netip.Addr]place{}, groupAt: groupsByName(cfg), used: map[use][]Backend{}, locals: map[netip.Addr]int{},
		networks: len(cfg.Ports) > 0 && networksRead(root.p), workers: max(1, len(cfg.Dataplane.Cores)),
	}
	if slices.ContainsFunc(root.p.list, func(e Error) bool { return e.Key == "dataplane" || e.Key == "dataplane.cores" }) {
		c.workers = 0
	}
	c.vips.collect(cfg)
	c.collectLocals()
	c.cores()
	c.ports()
	c.addresses()
	c.gateways()
	c.someAddress()
	c.services()
	c.neighbors()
	c.api()
}

// networksRead reports whether no error so far is about the addresses or gateways of a port, misspelt ones included.
func networksRead(p *problems) bool {
	for _, e := range p.list {
		below, ok := strings.CutPrefix(e.Key, "ports")
		if !ok {
			continue
		}
		_, key, ok := strings.Cut(below, ".")
		key, _, _ = strings.Cut(key, "[")
		if !ok || near(key, []string{"addresses", "gateways"}) != "" {
			return false
		}
	}
	return !p.more
}

// first remembers where each of some things was met first.
type first[K comparable] map[K]int

// again reports where k was met before.
func (f first[K]) again(k K, i int) (before int, ok bool) {
	if before, ok = f[k]; !ok {
		f[k] = i
	}
	return before, ok
}

func (c *checker) cores() {
	cores := c.root.field("dataplane").field("cores")
	seen := first[int]{}
	for i, core := range c.cfg.Dataplane.Cores {
		if _, ok := seen.again(core, i); ok && core >= 0 {
			cores.item(i).errorf("core %d is given twice: a worker needs a core of its own", core)
		}
	}
}

func (c *checker) port(i int) value    { return c.root.field("ports").item(i) }
func (c *checker) service(i int) value { return c.root.field("services").item(i) }
