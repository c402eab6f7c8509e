package ipvs

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// Ipvsadm is the lines for ipvsadm -R that lead from some services to others. A backend that is added comes to the head of
// LVS's list, so in to it must stand before those that stay.
func Ipvsadm(from, to []Service) string {
	var b strings.Builder
	for i := range from {
		if find(to, &from[i]) == nil {
			fmt.Fprintf(&b, "-D %s\n", from[i].ipvsadm())
		}
	}
	for i := range to {
		s := &to[i]
		old := find(from, s)
		if old == nil {
			fmt.Fprintf(&b, "-A %s%s\n", s.ipvsadm(), s.options())
			old = &Service{}
		} else if s.options() != old.options() {
			fmt.Fprintf(&b, "-E %s%s\n", s.ipvsadm(), s.options())
		}
		s.editBackends(&b, old)
	}
	return b.String()
}

func (s *Service) editBackends(b *strings.Builder, old *Service) {
	for _, r := range old.Backends {
		if s.backend(r) == nil {
			fmt.Fprintf(b, "-d %s -r %s\n", s.ipvsadm(), r.Address)
		}
	}
	for _, r := range slices.Backward(s.Backends) {
		was := old.backend(r)
		if was != nil && *was == r {
			continue
		}
		verb := "-a"
		if was != nil {
			verb = "-e"
		}
		fmt.Fprintf(b, "%s %s -r %s %s%s -w %d -x %d -y %d\n", verb, s.ipvsadm(), r.Address, s.Mode.ipvsadm(), s.Tunnel.ipvsadm(), r.Weight, r.Upper, r.Lower)
	}
}

func find(all []Service, like *Service) *Service {
	for i := range all {
		if all[i].Address == like.Address && all[i].Protocol == like.Protocol {
			return &all[i]
		}
	}
	return nil
}

func (s *Service) backend(like Backend) *Backend {
	for i := range s.Backends {
		if s.Backends[i].Address == like.Address {
			return &s.Backends[i]
		}
	}
	return nil
}

// Mark is the firewall mark of what comes in by wan.
const Mark = 1

func (s *Service) ipvsadm() string {
	if len(s.More) > 0 {
		return fmt.Sprintf("-f %d", Mark) + map[bool]string{true: " -6"}[s.Address.Addr().Is6()]
	}
	option := map[Protocol]string{TCP: "-t", UDP: "-u", SCTP: "--sctp-service"}[s.Protocol]
	return option + " " + s.Address.String()
}

func (s *Service) options() string {
	out := " -s " + s.Scheduler
	if len(s.Flags) > 0 {
		out += " -b " + strings.Join(s.Flags, ",")
	}
	if s.OnePacket {
		out += " -o"
	}
	if s.Persistence > 0 {
		out += fmt.Sprintf(" -p %d", int(s.Persistence.Seconds()))
	}
	switch {
	case s.ClientBits == 0:
	case s.Address.Addr().Is6():
		out += fmt.Sprintf(" -M %d", s.ClientBits)
	default:
		out += " -M " + net.IP(net.CIDRMask(s.ClientBits, 32)).String()
	}
	return out
}

func (m Mode) ipvsadm() string { return map[Mode]string{NAT: "-m", Tun: "-i", DR: "-g"}[m] }

func (t Tunnel) ipvsadm() string {
	out := ""
	if t.Type != "" {
		out += " --tun-type " + t.Type
	}
	if t.Port != 0 {
		out += fmt.Sprintf(" --tun-port %d", t.Port)
	}
	if t.Checksum != "" {
		out += " --tun-" + t.Checksum
	}
	return out
}

// Ipvsadm is the arguments that set all timeouts.
func (t Timeouts) Ipvsadm() []string {
	seconds := func(d, otherwise time.Duration) string { return fmt.Sprint(or(d, otherwise).Seconds()) }
	return []string{"--set", seconds(t.TCP, defaults.TCP), seconds(t.TCPFin, defaults.TCPFin), seconds(t.UDP, defaults.UDP)}
}
