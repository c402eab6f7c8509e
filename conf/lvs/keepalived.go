package lvs

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Keepalived reads a keepalived.conf (version 2.2, keepalived.conf(5)) and what it includes. id is the configuration's,
// with which lines that begin with @ are compared. The error is one that stops the reading; what cannot be taken over
// is in the Setup's notes.
func Keepalived(file, id string) (*Setup, error) {
	r := newReader(id)
	if err := r.file(file, 0); err != nil {
		return nil, err
	}
	return r.setUp()
}

// setUp makes the setup of what has been read.
func (r *reader) setUp() (*Setup, error) {
	all, err := parse(r.tokens)
	if err != nil {
		return nil, err
	}
	k := keepalived{Setup: r.setup, groups: map[string]*group{}}
	for i := range all {
		if all[i].keyword() == "virtual_server_group" {
			k.group(&all[i])
		}
	}
	for i := range all {
		k.top(&all[i])
	}
	return k.Setup, nil
}

// keepalived is an import under way.
type keepalived struct {
	*Setup
	groups map[string]*group
}

// group is a virtual_server_group.
type group struct {
	endpoints []Endpoint
	marks     []int
}

// settings are what a virtual server gives its real servers, and these their checks, unless they have their own.
type settings struct {
	timeout, interval, between time.Duration
	retry                      int // -1: the check's default
	host                       string
}

func (k *keepalived) top(s *statement) {
	switch key := s.keyword(); {
	case key == "virtual_server":
		k.virtualServer(s)
	case key == "virtual_server_group":
	case key == "SSL":
		k.note(s.at, Missing, "SSL: give the checks of type https their certificate, key and ca")
	case key == "global_defs":
		k.note(s.at, Ignored, "global_defs: Weir sends no mail and no traps; its metrics and hooks take their place")
	case strings.HasPrefix(key, "vrrp"):
		k.note(s.at, Ignored, "%s: VRRP stays keepalived's; Weir answers for its services' addresses itself", key)
	default:
		k.note(s.at, Ignored, "%s: has nothing to do with balancing", key)
	}
}

func (k *keepalived) group(s *statement) {
	g := &group{}
	for i := range s.block {
		m := &s.block[i]
		if m.keyword() == "fwmark" {
			if n, err := strconv.Atoi(m.arg(1)); err == nil {
				g.marks = append(g.marks, n)
				continue
			}
		}
		list, err := parseEndpoints(m.keyword(), m.arg(1))
		if err != nil {
			k.note(m.at, Missing, "virtual_server_group %s: %v", s.arg(1), err)
		}
		g.endpoints = append(g.endpoints, list...)
	}
	k.groups[s.arg(1)] = g
}

func (k *keepalived) virtualServer(s *statement) {
	v := &Service{Place: s.at, Protocol: "tcp", Scheduler: "wlc"}
	switch s.arg(1) {
	case "fwmark":
		n, err := strconv.Atoi(s.arg(2))
		if err != nil {
			k.note(s.at, Missing, "virtual_server fwmark %s: this is no mark", s.arg(2))
			return
		}
		v.Marks, v.Protocol = []int{n}, ""
	case "group":
		g := k.groups[s.arg(2)]
		if g == nil {
			k.note(s.at, Missing, "virtual_server group %s: there is no such group", s.arg(2))
			return
		}
		v.Endpoints, v.Marks = g.endpoints, g.marks
	default:
		list, err := parseEndpoints(s.arg(1), s.arg(2))
		if err != nil {
			k.note(s.at, Missing, "virtual_server: %v", err)
			return
		}
		v.Endpoints = list
	}
	set := settings{timeout: 5 * time.Second, interval: time.Minute, retry: -1}
	var servers []*statement
	for i := range s.block {
		m := &s.block[i]
		switch {
		case m.keyword() == "real_server":
			servers = append(servers, m)
		case k.setting(&set, m) || k.scheduling(v, m) || k.life(v, m):
		default:
			k.unknown("virtual_server", m)
		}
	}
	for _, m := range servers {
		k.realServer(v, m, set)
	}
	k.Services = append(k.Services, v)
}

func (k *keepalived) unknown(in string, m *statement) {
	k.note(m.at, Missing, "%s: %s is no keyword that is known here", in, m.keyword())
}

// setting takes what goes from a virtual server to its real servers and to their checks.
func (k *keepalived) setting(set *settings, m *statement) bool {
	switch m.keyword() {
	case "connect_timeout":
		k.seconds(&set.timeout, m)
	case "delay_loop":
		k.seconds(&set.interval, m)
	case "delay_before_retry":
		k.seconds(&set.between, m)
	case "retry", "nb_get_retry":
		k.number(&set.retry, m)
	case "virtualhost":
		set.host = m.arg(1)
	case "warmup":
		k.note(m.at, Ignored, "warmup: Weir spreads the first checks over their interval by itself")
	case "alpha":
		k.note(m.at, Changed, "alpha: to count a backend as down until its first check, give health start: down")
	default:
		return false
	}
	return true
}

// scheduling takes what ipvsadm calls a service's options.
func (k *keepalived) scheduling(v *Service, m *statement) bool {
	switch m.keyword() {
	case "lvs_sched", "lb_algo":
		v.Scheduler = m.arg(1)
	case "lvs_method", "lb_kind":
		v.Mode, v.Tunnel = k.method(m)
	case "protocol":
		v.Protocol = strings.ToLower(m.arg(1))
	case "sh-port", "sh-fallback", "mh-port", "mh-fallback":
		v.Flags = append(v.Flags, m.keyword())
	case "flag-1", "flag-2", "flag-3":
		k.note(m.at, Missing, "%s: write the flag's name, such as sh-port or mh-fallback, to scheduler_flags", m.keyword())
	case "ops":
		v.OnePacket = true
	case "persistence_timeout":
		v.Persistence = 6 * time.Minute
		if m.arg(1) != "" {
			k.seconds(&v.Persistence, m)
		}
	case "persistence_granularity", "nat_mask":
		k.granularity(v, m)
	case "persistence_engine":
		k.note(m.at, Missing, "persistence_engine %s: Weir knows clients by their addresses only", m.arg(1))
	case "ip_family":
		k.note(m.at, Ignored, "ip_family: follows from the addresses")
	default:
		return false
	}
	return true
}

