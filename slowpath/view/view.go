// Package view is what Weir tells about itself: the structures behind weir show, the API and the
// metrics. One figure has one name in all three.
package view

// Source gives a consistent enough picture of the running daemon. Every method may be called from
// any goroutine and returns fresh slices.
type Source interface {
	Services() []Service
	Backends() []Backend
	// BackendsOf are those of one service.
	BackendsOf(service string) []Backend
	// Connections returns at most limit connections (0: all), of one service if service is not empty.
	Connections(service string, limit int) []Connection
	// Persistence returns at most limit templates (0: all), of one service if service is not empty.
	Persistence(service string, limit int) []Template
	Workers() []Worker
	Ports() []Port
	Neighbors() []Neighbor
	Drops() []Drop
	// PortDrops has every reason at every port, ServiceDrops only what has happened.
	PortDrops() []PortDrop
	ServiceDrops() []ServiceDrop
	Daemon() Daemon
	// Metered is Services and Backends, no more than so many in the configuration's order, with totals of all.
	Metered(services, backends int) Metered
	// Configuration is the one in force, and what was changed at run time; Effective only if asked for, as it takes long
	// to make for very many services.
	Configuration(effective bool) (*Configuration, error)
	// Explain tells what would become of a packet now, written as weir explain takes it. It changes nothing.
	Explain(packet string) (*Explanation, error)
}

// Traffic counts packets and bytes (IP packets' length), from the client (in) and to it (out; only nat
// sees those).
type Traffic struct {
	PacketsIn  uint64 `json:"packets_in"`
	PacketsOut uint64 `json:"packets_out"`
	BytesIn    uint64 `json:"bytes_in"`
	BytesOut   uint64 `json:"bytes_out"`
}

// Service is one virtual service.
type Service struct {
	Name        string   `json:"name"`
	Address     string   `json:"address"`         // where there is little room: the first few addresses, and how many more there are
	Addresses   []string `json:"addresses"`       // as the configuration has them
	Match       string   `json:"match,omitempty"` // what packets must come from besides
	Protocol    string   `json:"protocol"`
	Mode        string   `json:"mode"`
	Scheduler   string   `json:"scheduler"`
	State       string   `json:"state"`                    // up | down | sorry (down, and the sorry server takes over)
	Reason      string   `json:"reason"`                   // how many backends or how much weight is up, and the quorum
	Since       int64    `json:"state_since_unix_seconds"` // when it last went up or down, or was first there
	Backends    int      `json:"backends"`
	BackendsUp  int      `json:"backends_up"` // up and with a weight
	Active      int      `json:"active_connections"`
	Inactive    int      `json:"inactive_connections"`
	Connections uint64   `json:"connections_total"` // made since the start
	Templates   int      `json:"templates"`         // clients that persistence binds to a backend
	// Limits on the connections that exist and on new ones a second; 0: none.
	ConnectionLimit int `json:"connection_limit"`
	RateLimit       int `json:"rate_limit"`
	// Shares are what each backend gets of the service's newest connections: those of the last 10 to 20 seconds, or of
	// the last such time in which there were any. They make 1 together, or 0 before the first connection.
	Shares []Share `json:"shares"`
	Failures
	// Setup is how long backends took from a client's SYN to their SYN+ACK. Only nat sees that.
	Setup Durations `json:"connection_setup"`
	// Locals are a fullnat service's local addresses.
	Locals []Local `json:"local_addresses,omitempty"`
	Traffic
}

// Local is a local address of fullnat services.
type Local struct {
	Address string `json:"address"`
	// Ports is how many connections of all services have a port of it; the same port counts once for each backend that
	// it is used with.
	Ports int `json:"ports_in_use"`
}

// Failures counts TCP connections that failed, each once: without an answer to their first SYN, with a reset instead of
// one, and reset by the backend later on. tun and dr see only the first.
type Failures struct {
	Unanswered uint64 `json:"connections_unanswered"`
	Refused    uint64 `json:"connections_refused"`
	Resets     uint64 `json:"connections_reset"`
}

// Sum is how many failed in any way.
func (f *Failures) Sum() uint64 { return f.Unanswered + f.Refused + f.Resets }

