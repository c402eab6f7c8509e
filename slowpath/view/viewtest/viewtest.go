// Package viewtest is a running daemon as tests imagine it.
package viewtest

import (
	"fmt"
	"slices"

	"github.com/weirlb/weir/slowpath/view"
)

// Now is the Unix time at which [Sample] is looked at.
const Now = 1_800_000_000

// Source is a view.Source of fixed answers. Connections honours its arguments.
type Source struct {
	ServiceList     []view.Service
	BackendList     []view.Backend
	ConnectionList  []view.Connection
	TemplateList    []view.Template
	WorkerList      []view.Worker
	PortList        []view.Port
	NeighborList    []view.Neighbor
	DropList        []view.Drop
	PortDropList    []view.PortDrop
	ServiceDropList []view.ServiceDrop
	Process         view.Daemon
}

var _ view.Source = (*Source)(nil)

// Services implements view.Source.
func (s *Source) Services() []view.Service { return slices.Clone(s.ServiceList) }

// Backends implements view.Source.
func (s *Source) Backends() []view.Backend { return slices.Clone(s.BackendList) }

// BackendsOf implements view.Source.
func (s *Source) BackendsOf(service string) []view.Backend {
	return slices.DeleteFunc(s.Backends(), func(b view.Backend) bool { return b.Service != service })
}

// Connections implements view.Source.
func (s *Source) Connections(service string, limit int) []view.Connection {
	var found []view.Connection
	for _, c := range s.ConnectionList {
		if limit > 0 && len(found) == limit {
			break
		}
		if service == "" || c.Service == service {
			found = append(found, c)
		}
	}
	return found
}

// Persistence implements view.Source.
func (s *Source) Persistence(service string, limit int) []view.Template {
	var found []view.Template
	for _, t := range s.TemplateList {
		if limit > 0 && len(found) == limit {
			break
		}
		if service == "" || t.Service == service {
			found = append(found, t)
		}
	}
	return found
}

// Workers implements view.Source.
func (s *Source) Workers() []view.Worker { return slices.Clone(s.WorkerList) }

// Ports implements view.Source.
func (s *Source) Ports() []view.Port { return slices.Clone(s.PortList) }

// Neighbors implements view.Source.
func (s *Source) Neighbors() []view.Neighbor { return slices.Clone(s.NeighborList) }

// Drops implements view.Source.
func (s *Source) Drops() []view.Drop { return slices.Clone(s.DropList) }

// PortDrops implements view.Source.
func (s *Source) PortDrops() []view.PortDrop { return slices.Clone(s.PortDropList) }

// ServiceDrops implements view.Source.
func (s *Source) ServiceDrops() []view.ServiceDrop { return slices.Clone(s.ServiceDropList) }

// Metered implements view.Source.
func (s *Source) Metered(services, backends int) view.Metered {
	m := view.Metered{Services: s.Services(), Backends: s.Backends(), Totals: view.NewTotals()}
	t := &m.Totals
	for _, v := range m.Services {
		t.ServiceStates[v.State]++
		t.Active += v.Active
		t.Inactive += v.Inactive
		t.Connections += v.Connections
		t.Failures.Add(v.Failures)
		t.Traffic.Add(v.Traffic)
	}
	for _, b := range m.Backends {
		t.BackendStates[b.State]++
		t.Suspected += b.Suspected
	}
	if n := len(m.Services) - services; n > 0 {
		m.Services, m.ServicesOut = m.Services[:services], n
	}
	if n := len(m.Backends) - backends; n > 0 {
		m.Backends, m.BackendsOut = m.Backends[:backends], n
	}
	return m
}

// Daemon implements view.Source.
func (s *Source) Daemon() view.Daemon { return s.Process }

// Configuration implements view.Source.
func (s *Source) Configuration(effective bool) (*view.Configuration, error) {
	c := &view.Configuration{
		File: s.Process.Config, Revision: s.Process.Revision, Document: "ports: [] # none\n",
		Changes: []string{"~ backend web 10.0.0.13:8080: weight 1 → 0"},
	}
	if effective {
		c.Effective = "ports: []\n"
	}
	return c, nil
}

