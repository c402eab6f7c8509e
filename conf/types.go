// Package conf is the configuration file: its schema, defaults and validation.
package conf

import (
	"iter"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Config is one valid configuration with every default filled in.
type Config struct {
	File          string // the path it was read from
	Text          []byte // what stood there; not to be changed
	Dataplane     Dataplane
	Ports         []Port
	Services      []Service
	BackendGroups []BackendGroup
	Neighbors     []Neighbor
	API           API
	Metrics       Metrics
	Files         []FileUse // that checks and hooks need
	// Warnings are about what is valid and changes nothing, by line.
	Warnings []Error
}

// Hugepages says whether DPDK's memory and the connection tables use huge pages.
type Hugepages string

// The values of dataplane.hugepages.
const (
	HugepagesAuto    Hugepages = "auto" // if enough are free
	HugepagesRequire Hugepages = "require"
	HugepagesOff     Hugepages = "off"
)

// Idle is what a worker does when there is nothing to do.
type Idle string

// The values of dataplane.idle.
const (
	IdleSpin  Idle = "spin"  // poll again at once
	IdlePause Idle = "pause" // poll again after some pause instructions
	IdleSleep Idle = "sleep" // sleep for a fraction of a millisecond
)

// Dataplane is the section dataplane.
type Dataplane struct {
	Cores          []int // one worker per core, each once; empty: one unpinned worker
	Hugepages      Hugepages
	MemoryMB       int // memory for DPDK: buffers and descriptors
	Idle           Idle
	MaxConnections int // per worker
	MaxTemplates   int // clients of services with persistence, of all workers
	Timeouts       Timeouts
}

// Timeouts are LVS's three (ipvsadm --set) and one for SCTP: whole milliseconds, 1 s to 7 days.
type Timeouts struct {
	TCP    time.Duration // established
	TCPFin time.Duration // FIN_WAIT
	UDP    time.Duration
	SCTP   time.Duration // established
}

// Port is one network port.
type Port struct {
	Name          string
	Device        string // PCI address, or a vdev's DPDK device arguments; empty for a sub-port
	Parent        string // of a sub-port: the port whose VLAN it is; empty: it is none
	VLAN          []int  // of a sub-port: its VLAN identifier, or that of the outer and the inner tag
	MAC           [6]byte
	HasMAC        bool           // MAC was given; the device's own is used otherwise
	Addresses     []netip.Prefix // Weir's own addresses with the network they are in, unmasked
	Gateways      []netip.Addr   // each on one of the port's networks, or IPv6 link-local
	TAP           string         // kernel interface's name, at most 15 bytes; empty: none
	Queues        int            // receive and transmit queues; 0: auto (one per worker, if the device has them)
	RxDescriptors int
	TxDescriptors int
	MTU           int // largest IP packet, 1280 to 9000
	Promiscuous   bool
	RSS           bool // spread received packets over the queues where the device can
}

// Protocol of a service.
type Protocol string

// The protocols.
const (
	TCP  Protocol = "tcp"
	UDP  Protocol = "udp"
	SCTP Protocol = "sctp"
)

// Mode is how packets reach the backends.
type Mode string

// The forwarding modes.
const (
	NAT     Mode = "nat"
	TUN     Mode = "tun"
	DR      Mode = "dr"
	FullNAT Mode = "fullnat"
)

// Service is one virtual service.
type Service struct {
	Name      string
	Addresses []Endpoint // the VIPs and ports, at least one
	Match     Match
	Protocol  Protocol
	Mode      Mode
	Scheduler string // default wlc
	// SchedulerFlags are LVS's words for the scheduler's options, each once and one that the scheduler takes.
	SchedulerFlags []string
	MhTableSize    int           // entries of mh's table, a prime; 0: the scheduler's default
	SlowStart      time.Duration // over which a backend that joins comes to its weight; 0: at once
	Persistence    *Persistence
	// ExpireQuiescent is LVS's expire_quiescent_template: persistence does not keep clients at a backend with weight 0.
	ExpireQuiescent bool
	Timeouts        Timeouts // 0: the data plane's
	Tunnel          Tunnel   // for tun
	// LocalAddresses are, for fullnat, where backends see connections come from: all addresses of these networks.
	LocalAddresses []netip.Prefix
	LocalPorts     PortRange // for fullnat
	ClientAddress  ClientAddress
	Health         *Health
	Quorum         Quorum
	// Sloppy is LVS's sloppy_tcp and sloppy_sctp: a connection may begin with any packet that does not end one.
	Sloppy    bool
	MSSClamp  bool // nat and fullnat: lower the MSS option of SYNs to what both ports take
	OnePacket bool // udp: each packet is scheduled for itself, and no connection kept
	Limits    *Limits
	OnRemove  OnRemove
	// ExpireNodest is LVS's expire_nodest_conn: connections of a backend that is down end with their next packet.
	ExpireNodest bool
	OnEmpty      OnEmpty  // empty: sorry with a sorry server, else icmp
	Sorry        *Backend // takes new connections while the quorum is lost; nil: none
	OnChange     *Hook
	// Backends are the service's own or those of its group, which it shares with other services.
	Backends     []Backend
	BackendGroup string // empty: they are its own
	Line         int    // where it stands in the file
}

// Limits bound a service's connections.
type Limits struct {
	Connections int // that exist, at all backends together; 0: no limit
	Rate        int // new ones a second; 0: no limit
	Burst       int // how many of them may come at once; 0: as many as in a second
}

// OnRemove is what becomes of the connections of a backend that is taken out of the configuration.
type OnRemove string

// The values of on_remove.
const (
	OnRemoveDrain      OnRemove = "drain"      // they go on until they end
	OnRemoveReset      OnRemove = "reset"      // TCP is reset, all else goes to another backend
	OnRemoveReschedule OnRemove = "reschedule" // whatever may go to another backend does, the rest of TCP is reset
)

// OnEmpty is what becomes of new connections that no backend takes.
type OnEmpty string

// The values of on_empty.
const (
	OnEmptyICMP  OnEmpty = "icmp"  // port unreachable, as LVS
	OnEmptyReset OnEmpty = "reset" // TCP: a RST
	OnEmptyDrop  OnEmpty = "drop"
	OnEmptySorry OnEmpty = "sorry" // the sorry server takes them; what it does not get is answered as with icmp
)

// Persistence makes a client's connections go to one backend.
type Persistence struct {
	Timeout      time.Duration // from the last new connection on
	Mask, Prefix int           // how many bits of an IPv4 and of an IPv6 address make a client
}

// Match is what packets that begin a service's connections must come from besides; the zero value is anything.
type Match struct {
	Source []netip.Prefix // masked; none: any
	Port   []string       // names of the ports that they come in by; none: any
}

// String is what is asked for in words that go on after an endpoint; empty: nothing.
func (m Match) String() string {
	text := ""
	for i, p := range m.Source {
		text += map[bool]string{true: " from ", false: ", "}[i == 0] + VIP(p)
	}
	if len(m.Port) > 0 {
		text += " by port " + strings.Join(m.Port, ", ")
	}
	return text
}

// Has reports whether packets from an address that come in by a port are what is asked for.
func (m Match) Has(src netip.Addr, port string) bool {
	return (len(m.Source) == 0 || slices.ContainsFunc(m.Source, func(p netip.Prefix) bool { return p.Contains(src) })) &&
		(len(m.Port) == 0 || slices.Contains(m.Port, port))
}

// ClientAddress is how fullnat's backends are told the client's address.
type ClientAddress string

// The values of client_address.
const (
	TellNone    ClientAddress = "none"
	TellTOA     ClientAddress = "toa"
	TellProxyV1 ClientAddress = "proxy_v1"
	TellProxyV2 ClientAddress = "proxy_v2"
)

// Locals are a service's local addresses, one by one, each once.
func (s *Service) Locals() iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for i, p := range s.LocalAddresses {
			for a := p.Masked().Addr(); p.Contains(a); a = a.Next() {
				before := slices.ContainsFunc(s.LocalAddresses[:i], func(q netip.Prefix) bool { return q.Contains(a) })
				if !before && !yield(a) {
					return
				}
			}
		}
	}
}

