package conf

import (
	"net/netip"
	"time"

	"github.com/weirlb/weir/sched"
)

// What LVS, keepalived or a later version of Weir has, to tell it from a mistake.
var (
	laterChecks = []string{"smtp"}
)

var serviceFields = []field[Service]{
	required("web", scalar("name", textual, "", func(s *Service, text string) error {
		return keep(&s.Name)(parseName(text, maxServiceName))
	})),
	unless("addresses", required("203.0.113.10:80", scalar("address", plain, "", func(s *Service, text string) error {
		e, err := parseEndpoint(text)
		s.Addresses = []Endpoint{e}
		return err
	}))),
	scalars("addresses", plain, maxEndpoints, parseEndpoint, func(s *Service) *[]Endpoint { return &s.Addresses }),
	section("match", matchFields, func(s *Service) *Match { return &s.Match }),
	required("tcp", scalar("protocol", textual, "", func(s *Service, text string) error {
		return word(&s.Protocol, text, nil, TCP, UDP, SCTP)
	})),
	required("nat", scalar("mode", textual, "", func(s *Service, text string) error {
		return parseMode(&s.Mode, text)
	})),
	scalar("scheduler", textual, "wlc", func(s *Service, text string) error {
		return word(&s.Scheduler, text, nil, sched.Names()...)
	}),
	scalars("scheduler_flags", textual, maxFlags, parseFlag, func(s *Service) *[]string { return &s.SchedulerFlags }),
	scalar("mh_table_size", numeric, "", func(s *Service, text string) error {
		return keep(&s.MhTableSize)(parseInt(text, 2, sched.MaxTableSize))
	}),
	scalar("slow_start", textual|numeric, "", func(s *Service, text string) error {
		return keep(&s.SlowStart)(parseDuration(text, time.Second, time.Hour))
	}),
	scalar("one_packet", boolean, "false", func(s *Service, text string) error { return keep(&s.OnePacket)(parseBool(text)) }),
	optional(section("persistence", persistenceFields, func(s *Service) *Persistence {
		if s.Persistence == nil {
			s.Persistence = new(Persistence)
		}
		return s.Persistence
	})),
	scalar("expire_quiescent", boolean, "false", func(s *Service, text string) error {
		return keep(&s.ExpireQuiescent)(parseBool(text))
	}),
	section("timeouts", timeoutFields("", "", "", ""), func(s *Service) *Timeouts { return &s.Timeouts }),
	scalars("local_addresses", plain, maxLocals, parseLocal, func(s *Service) *[]netip.Prefix { return &s.LocalAddresses }),
	scalar("local_ports", textual|numeric, "1024-65535", func(s *Service, text string) error {
		return keep(&s.LocalPorts)(parseLocalPorts(text))
	}),
	scalar("client_address", textual, "none", func(s *Service, text string) error {
		return word(&s.ClientAddress, text, nil, TellNone, TellTOA, TellProxyV1, TellProxyV2)
	}),
	section("tunnel", tunnelFields, func(s *Service) *Tunnel { return &s.Tunnel }),
	optional(section("health", healthFields, func(s *Service) *Health {
		if s.Health == nil {
			s.Health = new(Health)
		}
		return s.Health
	})),
	section("quorum", quorumFields, func(s *Service) *Quorum { return &s.Quorum }),
	scalar("sloppy", boolean, "false", func(s *Service, text string) error { return keep(&s.Sloppy)(parseBool(text)) }),
	scalar("mss_clamp", boolean, "false", func(s *Service, text string) error { return keep(&s.MSSClamp)(parseBool(text)) }),
	optional(section("limits", limitFields, func(s *Service) *Limits {
		if s.Limits == nil {
			s.Limits = new(Limits)
		}
		return s.Limits
	})),
	scalar("on_remove", textual, "drain", func(s *Service, text string) error {
		return word(&s.OnRemove, text, nil, OnRemoveDrain, OnRemoveReset, OnRemoveReschedule)
	}),
	scalar("expire_nodest", boolean, "false", func(s *Service, text string) error {
		return keep(&s.ExpireNodest)(parseBool(text))
	}),
	scalar("on_empty", textual, "", func(s *Service, text string) error {
		return word(&s.OnEmpty, text, nil, OnEmptyICMP, OnEmptyReset, OnEmptyDrop, OnEmptySorry)
	}),
	scalar("sorry", plain, "", func(s *Service, text string) error {
		s.Sorry = &Backend{Weight: 1}
		return keep(&s.Sorry.Address)(parseBackend(text))
	}),
	optional(section("on_change", hookFields, func(s *Service) *Hook {
		if s.OnChange == nil {
			s.OnChange = new(Hook)
		}
		return s.OnChange
	})),
	unless("backend_group", required("[{address: 10.0.0.11:8080}]", list("backends", maxListed, backendFields, func(s *Service) *[]Backend {
		return &s.Backends
	}))),
	scalar("backend_group", textual, "", func(s *Service, text string) error {
		return keep(&s.BackendGroup)(parseName(text, maxServiceName))
	}),
}

// maxSources bounds the prefixes of one service's match.
const maxSources = 1024