// Explain implements view.Source: it knows of one packet.
func (s *Source) Explain(packet string) (*view.Explanation, error) {
	if e := Explanation(); packet == e.Packet {
		return e, nil
	}
	return nil, fmt.Errorf("%q is no packet", packet)
}

// Explanation is of a packet that got no backend.
func Explanation() *view.Explanation {
	return &view.Explanation{
		Packet: "tcp 198.51.100.7:40000 > 203.0.113.10:80 syn ttl 64 len 44",
		Steps: []view.Step{
			{Name: "port", Text: "comes in by wan, as 198.51.100.7 is reached by it; a SYN, as nothing else was given"},
			{Name: "connection", Text: "none is known with these ends"},
			{Name: "service", Text: "web: tcp 203.0.113.10:80, nat"},
			{Name: "scheduler", Text: "wlc chooses none, none is up and has a weight", Detail: []string{
				"10.0.0.12:8080 down, weight 1 (counts as 0), 0 active and 11 inactive connections: connection refused",
				"10.0.0.13:8080 draining, weight 0, 0 active and 0 inactive connections",
			}},
		},
		Verdict: "answered", Reason: "no_backend", Help: "no backend of the service is up and has a weight",
		Cause: "Health checks took all backends down, or all are drained.", Mend: "`weir show backends` has each one's state and what its last check said; bring one back, or `weir backend set` its weight.",
		Service: "web", Frames: []view.Frame{}, Basis: "the running daemon as it is now (state 9): nothing was sent, no connection made, no scheduler moved on",
	}
}

