package metrics

import (
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// family is a metric's name, meaning and labels.
type family struct {
	Family
	desc *prometheus.Desc
	kind prometheus.ValueType
}

// Family is a metric as the manual lists it.
type Family struct {
	Name   string
	Type   string // counter | gauge | histogram
	Labels []string
	Help   string
}

// Families are all metrics of Weir's own, by name.
func Families() []Family {
	out := make([]Family, len(families))
	for i, f := range families {
		out[i] = f.Family
	}
	slices.SortFunc(out, func(a, b Family) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// families is all of them; Describe sends it.
var families []family

func newFamily(kind prometheus.ValueType, name, help string, labels []string) family {
	names := map[prometheus.ValueType]string{prometheus.CounterValue: "counter", prometheus.GaugeValue: "gauge", histogram: "histogram"}
	f := family{Family{"weir_" + name, names[kind], labels, help}, prometheus.NewDesc("weir_"+name, help, labels, nil), kind}
	families = append(families, f)
	return f
}

func counter(name, help string, labels ...string) family {
	return newFamily(prometheus.CounterValue, name, help, labels)
}

func gauge(name, help string, labels ...string) family {
	return newFamily(prometheus.GaugeValue, name, help, labels)
}

// send gives a value to a scrape, with the labels' values in the order of their names.
func (f family) send(ch chan<- prometheus.Metric, value float64, labels ...string) {
	m, err := prometheus.NewConstMetric(f.desc, f.kind, value, labels...)
	if err != nil { // a label that is not UTF-8: the scrape tells which
		m = prometheus.NewInvalidMetric(f.desc, err)
	}
	ch <- m
}

var (
	buildInfo        = gauge("build_info", "Always 1; the version of Weir and of Go.", "version", "goversion")
	configInfo       = gauge("config_info", "Always 1; the path of the configuration file.", "file")
	configGeneration = gauge("config_generation", "Number of the state that the workers use: it grows with every reload and every change of a weight or of a backend's health.")
	hugepages        = gauge("hugepages", "1 if memory comes from huge pages.")
	startTime        = gauge("start_time_seconds", "When the daemon started, Unix time.")
	clock            = gauge("clock_hertz", "Rate of the time stamp counter, in which cycles are told.")
	captures         = gauge("captures", "Captures under way.")
	capturePackets   = counter("capture_packets_total", "Packets that workers copied for captures.")
	reloads          = counter("reloads_total", "Reloads of the configuration, by outcome: applied or refused.", "outcome")
	changedBackends  = gauge("backends_changed", "Backends that were changed at run time: what a reload would undo.")
	watchers         = gauge("api_watchers", "Clients that watch events.")
	captureLost      = counter("capture_lost_frames_total", "Copies for captures that were lost because there was no room for them.")
)

// Totals, of all services and backends, whatever has series of its own.
var (
	services          = gauge("services", "Services by state: up, down, or sorry (down, and the sorry server takes over).", "state")
	backends          = gauge("backends", "Backends by state, as in weir show backends; sorry servers are standby or sorry.", "state")
	leftOut           = gauge("metrics_left_out", "Services and backends that have no series of their own: see metrics.max_services and metrics.max_backends.", "kind")
	connections       = gauge("connections", "Connections now, of all services: active and inactive as in weir_service_connections.", "state")
	connectionsTotal  = counter("connections_total", "Connections made, of all services.")
	connectionsFailed = counter("connections_failed_total", "TCP connections that failed, of all services: as weir_backend_connections_failed_total.", "how")
	suspicions        = counter("backends_suspected_total", "Times that a backend was checked at once because connections to it failed.")
	packets           = counter("packets_total", "IP packets from clients (in) and, in nat, to them (out), of all services.", "direction")
	bytes             = counter("bytes_total", "Bytes of the IP packets from clients (in) and, in nat, to them (out), of all services.", "direction")
)

var (
	serviceInfo             = gauge("service_info", "Always 1; what the configuration says of a service.", "service", "address", "protocol", "mode", "scheduler")
	serviceBackends         = gauge("service_backends", "Backends of a service.", "service")
	serviceUp               = gauge("service_up", "1 if a service has its quorum of backends.", "service")
	serviceSince            = gauge("service_state_since_timestamp_seconds", "When a service last went up or down, or was first there, Unix time.", "service")
	serviceBackendsUp       = gauge("service_backends_up", "Backends of a service that are up and have a weight.", "service")
	serviceConnections      = gauge("service_connections", "Connections now: active are TCP from the first SYN until they begin to close, inactive all other TCP and all UDP, as in LVS.", "service", "state")
	serviceConnectionsTotal = counter("service_connections_total", "Connections made.", "service")
	serviceFailed           = counter("service_connections_failed_total", "TCP connections that failed: as weir_backend_connections_failed_total.", "service", "how")
	serviceSetup            = newFamily(histogram, "service_connection_setup_seconds", "Time from a client's first SYN to the backend's SYN+ACK, for tcp in nat, as Weir saw them; absent until there was one.", []string{"service"})
	servicePackets          = counter("service_packets_total", "IP packets from clients (in) and, in nat and fullnat, to them (out).", "service", "direction")
	serviceBytes            = counter("service_bytes_total", "Bytes of the IP packets from clients (in) and, in nat and fullnat, to them (out).", "service", "direction")
)

var localPorts = gauge("local_address_ports_in_use", "Connections that have a port of a local address of fullnat services, which is used once for every backend.", "address")

var (
	backendUp               = gauge("backend_up", "0 if health checks or the configuration say that the backend is down.", "service", "backend")
	backendWeight           = gauge("backend_weight", "The backend's weight; one with weight 0 is draining.", "service", "backend")
	backendEffectiveWeight  = gauge("backend_effective_weight", "The weight the backend counts with now: 0 while it is down, less than its weight while it starts slowly.", "service", "backend")
	backendUpper            = gauge("backend_upper_threshold", "Connections at which the backend gets no new ones; absent if nothing bounds them.", "service", "backend")
	backendLower            = gauge("backend_lower_threshold", "Connections below which a full backend gets new ones again, 0 for three quarters of the upper threshold; absent if nothing bounds them.", "service", "backend")
	backendFull             = gauge("backend_full", "1 if the backend gets no new connections because it has reached its upper threshold; absent if nothing bounds them.", "service", "backend")
	backendHealthSince      = gauge("backend_health_since_timestamp_seconds", "When health checks last took the backend up or down, or began, Unix time; absent if it is not checked.", "service", "backend")
	backendLatency          = gauge("backend_check_latency_seconds", "How long the last check that got an answer took to it; absent if none did.", "service", "backend")
	backendChecks           = counter("backend_checks_total", "Health checks that passed, that failed, and that this machine failed at (not_asked); absent if the backend is not checked.", "service", "backend", "result")
	backendLastError        = gauge("backend_last_error_timestamp_seconds", "When a health check last failed, Unix time; absent if none did.", "service", "backend")
	backendChanges          = counter("backend_state_changes_total", "Times that health checks took the backend up or down; absent if it is not checked.", "service", "backend")
	backendConnections      = gauge("backend_connections", "Connections now: active are TCP from the first SYN until they begin to close, inactive all other TCP and all UDP, as in LVS.", "service", "backend", "state")
	backendConnectionsTotal = counter("backend_connections_total", "Connections made.", "service", "backend")
	backendFailed           = counter("backend_connections_failed_total", "TCP connections that failed, each counted once: no answer to the first SYN (unanswered), a reset instead of one (refused), reset by the backend later (reset). tun and dr see only unanswered.", "service", "backend", "how")
	backendSuspected        = counter("backend_suspected_total", "Times that the backend was checked at once because connections to it failed; absent if it is not checked.", "service", "backend")
	backendPackets          = counter("backend_packets_total", "IP packets to the backend (in) and, in nat and fullnat, from it (out).", "service", "backend", "direction")
	backendBytes            = counter("backend_bytes_total", "Bytes of the IP packets to the backend (in) and, in nat and fullnat, from it (out).", "service", "backend", "direction")
)

var (
	workerInfo           = gauge("worker_info", "Always 1; a worker's core (empty: not pinned), and how packets reach the worker that owns their connection.", "worker", "core", "steering")
	workerPackets        = counter("worker_packets_total", "Frames a worker received (in) and sent (out).", "worker", "direction")
	workerOwn            = counter("worker_own_packets_total", "Frames of Weir's own among those sent.", "worker")
	workerDropped        = counter("worker_dropped_packets_total", "Frames a worker dropped; weir_drops_total says why.", "worker")
	workerPunted         = counter("worker_punted_packets_total", "Frames a worker handed to the slow path.", "worker")
	workerHandedOver     = counter("worker_handed_over_packets_total", "Frames a worker handed to the owner of their connection.", "worker")
	workerFragments      = gauge("worker_fragments_waiting", "Fragments that wait on a worker for the first of their datagram, or for the last.", "worker")
	workerConnections    = gauge("worker_connections", "Entries of a worker's connection table.", "worker")
	workerMaxConnections = gauge("worker_max_connections", "Most entries that a worker's connection table takes.", "worker")
	workerEvicted        = counter("worker_connections_evicted_total", "Connections that gave their place in a full table to a new one.", "worker")
	workerBusy           = gauge("worker_busy_ratio", "Share of the last second that a worker spent on packets.", "worker")
	workerBusySeconds    = counter("worker_busy_seconds_total", "Time a worker spent in rounds that found packets: by weir_worker_packets_total, the cost of a packet.", "worker")
	workerCycles         = gauge("worker_packet_cycles", "What a packet of the last second cost, in cycles of the time stamp counter; 0 without packets.", "worker")
	workerPolls          = counter("worker_polls_total", "Rounds of a worker: one look at each of its queues.", "worker")
	workerBusyPolls      = counter("worker_busy_polls_total", "Rounds of a worker that found packets.", "worker")
	workerQueueUsed      = gauge("worker_queue_used", "What waits in a worker's queue to the slow path (punt), from it (inject), or from other workers (handover, the fullest), in the unit that the label says.", "worker", "queue", "unit")
	workerQueueSize      = gauge("worker_queue_size", "What fits into it.", "worker", "queue", "unit")
	workerPollGap        = newFamily(histogram, "worker_poll_gap_seconds", "Time from one of a worker's looks at its queues to the next, without its naps when idle.", []string{"worker"})
)

var (
	serviceConnectionLimit    = gauge("service_connection_limit", "Connections that a service may have; absent without such a limit.", "service")
	serviceRateLimit          = gauge("service_rate_limit", "New connections a second that a service may have; absent without such a limit.", "service")
	serviceTemplates          = gauge("service_templates", "Clients, or networks of them, that persistence binds to a backend.", "service")
	workerTemplatesEvicted    = counter("worker_templates_evicted_total", "Clients of services with persistence that were forgotten too early because there was no room for them.", "worker")
	workerTemplatesFull       = counter("worker_templates_full_total", "Connections whose client could not be bound to its backend because all that are bound have connections and there was no room.", "worker")
	workerLocalPortsElsewhere = counter("worker_local_ports_elsewhere_total", "Connections in fullnat that went to another backend, because no local port was left for the one chosen first.", "worker")
)

var (
	portInfo        = gauge("port_info", "Always 1; what a port is.", "port", "device", "driver", "mac", "tap", "local_ports")
	portAddress     = gauge("port_address_info", "Always 1; an address of Weir's own on a port.", "port", "address")
	portLinkUp      = gauge("port_link_up", "1 if the port's link is up.", "port")
	portMTU         = gauge("port_mtu_bytes", "Largest IP packet of a port.", "port")
	portQueues      = gauge("port_queues", "Receive and transmit queues of a port.", "port")
	portPackets     = counter("port_packets_total", "Frames as the device counts them.", "port", "direction")
	portBytes       = counter("port_bytes_total", "Bytes of frames as the device counts them.", "port", "direction")
	portMissed      = counter("port_missed_packets_total", "Frames the device lost because no worker took them in time.", "port")
	portErrors      = counter("port_errors_total", "Frames the device could not receive or send.", "port", "direction")
	portNoBuffers   = counter("port_no_buffers_total", "Times the device found no buffer to receive into.", "port")
	portRSSStrays   = counter("port_rss_strays_total", "Packets to local addresses that a port's device put on another queue than its RSS, as it tells it, leads to: they were handed over.", "port")
	portBuffersFree = gauge("port_buffers_free", "Packet buffers of a port's pool that are free.", "port")
	portBuffers     = gauge("port_buffers", "Packet buffers of a port's pool.", "port")
)

var (
	neighbors      = gauge("neighbors", "Entries of the ARP and neighbour discovery table.", "port", "state")
	neighborQueued = gauge("neighbor_queued_packets", "Packets that wait for a neighbour's MAC.", "port")
	portDrops      = counter("port_drops_total", "Packets dropped, handed to the slow path or answered with ICMP, by reason and the port that they came in by or, for tx_full, could not leave by.", "port", "reason")
	serviceDrops   = counter("service_drops_total", "Packets dropped, handed to the slow path or answered with ICMP, by reason and service, as far as it could be told; absent until there is one.", "service", "reason")
	drops          = counter("drops_total", "Packets dropped, handed to the slow path or answered with ICMP, by reason; worker slowpath is the slow path itself.", "worker", "reason")
)