// OuterDF is the policy for the don't-fragment bit of a tunnel's IPv4 outer header.
type OuterDF string

// The values of tunnel.df.
const (
	DFCopy  OuterDF = "copy" // as in the inner packet; set for an IPv6 inner packet
	DFSet   OuterDF = "set"
	DFClear OuterDF = "clear"
)

// Encap is what stands between a tunnel's outer IP header and the packet.
type Encap string

// The values of tunnel.type, LVS's and one more.
const (
	IPIP  Encap = "ipip"
	GUE   Encap = "gue"
	GRE   Encap = "gre"
	VXLAN Encap = "vxlan"
)

// Tunnel is a tun service's section tunnel.
type Tunnel struct {
	Type     Encap
	Port     uint16   // of gue and vxlan; 0: the type's own
	VNI      int      // of vxlan
	MAC      [6]byte  // of vxlan: what frames inside are addressed to
	Key      int      // of gre; 0: none
	Checksum TriState // of gre, gue and vxlan
	Sources  []netip.Addr
	DF       OuterDF
	MSSClamp bool // lower the MSS option of SYNs to what fits through the tunnel
}

// TriState is a switch that may be left to Weir.
type TriState string

// The values of a TriState.
const (
	Auto TriState = "auto"
	Yes  TriState = "true"
	No   TriState = "false"
)