// Sample is a daemon with two services, two workers and one port, after a busy day.
func Sample() *Source {
	return &Source{
		ServiceList: []view.Service{
			{
				Name: "web", Address: "203.0.113.10:80", Addresses: []string{"203.0.113.10:80"}, Protocol: "tcp", Mode: "nat", Scheduler: "wlc",
				State: "up", Reason: "backends up: 1, quorum: 1", Since: Now - 93_784,
				Backends: 3, BackendsUp: 1, Active: 812, Inactive: 4031, Connections: 1_204_558, Templates: 1, ConnectionLimit: 100_000, RateLimit: 5_000,
				Failures: view.Failures{Unanswered: 84, Refused: 1_002, Resets: 17},
				Setup: view.Durations{Count: 1_203_472, SumNs: 361_041_600_000, Buckets: []view.Duration{
					{LeNs: 1 << 18, Count: 1_000_000}, {LeNs: 1 << 19, Count: 203_400}, {LeNs: 1 << 30, Count: 72},
				}},
				Shares: []view.Share{{Backend: "10.0.0.11:8080", Share: 1}, {Backend: "10.0.0.12:8080"}, {Backend: "10.0.0.13:8080"}},
				Traffic: view.Traffic{
					PacketsIn: 14_310_220, PacketsOut: 19_944_021,
					BytesIn: 1_316_540_240, BytesOut: 26_127_000_510,
				},
			},
			{
				Name: "dns6", Address: "[2001:db8::10]:53", Addresses: []string{"[2001:db8::10]:53"}, Protocol: "udp", Mode: "dr", Scheduler: "mh",
				State: "up", Reason: "backends up: 1, quorum: 1", Since: Now - 93_784,
				Backends: 1, BackendsUp: 1, Inactive: 97, Connections: 88_010, Setup: view.Durations{Buckets: []view.Duration{}},
				Shares:  []view.Share{{Backend: "[2001:db8:0:1::53]:53", Share: 1}},
				Traffic: view.Traffic{PacketsIn: 99_999, BytesIn: 8_112_345},
			},
			{
				Name: "far", Address: "[2001:db8::20]:443", Addresses: []string{"[2001:db8::20]:443"}, Protocol: "tcp", Mode: "fullnat", Scheduler: "rr",
				State: "up", Reason: "backends up: 1, quorum: 1", Since: Now - 93_784,
				Backends: 1, BackendsUp: 1, Active: 1, Connections: 1, Setup: view.Durations{Buckets: []view.Duration{}},
				Shares:  []view.Share{{Backend: "10.0.0.31:8443", Share: 1}},
				Locals:  []view.Local{{Address: "10.0.0.32", Ports: 1}, {Address: "10.0.0.33"}},
				Traffic: view.Traffic{PacketsIn: 4, PacketsOut: 3, BytesIn: 208, BytesOut: 164},
			},
		},
		BackendList: []view.Backend{
			{
				Service: "web", Address: "10.0.0.11:8080", Weight: 3, Effective: 1.2, Share: 1, State: "up", UpperThreshold: 5000, Health: "200 OK in 1.2 ms",
				HealthSince: Now - 93_784, Latency: 0.0012, LastError: "503 Service Unavailable in 0.9 ms, expected 200-399",
				LastErrorAt: Now - 93_790, ChecksPassed: 46_892, ChecksFailed: 3, ChecksNotAsked: 1, Changes: 2, Active: 812, Inactive: 4020, Connections: 1_100_004,
				Traffic: view.Traffic{
					PacketsIn: 14_000_120, PacketsOut: 19_540_021,
					BytesIn: 1_301_000_000, BytesOut: 26_000_000_000,
				},
			},
			{
				Service: "web", Address: "10.0.0.12:8080", Weight: 1, State: "down", Health: "connection refused",
				HealthSince: Now - 42, LastError: "connection refused", LastErrorAt: Now - 1, ChecksFailed: 21, Changes: 1,
				Inactive: 11, Connections: 104_553, Suspected: 2, Failures: view.Failures{Unanswered: 84, Refused: 1_002, Resets: 17},
				Traffic: view.Traffic{
					PacketsIn: 310_100, PacketsOut: 404_000,
					BytesIn: 15_540_240, BytesOut: 127_000_510,
				},
			},
			{
				Service: "web", Address: "10.0.0.13:8080", State: "draining", Changed: "drained", Connections: 1,
				Health: "timeout after 1s waiting for an HTTP response", HealthSince: Now - 7,
				LastError: "timeout after 1s waiting for an HTTP response", LastErrorAt: Now - 1, ChecksFailed: 4, Changes: 1,
			},
			{
				Service: "dns6", Address: "[2001:db8:0:1::53]:53", Weight: 1, Effective: 1, Share: 1, State: "up",
				Inactive: 97, Connections: 88_010,
				Traffic: view.Traffic{PacketsIn: 99_999, BytesIn: 8_112_345},
			},
		},
		ConnectionList: []view.Connection{
			{
				Protocol: "tcp", Client: "198.51.100.7:40000", VIP: "203.0.113.10:80",
				Backend: "10.0.0.11:8080", Service: "web", State: "ESTABLISHED", Expires: 899.2, Worker: 0,
			},
			{
				Protocol: "tcp", Client: "198.51.100.201:51514", VIP: "203.0.113.10:80",
				Backend: "10.0.0.12:8080", Service: "web", State: "FIN_WAIT", Expires: 61, Worker: 1,
			},
			{
				Protocol: "tcp", Client: "[2001:db8:c::7]:40001", VIP: "[2001:db8::20]:443", Local: "10.0.0.32:40127",
				Backend: "10.0.0.31:8443", Service: "far", State: "ESTABLISHED", Expires: 12.5, Worker: 1,
			},
			{
				Protocol: "udp", Client: "[2001:db8:ffff:1234:5678:9abc:def0:1]:5353", VIP: "[2001:db8::10]:53",
				Backend: "[2001:db8:0:1::53]:53", Service: "dns6", State: "UDP", Expires: 4.25, Worker: 1,
			},
		},
		TemplateList: []view.Template{
			{Service: "web", Client: "198.51.100.0/24", Backend: "10.0.0.11:8080", Connections: 2, Expires: 300},
			{Service: "dns6", Client: "2001:db8:ffff:1234::/64", Backend: "[2001:db8:0:1::53]:53", Expires: 12.5},
		},
		WorkerList: []view.Worker{
			{
				ID: 0, Core: 1, PacketsIn: 20_010_331, PacketsOut: 20_008_112, Own: 212, Dropped: 2_007,
				Punted: 424, HandedOver: 10_002_004, FragmentsWait: 5, Steering: "software",
				Connections: 2_410, MaxConnections: 1_000_000, BusyShare: 0.314, CyclesPerPacket: 91.7, BusySeconds: 31_400.5,
				Polls: 92_000_000, BusyPolls: 1_500_000,
				Queues: []view.Queue{{Name: "punt", Used: 20_972, Size: 1 << 20}, {Name: "inject", Size: 1 << 20}, {Name: "handover", Used: 512, Size: 1024}},
				PollGaps: view.Durations{Count: 1_000_003, SumNs: 900_100_000, Buckets: []view.Duration{
					{LeNs: 895, Count: 1_000_000}, {LeNs: 1023, Count: 2}, {LeNs: 57_343, Count: 1},
				}},
			},
			{
				ID: 1, Core: -1, PacketsIn: 14_344_009, PacketsOut: 14_343_998, Own: 96, Dropped: 11,
				Punted: 96, HandedOver: 7_120_000, Steering: "software",
				Connections: 2_530, MaxConnections: 1_000_000, Evicted: 3, TemplatesEvicted: 2, TemplatesFull: 1, LocalPortsElsewhere: 5, BusyShare: 1, Queues: []view.Queue{}, PollGaps: view.Durations{Buckets: []view.Duration{}},
			},
		},
		PortList: []view.Port{{
			Name: "wan", Device: "net_af_packet0,iface=eth1", Driver: "net_af_packet", MAC: "02:00:00:00:00:02",
			MTU: 1500, Link: "up", Queues: 2, LocalPorts: "rss", TAP: "weir0", Changed: []string{"xdp", "gro off"}, Addresses: []string{"203.0.113.2/24", "2001:db8::2/64"},
			PacketsIn: 34_354_340, PacketsOut: 34_352_110, BytesIn: 27_443_540_750, BytesOut: 27_441_100_020,
			Missed: 12, ErrorsIn: 1, ErrorsOut: 2, NoBuffers: 3, RSSStrays: 4, BuffersFree: 61_440, Buffers: 65_535,
		}},
		NeighborList: []view.Neighbor{
			{Port: "wan", Address: "203.0.113.1", MAC: "02:00:00:00:00:01", State: "static"},
			{Port: "wan", Address: "203.0.113.20", MAC: "02:00:00:00:01:14", State: "reachable", Age: 12.4},
			{Port: "wan", Address: "2001:db8::1234:5678:9abc:def0", State: "incomplete", Age: 0.8, Queued: 3},
		},
		DropList: []view.Drop{
			{Reason: "truncated", Worker: 0, Help: "shorter than its own headers say"},
			{Reason: "no_service", Worker: 0, Packets: 2_007,
				Help: "for a VIP, but no service has that port and protocol"},
			{Reason: "no_service", Worker: 1, Packets: 11,
				Help: "for a VIP, but no service has that port and protocol"},
			{Reason: "neighbor_unresolved", Worker: -1, Packets: 123_456,
				Help: "the neighbour did not answer ARP or neighbour solicitation in time"},
		},
		PortDropList: []view.PortDrop{
			{Reason: "truncated", Port: "wan", Help: "shorter than its own headers say"},
			{Reason: "no_service", Port: "wan", Packets: 2_018,
				Help: "for a VIP, but no service has that port and protocol"},
			{Reason: "neighbor_unresolved", Port: "wan", Packets: 123_456,
				Help: "the neighbour did not answer ARP or neighbour solicitation in time"},
		},
		ServiceDropList: []view.ServiceDrop{
			{Reason: "no_connection", Service: "web", Packets: 1_204,
				Help: "TCP without SYN, and no connection is known: it ended, expired or was made before the start"},
			{Reason: "no_backend", Service: "dns6", Packets: 77, Help: "no backend of the service is up and has a weight"},
		},
		Process: view.Daemon{
			Version: "1.0.0", Config: "/etc/weir/weir.yaml", Generation: 4, Hugepages: true, ClockHertz: 2.6e9,
			StartUnix: Now - 100_000, Captures: view.CaptureTotals{Running: 1, Packets: 1_234, Lost: 5},
			Revision: "5eed-7", Reloads: view.ReloadTotals{Applied: 6, Refused: 2}, Changed: 1, Watchers: 3,
		},
	}
}