var matchFields = []field[Match]{
	mainly(scalars("source", plain, maxSources, parseSource, func(m *Match) *[]netip.Prefix { return &m.Source })),
	scalars("port", textual, maxPorts, func(text string) (string, error) { return parseName(text, maxPortName) },
		func(m *Match) *[]string { return &m.Port }),
}

// maxFlags is more than any scheduler takes.
const maxFlags = 8

func parseFlag(text string) (string, error) {
	if err := parseWord(text, sched.Flags(""), nil); err != nil {
		return "", err
	}
	return text, nil
}

var limitFields = []field[Limits]{
	scalar("connections", numeric, "", func(l *Limits, text string) error {
		return keep(&l.Connections)(parseInt(text, 1, maxThreshold))
	}),
	scalar("rate", numeric, "", func(l *Limits, text string) error { return keep(&l.Rate)(parseInt(text, 1, maxRate)) }),
	scalar("burst", numeric, "", func(l *Limits, text string) error { return keep(&l.Burst)(parseInt(text, 1, maxRate)) }),
}

// persistenceFields has ipvsadm's defaults of -p and -M.
var persistenceFields = []field[Persistence]{
	mainly(scalar("timeout", textual|numeric, "360s", func(p *Persistence, text string) error {
		return keep(&p.Timeout)(parseTimeout(text))
	})),
	scalar("mask", numeric, "32", func(p *Persistence, text string) error { return keep(&p.Mask)(parseInt(text, 1, 32)) }),
	scalar("prefix", numeric, "128", func(p *Persistence, text string) error { return keep(&p.Prefix)(parseInt(text, 1, 128)) }),
}

// maxTunnelSources bounds the addresses that a tunnel comes from.
const maxTunnelSources = 64

var tunnelFields = []field[Tunnel]{
	mainly(scalar("type", textual, "ipip", func(t *Tunnel, text string) error { return word(&t.Type, text, nil, IPIP, GUE, GRE, VXLAN) })),
	scalar("port", numeric, "", func(t *Tunnel, text string) error { return keep(&t.Port)(parsePort(text)) }),
	scalar("vni", numeric, "", func(t *Tunnel, text string) error { return keep(&t.VNI)(parseInt(text, 1, 1<<24-1)) }),
	scalar("mac", textual, "", func(t *Tunnel, text string) error { return keep(&t.MAC)(parseMAC(text)) }),
	scalar("key", numeric, "", func(t *Tunnel, text string) error { return keep(&t.Key)(parseInt(text, 1, 1<<32-1)) }),
	scalar("checksum", textual|boolean, "auto", func(t *Tunnel, text string) error {
		return word(&t.Checksum, text, nil, Auto, Yes, No)
	}),
	scalars("sources", plain, maxTunnelSources, parseAddr, func(t *Tunnel) *[]netip.Addr { return &t.Sources }),
	scalar("df", textual, "copy", func(t *Tunnel, text string) error {
		return word(&t.DF, text, nil, DFCopy, DFSet, DFClear)
	}),
	scalar("mss_clamp", boolean, "true", func(t *Tunnel, text string) error { return keep(&t.MSSClamp)(parseBool(text)) }),
}

var quorumFields = []field[Quorum]{
	scalar("weight", numeric, "", func(q *Quorum, text string) error { return keep(&q.Weight)(parseInt(text, 1, maxQuorum)) }),
	mainly(scalar("backends", numeric, "1", func(q *Quorum, text string) error { return keep(&q.Backends)(parseInt(text, 1, maxBackends)) })),
	scalar("hysteresis", numeric, "0", func(q *Quorum, text string) error { return keep(&q.Hysteresis)(parseInt(text, 0, maxQuorum)) }),
}

const maxQuorum = maxBackends * sched.MaxWeight

var hookFields = []field[Hook]{
	required("[/usr/local/bin/changed]", scalars("command", plain, maxArguments, parseArgument, func(h *Hook) *[]string { return &h.Command })),
	scalar("timeout", textual|numeric, "10s", func(h *Hook, text string) error {
		return keep(&h.Timeout)(parseDuration(text, time.Second/10, time.Hour))
	}),
}

var backendFields = []field[Backend]{
	required("10.0.0.11:8080", scalar("address", plain, "", func(b *Backend, text string) error {
		return keep(&b.Address)(parseBackend(text))
	})),
	scalar("weight", numeric, "1", func(b *Backend, text string) error {
		return keep(&b.Weight)(parseInt(text, 0, sched.MaxWeight))
	}),
	scalar("upper_threshold", numeric, "", func(b *Backend, text string) error {
		return keep(&b.UpperThreshold)(parseInt(text, 1, maxThreshold))
	}),
	scalar("lower_threshold", numeric, "", func(b *Backend, text string) error {
		return keep(&b.LowerThreshold)(parseInt(text, 1, maxThreshold))
	}),
	scalar("state", textual, "up", func(b *Backend, text string) error {
		b.Down, b.Maintenance = text == "down", text == "maintenance"
		return parseWord(text, []string{"up", "down", "maintenance"}, nil)
	}),
}
