package ipvs

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Weir is Weir's configuration for services.
func (s *Scenario) Weir(services []Service) string {
	var b strings.Builder
	b.WriteString("dataplane:\n  max_connections: 2000\n  max_templates: 1000\n  timeouts:\n")
	t := s.Timeouts
	fmt.Fprintf(&b, "    tcp: %s\n    tcp_fin: %s\n    udp: %s\n", or(t.TCP, defaults.TCP), or(t.TCPFin, defaults.TCPFin), or(t.UDP, defaults.UDP))
	b.WriteString("ports:\n")
	for i, p := range Ports {
		fmt.Fprintf(&b, "  - name: %s\n    device: net_null%d\n    mac: %s\n    addresses: [%s]\n", p.Name, i, mac(p.MAC), quoted(p.Addresses))
		if len(p.Gateways) > 0 {
			fmt.Fprintf(&b, "    gateways: [%s]\n", quoted(p.Gateways))
		}
	}
	b.WriteString("services:\n")
	for i := range services {
		services[i].weir(&b)
	}
	b.WriteString("neighbors:\n")
	for _, n := range Neighbors() {
		if n.Port == Lan && !s.at(n.Address) {
			continue
		}
		fmt.Fprintf(&b, "  - {port: %s, address: \"%s\", mac: %s}\n", n.Port, n.Address, mac(n.MAC))
	}
	return b.String()
}

func (s *Service) weir(b *strings.Builder) {
	fmt.Fprintf(b, "  - name: %s\n    addresses: [%s]\n    protocol: %s\n    mode: %s\n    scheduler: %s\n",
		s.name(), quoted(append([]netip.AddrPort{s.Address}, s.More...)), s.Protocol, s.Mode, s.Scheduler)
	if len(s.Flags) > 0 {
		fmt.Fprintf(b, "    scheduler_flags: [%s]\n", strings.Join(s.Flags, ", "))
	}
	if s.Persistence > 0 {
		fmt.Fprintf(b, "    persistence: {timeout: %s", s.Persistence)
		if s.ClientBits > 0 {
			fmt.Fprintf(b, ", %s: %d", map[bool]string{false: "mask", true: "prefix"}[s.Address.Addr().Is6()], s.ClientBits)
		}
		b.WriteString("}\n")
	}
	if s.OnePacket {
		b.WriteString("    one_packet: true\n")
	}
	if s.Tunnel != (Tunnel{}) {
		fmt.Fprintf(b, "    tunnel: {%s}\n", s.Tunnel.weir())
	}
	for _, o := range s.Options {
		fmt.Fprintf(b, "    %s: %s\n", o.Key, o.Value)
	}
	b.WriteString("    backends:\n")
	for _, r := range s.Backends {
		address := r.Address.String()
		if s.Mode != NAT || r.Address.Port() == 0 {
			address = r.Address.Addr().String()
		}
		fmt.Fprintf(b, "      - {address: \"%s\", weight: %d", address, r.Weight)
		if r.Upper > 0 {
			fmt.Fprintf(b, ", upper_threshold: %d", r.Upper)
		}
		if r.Lower > 0 {
			fmt.Fprintf(b, ", lower_threshold: %d", r.Lower)
		}
		b.WriteString("}\n")
	}
	if len(s.Backends) == 0 {
		b.WriteString("      []\n")
	}
}

// weir is the tunnel's configuration. Checksums that the receiver's NIC would only have to add to are plain ones.
func (t Tunnel) weir() string {
	out := "type: " + t.Type
	if t.Port != 0 {
		out += fmt.Sprintf(", port: %d", t.Port)
	}
	return out + fmt.Sprintf(", checksum: %t", t.Checksum == "csum" || t.Checksum == "remcsum")
}

// at reports whether there is a backend with an address at any time.
func (s *Scenario) at(addr netip.Addr) bool {
	is := func(b Backend) bool { return b.Address.Addr() == addr }
	has := func(v Service) bool { return slices.ContainsFunc(v.Backends, is) }
	return slices.ContainsFunc(s.Services, has) || slices.ContainsFunc(s.Steps, func(t Step) bool { return slices.ContainsFunc(t.Edit, has) })
}

// name is one that a protocol and address have alone.
func (s *Service) name() string {
	return strings.NewReplacer(":", "-", "[", "", "]", "").Replace(fmt.Sprintf("%s-%s", s.Protocol, s.Address))
}

// Neighbors are all stations that there are.
func Neighbors() (out []Neighbor) {
	for _, r := range Routers {
		out = append(out, Neighbor{Wan, r, RouterMAC})
	}
	for i := range NumBackends {
		for _, v6 := range []bool{false, true} {
			out = append(out, Neighbor{Lan, BackendAddr(i, v6), BackendMAC(i)})
		}
	}
	return out
}

func mac(m [6]byte) string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

func quoted[T fmt.Stringer](all []T) string {
	var out []string
	for _, v := range all {
		out = append(out, `"`+v.String()+`"`)
	}
	return strings.Join(out, ", ")
}

func or[T comparable](v, otherwise T) T {
	if v == *new(T) {
		return otherwise
	}
	return v
}