// Add adds others.
func (f *Failures) Add(o Failures) {
	f.Unanswered += o.Unanswered
	f.Refused += o.Refused
	f.Resets += o.Resets
}

// Metered is what of services and backends metrics show.
type Metered struct {
	Services []Service // without Shares
	Backends []Backend // of those services
	// Totals are those of all, ServicesOut and BackendsOut how many are in none of the lists.
	Totals                   Totals
	ServicesOut, BackendsOut int
}

// Totals are sums over all services and backends. States have those that none is in, too.
type Totals struct {
	ServiceStates, BackendStates map[string]int
	Active, Inactive             int
	Connections                  uint64
	Suspected                    uint64
	Failures
	Traffic
}

// ServiceStates and BackendStates are the states that there can be.
var (
	ServiceStates = []string{"up", "down", "sorry"}
	BackendStates = []string{"up", "down", "draining", "maintenance", "standby", "sorry"}
)

// NewTotals are those of nothing.
func NewTotals() Totals {
	t := Totals{ServiceStates: map[string]int{}, BackendStates: map[string]int{}}
	for _, s := range ServiceStates {
		t.ServiceStates[s] = 0
	}
	for _, s := range BackendStates {
		t.BackendStates[s] = 0
	}
	return t
}

// Add adds what another has carried.
func (t *Traffic) Add(o Traffic) {
	t.PacketsIn += o.PacketsIn
	t.PacketsOut += o.PacketsOut
	t.BytesIn += o.BytesIn
	t.BytesOut += o.BytesOut
}

// Share is a backend's part of its service's newest connections.
type Share struct {
	Backend string  `json:"backend"`
	Share   float64 `json:"share"` // 0 to 1
}

// Backend is one real server of one service.
type Backend struct {
	Service string `json:"service"`
	Address string `json:"address"`
	Weight  int    `json:"weight"`
	// Effective is the weight that the backend counts with now: 0 while it is down, less than its weight while it
	// starts slowly.
	Effective float64 `json:"effective_weight"`
	Share     float64 `json:"share"` // as in Service.Shares
	// UpperThreshold is the number of connections at which it gets no new ones until it has fewer than LowerThreshold,
	// or, if that is 0, than three quarters of it; 0: as many as may come.
	UpperThreshold int `json:"upper_threshold"`
	LowerThreshold int `json:"lower_threshold"`
	// State is up, full (has reached its upper threshold), down, draining (weight 0), removed (from the
	// configuration, but it still has connections), maintenance (without new
	// connections, but checked); of a sorry server standby, or sorry while it takes over.
	State string `json:"state"`
	// Changed is what was changed at run time and is not in the file: weight, drained, added; empty: nothing.
	Changed string `json:"changed"`
	Health  string `json:"health"` // the last check's outcome in words; empty if not checked
	// HealthSince is when the checks last took the backend up or down, or began; 0 if not checked.
	HealthSince int64 `json:"health_since_unix_seconds"`
	// Latency is how long the last check that got an answer took to it; 0 if none did.
	Latency float64 `json:"check_latency_seconds"`
	// LastError is the last check's that failed, with its time; empty and 0 if none did.
	LastError      string `json:"last_error"`
	LastErrorAt    int64  `json:"last_error_unix_seconds"`
	ChecksPassed   uint64 `json:"checks_passed"`
	ChecksFailed   uint64 `json:"checks_failed"`
	ChecksNotAsked uint64 `json:"checks_not_asked"` // because of this machine
	Changes        uint64 `json:"state_changes"`    // made by checks
	Active         int    `json:"active_connections"`
	Inactive       int    `json:"inactive_connections"`
	Connections    uint64 `json:"connections_total"`
	// Suspected counts how often so many of its connections failed that it was checked at once.
	Suspected uint64 `json:"suspected"`
	Failures
	Traffic
}

// Connection is one entry of a worker's connection table.
type Connection struct {
	Protocol string  `json:"protocol"`
	Client   string  `json:"client"`
	VIP      string  `json:"vip"`
	Local    string  `json:"local,omitempty"` // where the backend sees it come from, in fullnat
	Backend  string  `json:"backend"`
	Service  string  `json:"service"`
	State    string  `json:"state"`
	Expires  float64 `json:"expires_seconds"`
	Worker   int     `json:"worker"`
}