func (k *keepalived) granularity(v *Service, m *statement) {
	n, ok := maskLength(m.arg(1))
	switch {
	case m.keyword() == "nat_mask":
		k.note(m.at, Ignored, "nat_mask: has had no effect since Linux 2.4")
	case !ok:
		k.note(m.at, Missing, "persistence_granularity: %q is no netmask", m.arg(1))
	case strings.Contains(m.arg(1), "."):
		v.Mask4 = n
	default:
		v.Prefix6 = n
	}
}

// life takes what makes a service come and go.
func (k *keepalived) life(v *Service, m *statement) bool {
	switch key := m.keyword(); key {
	case "sorry_server":
		a, err := parseAddrPort(m.arg(1), m.arg(2))
		if err != nil {
			k.note(m.at, Missing, "sorry_server: %v", err)
		}
		v.Sorry = a
	case "quorum":
		k.number(&v.Quorum, m)
	case "hysteresis":
		k.number(&v.Hysteresis, m)
	case "quorum_up", "quorum_down":
		k.note(m.at, Missing, "%s: Weir's on_change runs one program for up and down; put %q there if it may be run for both", key, m.arg(1))
	case "sorry_server_inhibit", "inhibit_on_failure":
		k.note(m.at, Ignored, "%s: connections of a backend that is down go on in Weir, as with weight 0", key)
	case "sorry_server_lvs_method":
		k.note(m.at, Changed, "%s: a sorry server is reached in the service's mode", key)
	case "omega", "ha_suspend", "hashed", "smtp_alert", "snmp_name", "log_all_failures":
		k.note(m.at, Ignored, "%s: has no counterpart", key)
	default:
		return false
	}
	return true
}

// method reads a forwarding method with its encapsulation.
func (k *keepalived) method(m *statement) (mode string, t Tunnel) {
	switch strings.ToUpper(m.arg(1)) {
	case "NAT":
		return "nat", t
	case "DR":
		return "dr", t
	case "TUN":
	default:
		k.note(m.at, Missing, "%s: %q is no forwarding method", m.keyword(), m.arg(1))
		return "", t
	}
	for i := 2; i < len(m.words); i++ {
		switch w := m.words[i]; w {
		case "type", "ipip", "nocsum":
		case "gue", "gre":
			t.Type = w
		case "port":
			i++
			n, err := parsePort(m.arg(i))
			if err != nil {
				k.note(m.at, Missing, "%s: %v", m.keyword(), err)
			}
			t.Port = n
		case "csum":
			t.Checksum = true
		case "remcsum":
			k.note(m.at, Changed, "%s: remcsum becomes a plain checksum of the outer header", m.keyword())
			t.Checksum = true
		default:
			k.note(m.at, Missing, "%s: %q is no option of a tunnel", m.keyword(), w)
		}
	}
	return "tun", t
}

func (k *keepalived) realServer(v *Service, s *statement, set settings) {
	a, err := parseAddrPort(s.arg(1), s.arg(2))
	if err != nil {
		k.note(s.at, Missing, "real_server: %v", err)
		return
	}
	b := Backend{Place: s.at, Address: a, Weight: 1}
	var checks []*statement
	for i := range s.block {
		m := &s.block[i]
		switch key := m.keyword(); {
		case key == "weight":
			k.number(&b.Weight, m)
		case key == "uthreshold":
			k.number(&b.Upper, m)
		case key == "lthreshold":
			k.number(&b.Lower, m)
		case key == "lvs_method" || key == "lb_kind":
			b.Mode, b.Tunnel = k.method(m)
		case key == "notify_up" || key == "notify_down":
			k.note(m.at, Missing, "%s: Weir's on_change runs one program for up and down; put %q there if it may be run for both", key, m.arg(1))
		case m.block != nil && (strings.HasSuffix(key, "_CHECK") || strings.HasSuffix(key, "_GET")):
			checks = append(checks, m)
		case k.setting(&set, m) || k.life(v, m):
		default:
			k.unknown("real_server", m)
		}
	}
	for _, m := range checks {
		k.check(&b, m, set)
	}
	v.Backends = append(v.Backends, b)
}

// seconds reads a time, which may have a fraction.
func (k *keepalived) seconds(to *time.Duration, m *statement) {
	n, err := strconv.ParseFloat(m.arg(1), 64)
	if err != nil || n < 0 || n > 1e6 {
		k.note(m.at, Missing, "%s: %q is no number of seconds", m.keyword(), m.arg(1))
		return
	}
	*to = time.Duration(n*1000) * time.Millisecond
}

func (k *keepalived) number(to *int, m *statement) {
	n, err := strconv.Atoi(m.arg(1))
	if err != nil || n < 0 {
		k.note(m.at, Missing, "%s: %q is no number", m.keyword(), m.arg(1))
		return
	}
	*to = n
}

func duration(d time.Duration) string {
	if d%time.Second == 0 {
		return fmt.Sprintf("%ds", d/time.Second)
	}
	return fmt.Sprintf("%dms", d/time.Millisecond)
}
