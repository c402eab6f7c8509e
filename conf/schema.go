package conf

import (
	"fmt"
	"net/netip"
	"time"
)

// The tables of this file and of schema_service.go are the file format: every key there is, with its
// default and how its value is read. What several keys together must satisfy is in the check files.

// Bounds that come from outside: DPDK's numbers of ports and threads, the width of a core's number in the kernel's
// CPU sets, what the workers' snapshots and neighbour table hold.
const (
	maxPorts     = 32
	maxCores     = 128
	maxCore      = 1023
	maxQueues    = 128
	maxAddresses = 32 // of one port
	maxGateways  = 32 // of one port
	maxServices  = 1 << 17
	maxBackends  = 1 << 24 // of all services, those of groups counted for each
	maxListed    = 1 << 20 // of one service or group
	maxEndpoints = 4096    // of one service
	maxNeighbors = 1<<16 - 1
)

const (
	maxServiceName = 63
	maxPortName    = 32
)

var rootFields = []field[Config]{
	section("dataplane", dataplaneFields, itself),
	required("[{name: wan, device: 0000:03:00.0, addresses: [203.0.113.2/24]}]", list("ports", maxPorts, portFields, func(c *Config) *[]Port { return &c.Ports })),
	list("services", maxServices, serviceFields, func(c *Config) *[]Service { return &c.Services }),
	list("backend_groups", maxServices, groupFields, func(c *Config) *[]BackendGroup { return &c.BackendGroups }),
	list("neighbors", maxNeighbors, neighborFields, func(c *Config) *[]Neighbor { return &c.Neighbors }),
	section("api", apiFields, itself),
	section("metrics", metricsFields, itself),
}

func itself(c *Config) *Config { return c }

var dataplaneFields = []field[Config]{
	scalars("cores", numeric, maxCores, parseCore, func(c *Config) *[]int { return &c.Dataplane.Cores }),
	scalar("hugepages", plain, "auto", func(c *Config, text string) error {
		return word(&c.Dataplane.Hugepages, text, nil, HugepagesAuto, HugepagesRequire, HugepagesOff)
	}),
	scalar("memory_mb", numeric, "512", func(c *Config, text string) error {
		return keep(&c.Dataplane.MemoryMB)(parseInt(text, 16, 1<<24))
	}),
	scalar("idle", plain, "sleep", func(c *Config, text string) error {
		return word(&c.Dataplane.Idle, text, nil, IdleSpin, IdlePause, IdleSleep)
	}),
	scalar("max_connections", numeric, "1000000", func(c *Config, text string) error {
		return keep(&c.Dataplane.MaxConnections)(parseInt(text, 1, 16_000_000))
	}),
	scalar("max_templates", numeric, "1000000", func(c *Config, text string) error {
		return keep(&c.Dataplane.MaxTemplates)(parseInt(text, 1, 1<<28))
	}),
	section("timeouts", timeoutFields("900s", "120s", "300s", "900s"), func(c *Config) *Timeouts { return &c.Dataplane.Timeouts }),
}

// parseCore returns -1 beside an error.
func parseCore(text string) (int, error) {
	n, err := parseInt(text, 0, maxCore)
	if err != nil {
		n = -1
	}
	return n, err
}

// timeoutFields are the keys of a section timeouts, with its defaults; empty: none.
func timeoutFields(tcp, tcpFin, udp, sctp string) []field[Timeouts] {
	return []field[Timeouts]{
		scalar("tcp", textual|numeric, tcp, func(t *Timeouts, text string) error { return keep(&t.TCP)(parseTimeout(text)) }),
		scalar("tcp_fin", textual|numeric, tcpFin, func(t *Timeouts, text string) error { return keep(&t.TCPFin)(parseTimeout(text)) }),
		scalar("udp", textual|numeric, udp, func(t *Timeouts, text string) error { return keep(&t.UDP)(parseTimeout(text)) }),
		scalar("sctp", textual|numeric, sctp, func(t *Timeouts, text string) error { return keep(&t.SCTP)(parseTimeout(text)) }),
	}
}

func parseTimeout(text string) (time.Duration, error) {
	return parseDuration(text, time.Second, 7*24*time.Hour)
}

// DefaultSocket is api.socket's default.
const DefaultSocket = "/run/weir.sock"