// Template is a client that persistence binds to a backend.
type Template struct {
	Service     string  `json:"service"`
	Client      string  `json:"client"` // a network, if the service's mask makes it one
	Backend     string  `json:"backend"`
	Connections int     `json:"connections"` // that exist
	Expires     float64 `json:"expires_seconds"`
}

// Worker is one worker's work.
type Worker struct {
	ID             int     `json:"worker"`
	Core           int     `json:"core"` // -1: not pinned
	PacketsIn      uint64  `json:"packets_in"`
	PacketsOut     uint64  `json:"packets_out"`
	Own            uint64  `json:"packets_own"` // made by Weir
	Dropped        uint64  `json:"packets_dropped"`
	Punted         uint64  `json:"packets_punted"`
	HandedOver     uint64  `json:"packets_handed_over"` // to the owner of their connection
	FragmentsWait  int     `json:"fragments_waiting"`   // for the first of their datagram, or the last
	Steering       string  `json:"steering"`            // how packets reach their owner
	Connections    int     `json:"connections"`
	MaxConnections int     `json:"max_connections"`
	Evicted        uint64  `json:"connections_evicted"`
	BusyShare      float64 `json:"busy_share"` // of the last second, 0 to 1: time in bursts that had packets
	// PollGaps tells how long it has been away from its queues between one round and the next. Naps of a worker without
	// packets are left out.
	PollGaps Durations `json:"poll_gaps"`
	// CyclesPerPacket is what a packet of the last second cost, in cycles of the time stamp counter; 0 without packets.
	CyclesPerPacket float64 `json:"cycles_per_packet"`
	BusySeconds     float64 `json:"busy_seconds"` // in rounds that had packets, since the start
	Polls           uint64  `json:"polls"`        // rounds, since the start
	BusyPolls       uint64  `json:"polls_busy"`   // those that had packets
	Queues          []Queue `json:"queues"`

	// Clients of services with persistence that were forgotten too early for want of room, and connections whose client
	// could not be remembered.
	TemplatesEvicted uint64 `json:"templates_evicted"`
	TemplatesFull    uint64 `json:"templates_full"`
	// LocalPortsElsewhere are the fullnat connections that went to another backend, as no local port was left for the one
	// chosen first.
	LocalPortsElsewhere uint64 `json:"local_ports_elsewhere"`
}

// Durations are times, counted in buckets since the start.
type Durations struct {
	Count   uint64     `json:"count"`
	SumNs   uint64     `json:"sum_ns"`
	Buckets []Duration `json:"buckets"` // those that are not empty, in order
}

// Duration is how many were longer than those of the bucket before and at most LeNs nanoseconds long.
type Duration struct {
	LeNs  uint64 `json:"le_ns"`
	Count uint64 `json:"count"`
}

// Queue is how full one of a worker's queues is.
type Queue struct {
	Name string `json:"queue"` // punt (to the slow path) | inject (from it) | handover (from other workers, the fullest)
	Used int    `json:"used"`  // bytes; handover: frames
	Size int    `json:"size"`
}

// Port is one network port.
type Port struct {
	Name        string   `json:"name"`
	Device      string   `json:"device"`
	Driver      string   `json:"driver"`
	MAC         string   `json:"mac"`
	MTU         int      `json:"mtu"`
	Link        string   `json:"link"` // up | down
	Queues      int      `json:"queues"`
	LocalPorts  string   `json:"local_ports"` // by what those of fullnat connections to backends behind it are chosen: rss | rss-doubtful (RSSStrays are too many) | share
	TAP         string   `json:"tap"`
	Changed     []string `json:"changed"` // what Weir changed at the kernel's interface under the port, for as long as it runs
	Addresses   []string `json:"addresses"`
	PacketsIn   uint64   `json:"packets_in"`
	PacketsOut  uint64   `json:"packets_out"`
	BytesIn     uint64   `json:"bytes_in"`
	BytesOut    uint64   `json:"bytes_out"`
	Missed      uint64   `json:"packets_missed"` // lost by the device because no worker took them in time
	ErrorsIn    uint64   `json:"errors_in"`
	ErrorsOut   uint64   `json:"errors_out"`
	NoBuffers   uint64   `json:"no_buffers"`
	RSSStrays   uint64   `json:"rss_strays"` // packets to local addresses on other queues than the device's RSS, as it tells it, leads to
	BuffersFree int      `json:"buffers_free"`
	Buffers     int      `json:"buffers"`
}

