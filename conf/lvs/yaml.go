package lvs

import (
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"

	"github.com/weirlb/weir/conf"
)

// Port is the port of Weir that the services' packets come in on: LVS has none.
type Port struct {
	Device    string
	Addresses []string
	Gateways  []string
}

// YAML writes a resolved setup as a configuration of Weir. Where the port's device is empty, so is the file's, which weir
// check then asks for.
func (s *Setup) YAML(w io.Writer, source string, p Port) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Made from %s. What could not be taken over stands in the report.\n%sports:\n  - name: wan\n", oneLine(source), s.dataplane())
	fmt.Fprintf(&b, "    device: %-24s # a PCI address such as 0000:03:00.0, or net_af_packet0,iface=eth1\n", text(p.Device))
	fmt.Fprintf(&b, "    addresses: %-21s # this director's own, with their networks: 203.0.113.2/24\n", list(p.Addresses))
	fmt.Fprintf(&b, "    gateways: %s\n", list(p.Gateways))
	b.WriteString("    tap: weir0                       # the kernel's side of the port: ssh, ping, health checks\n")
	if len(s.Services) > 0 {
		b.WriteString("services:\n")
	}
	names := s.Names()
	for i, v := range s.Services {
		if i > 0 {
			b.WriteByte('\n')
		}
		v.yaml(&b, names[i])
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// dataplane is the section of this name, if there is anything to say in it.
func (s *Setup) dataplane() string {
	var keys []string
	for i, name := range []string{"tcp", "tcp_fin", "udp"} {
		if s.Timeouts[i] > 0 {
			keys = append(keys, name+": "+duration(s.Timeouts[i]))
		}
	}
	if len(keys) == 0 {
		return ""
	}
	return fmt.Sprintf("dataplane:\n  timeouts: {%s}\n", strings.Join(keys, ", "))
}

func (v *Service) yaml(b *strings.Builder, name string) {
	put := func(format string, args ...any) { fmt.Fprintf(b, "    "+format+"\n", args...) }
	fmt.Fprintf(b, "  - name: %s # %s\n", text(name), oneLine(v.Place.String()))
	v.addresses(put)
	put("protocol: %s", text(v.Protocol))
	put("mode: %s", v.Mode)
	put("scheduler: %s", text(v.Scheduler))
	if len(v.Flags) > 0 {
		put("scheduler_flags: %s", list(v.Flags))
	}
	if v.OnePacket {
		put("one_packet: true")
	}
	if v.Persistence > 0 {
		keys := []string{"timeout: " + duration(v.Persistence)}
		if v.Mask4 > 0 {
			keys = append(keys, "mask: "+strconv.Itoa(v.Mask4))
		}
		if v.Prefix6 > 0 {
			keys = append(keys, "prefix: "+strconv.Itoa(v.Prefix6))
		}
		put("persistence: {%s}", strings.Join(keys, ", "))
	}
	if t := v.Tunnel; v.Mode == "tun" && t.Type != "" {
		keys := []string{"type: " + text(t.Type)}
		if t.Port != 0 {
			keys = append(keys, "port: "+strconv.Itoa(t.Port))
		}
		if t.Checksum {
			keys = append(keys, "checksum: true")
		}
		put("tunnel: {%s}", strings.Join(keys, ", "))
	}
	if len(v.Backends) > 0 && len(v.Backends[0].Checks) > 0 {
		var keys []string
		for _, k := range v.Backends[0].Checks[0].Keys {
			keys = append(keys, k.Name+": "+k.Value)
		}
		put("health: {%s}", strings.Join(keys, ", "))
	}
	v.quorum(put)
	if v.Sorry.IsValid() {
		put("sorry: %s", v.address(v.Sorry))
	}
	if len(v.Backends) == 0 {
		put("backends: []")
		return
	}
	put("backends:")
	for i := range v.Backends {
		v.backend(b, &v.Backends[i])
	}
}

func (v *Service) addresses(put func(string, ...any)) {
	all := make([]string, len(v.Endpoints))
	for i, e := range v.Endpoints {
		all[i] = e.String()
	}
	if len(all) == 1 {
		put("address: %s", quoted(all[0]))
		return
	}
	put("addresses: %s", list(all))
}

// String is the endpoint as Weir's configuration has it.
func (e Endpoint) String() string {
	a := e.Prefix.Addr().String()
	if e.Prefix.Bits() < e.Prefix.Addr().BitLen() {
		a = e.Prefix.String()
	}
	if e.Prefix.Addr().Is6() {
		a = "[" + a + "]"
	}
	return a + ":" + strconv.Itoa(e.Port)
}

func (v *Service) quorum(put func(string, ...any)) {
	if v.Quorum <= 1 && v.Hysteresis == 0 {
		return
	}
	if v.Hysteresis > 0 {
		put("quorum: {weight: %d, hysteresis: %d}", max(v.Quorum, 1), v.Hysteresis)
		return
	}
	put("quorum: {weight: %d}", v.Quorum)
}

// address is a server's, without a port where the mode or the service leaves it as it is.
func (v *Service) address(a netip.AddrPort) string {
	if a.Port() == 0 && len(v.Endpoints) == 1 {
		a = netip.AddrPortFrom(a.Addr(), uint16(v.Endpoints[0].Port))
	}
	if v.Mode != "nat" || a.Port() == 0 {
		return quoted(a.Addr().String())
	}
	return quoted(a.String())
}

func (v *Service) backend(b *strings.Builder, s *Backend) {
	keys := []string{"address: " + v.address(s.Address)}
	if s.Weight != 1 {
		keys = append(keys, "weight: "+strconv.Itoa(s.Weight))
	}
	if s.Upper > 0 {
		keys = append(keys, "upper_threshold: "+strconv.Itoa(s.Upper))
	}
	if s.Lower > 0 {
		keys = append(keys, "lower_threshold: "+strconv.Itoa(s.Lower))
	}
	fmt.Fprintf(b, "      - {%s}\n", strings.Join(keys, ", "))
}

// list is words as a list of YAML.
func list(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = quoted(w)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// quoted is text that may begin with a digit, as an address does: in quotes only if it has a colon or a bracket that
// YAML would take for its own.
func quoted(s string) string {
	if strings.ContainsAny(s, "[]{}#&*!|>'\"%@` ,") || strings.Count(s, ":") > 1 || s == "" {
		return strconv.Quote(s)
	}
	return s
}

// oneLine makes a comment of a path.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, s)
}

// Report writes the notes, a line each, and what they come to.
func (s *Setup) Report(w io.Writer) error {
	var b strings.Builder
	count := [3]int{}
	for _, n := range s.Notes {
		if n.Place != (Place{}) {
			b.WriteString(n.Place.String() + ": ")
		}
		fmt.Fprintf(&b, "%s: %s\n", n.Kind, n.Message)
		count[n.Kind]++
	}
	backends := 0
	for _, v := range s.Services {
		backends += len(v.Backends)
	}
	fmt.Fprintf(&b, "%s with %s; %s changed, %d ignored, %d missing", conf.Counted(len(s.Services), "service"), conf.Counted(backends, "backend"),
		conf.Counted(count[Changed], "line"), count[Ignored], count[Missing])
	if count[Missing] > 0 {
		b.WriteString(": what is missing needs a decision")
	}
	b.WriteByte('\n')
	_, err := io.WriteString(w, b.String())
	return err
}

// Complete reports whether nothing that matters is missing.
func (s *Setup) Complete() bool {
	for _, n := range s.Notes {
		if n.Kind == Missing {
			return false
		}
	}
	return true
}