var apiFields = []field[Config]{
	mainly(scalar("socket", textual, DefaultSocket, func(c *Config, text string) error {
		return keep(&c.API.Socket)(parseSocket(text))
	})),
	scalar("listen", plain, "", func(c *Config, text string) error { return keep(&c.API.Listen)(parseListen(text)) }),
	scalar("certificate", textual, "", func(c *Config, text string) error { return keep(&c.API.Certificate)(parseFile(text)) }),
	scalar("key", textual, "", func(c *Config, text string) error { return keep(&c.API.Key)(parseFile(text)) }),
	scalar("client_ca", textual, "", func(c *Config, text string) error { return keep(&c.API.ClientCA)(parseFile(text)) }),
}

var metricsFields = []field[Config]{
	mainly(scalar("listen", plain, "127.0.0.1:9480", func(c *Config, text string) error {
		return keep(&c.Metrics.Listen)(parseListen(text))
	})),
	scalar("max_services", numeric, "2000", func(c *Config, text string) error {
		return keep(&c.Metrics.MaxServices)(parseInt(text, 0, maxServices))
	}),
	scalar("max_backends", numeric, "5000", func(c *Config, text string) error {
		return keep(&c.Metrics.MaxBackends)(parseInt(text, 0, maxBackends))
	}),
}

var portFields = []field[Port]{
	required("wan", scalar("name", textual, "", func(p *Port, text string) error {
		return keep(&p.Name)(parseName(text, maxPortName))
	})),
	unless("parent", required("net_af_packet0,iface=eth1", scalar("device", textual, "", func(p *Port, text string) error {
		return keep(&p.Device)(parseDevice(text))
	}))),
	scalar("parent", textual, "", func(p *Port, text string) error { return keep(&p.Parent)(parseName(text, maxPortName)) }),
	oneOrMore("vlan", numeric, 2, parseVLAN, func(p *Port) *[]int { return &p.VLAN }),
	scalar("mac", plain, "", func(p *Port, text string) (err error) {
		p.MAC, err = parseMAC(text)
		p.HasMAC = err == nil
		return err
	}),
	scalars("addresses", plain, maxAddresses, parseNetwork, func(p *Port) *[]netip.Prefix { return &p.Addresses }),
	scalars("gateways", plain, maxGateways, parseAddr, func(p *Port) *[]netip.Addr { return &p.Gateways }),
	scalar("tap", textual, "", func(p *Port, text string) error { return keep(&p.TAP)(parseInterface(text)) }),
	scalar("queues", plain, "auto", func(p *Port, text string) error { return keep(&p.Queues)(parseQueues(text)) }),
	scalar("rx_descriptors", numeric, "1024", func(p *Port, text string) error {
		return keep(&p.RxDescriptors)(parsePowerOfTwo(text, 64, 8192))
	}),
	scalar("tx_descriptors", numeric, "1024", func(p *Port, text string) error {
		return keep(&p.TxDescriptors)(parsePowerOfTwo(text, 64, 8192))
	}),
	scalar("mtu", numeric, "1500", func(p *Port, text string) error { return keep(&p.MTU)(parseMTU(text)) }),
	scalar("promiscuous", boolean, "false", func(p *Port, text string) error { return keep(&p.Promiscuous)(parseBool(text)) }),
	scalar("rss", boolean, "true", func(p *Port, text string) error { return keep(&p.RSS)(parseBool(text)) }),
}

// parseQueues returns 0 for auto.
func parseQueues(text string) (int, error) {
	if text == "auto" {
		return 0, nil
	}
	n, err := parseInt(text, 1, maxQueues)
	if err != nil {
		err = fmt.Errorf("must be auto or a number from 1 to %d, is %s", maxQueues, quote(text))
	}
	return n, err
}

// parseVLAN takes what 802.1Q has for VLANs: 0 is no VLAN, and 4095 is reserved.
func parseVLAN(text string) (int, error) { return parseInt(text, 1, 4094) }

// parseMTU takes what is enough for IPv6 (RFC 8200 section 5) and fits into a single buffer.
func parseMTU(text string) (int, error) { return parseInt(text, 1280, 9000) }

var neighborFields = []field[Neighbor]{
	required("wan", scalar("port", textual, "", func(n *Neighbor, text string) error {
		return keep(&n.Port)(parseName(text, maxPortName))
	})),
	required("203.0.113.1", scalar("address", plain, "", func(n *Neighbor, text string) error {
		return keep(&n.Address)(parseAddr(text))
	})),
	required("02:00:00:00:00:01", scalar("mac", plain, "", func(n *Neighbor, text string) error {
		return keep(&n.MAC)(parseMAC(text))
	})),
}