// Neighbor is one ARP or ND entry.
type Neighbor struct {
	Port    string  `json:"port"`
	Address string  `json:"address"`
	MAC     string  `json:"mac"`
	State   string  `json:"state"` // static | incomplete | reachable | stale | failed
	Age     float64 `json:"age_seconds"`
	Queued  int     `json:"queued"`
}

// Drop is one reason's count on one worker; Worker -1 is the slow path.
type Drop struct {
	Reason  string `json:"reason"`
	Worker  int    `json:"worker"`
	Packets uint64 `json:"packets"`
	Help    string `json:"help"` // what it means
}

// PortDrop is one reason's count at one port, over all workers and the slow path: the port by which packets came in or,
// for tx_full, could not leave.
type PortDrop struct {
	Reason  string `json:"reason"`
	Port    string `json:"port"`
	Packets uint64 `json:"packets"`
	Help    string `json:"help"`
}

// ServiceDrop is one reason's count of one service's packets, over all workers. Packets that no service could be told for
// are in none.
type ServiceDrop struct {
	Reason  string `json:"reason"`
	Service string `json:"service"`
	Packets uint64 `json:"packets"`
	Help    string `json:"help"`
}

// Daemon is the process.
type Daemon struct {
	Version    string `json:"version"`
	Config     string `json:"config"`
	Generation uint64 `json:"generation"` // of the configuration in force
	Hugepages  bool   `json:"hugepages"`
	StartUnix  int64  `json:"start_unix_seconds"`
	// ClockHertz is the rate of the time stamp counter.
	ClockHertz float64 `json:"clock_hertz"`
	// Captures are those under way and the totals of all.
	Captures CaptureTotals `json:"captures"`
	// Revision is the configuration's, as GET /v1/config gives it.
	Revision string       `json:"revision"`
	Reloads  ReloadTotals `json:"reloads"`
	Changed  int          `json:"backends_changed"` // at run time: what a reload would undo
	Watchers int          `json:"watchers"`
}

// ReloadTotals are the reloads since the start.
type ReloadTotals struct {
	Applied uint64 `json:"applied"` // those that changed nothing included
	Refused uint64 `json:"refused"`
}

// CaptureTotals are what captures have done since the start.
type CaptureTotals struct {
	Running int    `json:"running"`
	Packets uint64 `json:"packets"`     // that the workers copied for one
	Lost    uint64 `json:"frames_lost"` // copies for which there was no room
}

// CaptureRequest is what a capture shall have: packets that fit all of it. What is zero is not asked for.
type CaptureRequest struct {
	Service string
	Backend string   // ADDRESS or ADDRESS:PORT
	Client  string   // ADDRESS or ADDRESS/BITS
	Reasons []string // names; also dropped and punted, for all of a kind
	Filter  string   // an expression in tcpdump's language
	Rate    int      // packets a second
	Snap    int      // bytes of a frame
	// The capture ends after so many packets, seconds or bytes of the file.
	Count   uint64
	Seconds float64
	MaxSize int64
}

// CaptureOutput is where a capture is written. Flush shows what was written to whoever reads.
type CaptureOutput interface {
	Write([]byte) (int, error)
	Flush() error
}

// CaptureSummary is how a capture went.
type CaptureSummary struct {
	Packets   uint64 `json:"packets"`
	Frames    uint64 `json:"frames"` // a packet is one as it came, and each as that it left
	Bytes     uint64 `json:"bytes"`  // of the file
	Filtered  uint64 `json:"packets_filtered"`
	AboveRate uint64 `json:"packets_above_rate"` // not taken, or not even looked at
	Lost      uint64 `json:"frames_lost"`        // for which there was no room, or which were gone too soon
	Ended     string `json:"ended"`              // why
}