// UDPPort is where a tunnel of the types gue and vxlan leads to.
func (t *Tunnel) UDPPort() uint16 {
	const guePort, vxlanPort = 6080, 4789
	switch {
	case t.Port != 0:
		return t.Port
	case t.Type == GUE:
		return guePort
	case t.Type == VXLAN:
		return vxlanPort
	}
	return 0
}

// Summed reports whether the packets to a backend have a checksum of the tunnel's own. UDP over IPv6 must have one
// unless its receiver is known to do without (RFC 6935, RFC 6936); a tunnel's GRE and UDP over IPv4 need none.
func (t *Tunnel) Summed(v6 bool) bool {
	return t.Checksum == Yes || t.Checksum != No && v6 && t.UDPPort() != 0
}

// Quorum is what must be up for a service to be up: keepalived's quorum and hysteresis.
type Quorum struct {
	Weight     int // of the backends that are up, together; 0: Backends counts
	Backends   int // that are up and have a weight
	Hysteresis int // how much more it takes to gain the quorum, and less to lose it
}

// Hook is a program that is run when a backend or the service goes up or down.
type Hook struct {
	Command []string // the program's path and its arguments
	Timeout time.Duration
}

// Backend is one real server of a service.
type Backend struct {
	// Address's port is the service's own in tun and dr; 0 if packets keep the port that the client sent them to, which
	// only services with several ports have.
	Address netip.AddrPort
	Weight  int // 0 to 65535; 0 takes no new connection
	// UpperThreshold is the number of connections at which the backend gets no new ones, until it has fewer than
	// LowerThreshold; 0: as many as may come. LowerThreshold 0: three quarters of the upper one.
	UpperThreshold, LowerThreshold int

	Down bool // state: down
	// Maintenance is state: maintenance; the backend takes no new connections, but is checked.
	Maintenance bool
	Line        int // where it stands in the file
}

// Neighbor is a static entry: it is never resolved nor aged.
type Neighbor struct {
	Port    string
	Address netip.Addr
	MAC     [6]byte
}

// API is the section api.
type API struct {
	Socket string // path of the unix socket; empty: none
	Listen string // host:port for clients with a certificate; empty: none
	// Certificate and Key are the server's, ClientCA has who signs those of clients: paths of PEM files.
	Certificate, Key, ClientCA string
}

// Metrics is the section metrics.
type Metrics struct {
	// MaxServices and MaxBackends bound how many have series of their own; totals count all.
	MaxServices, MaxBackends int
	Listen                   string // host:port for Prometheus; empty: none
}
