package main

import (
	"fmt"
	"net"
	"strings"
	"time"
)

// trial is one row of the table: what Weir does, with what traffic.
type trial struct {
	mode    string // nat, tun or dr
	family  *family
	flows   int // connections
	workers int
	traffic string // see the constants
	// files are the captures that the device's queues play for ever, packets how many there are in all of them.
	files   []string
	packets int
}

// The kinds of traffic.
const (
	established = "64B"        // of connections that exist
	mix         = "IMIX"       // as well, of three sizes
	passed      = "64B passed" // each packet arrives at the worker that does not own its connection
)

// spareBuffers are those besides the packets that net_pcap holds: the descriptors', bursts', and caches'.
const spareBuffers = 16384

// bufferBytes is what a packet buffer takes, with DPDK's headers.
const bufferBytes = 2432

func (t *trial) String() string {
	return fmt.Sprintf("%s %s %s flows, %s, %d worker(s)", t.mode, t.family.name, flowsName(t.flows), t.traffic, t.workers)
}

// flowsName is a power of two as people write it.
func flowsName(n int) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%dM", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%dK", n>>10)
	}
	return fmt.Sprint(n)
}

// device is DPDK's device for Weir and testpmd alike.
func (t *trial) device() string {
	return "net_pcap0,rx_pcap=" + strings.Join(t.files, ",rx_pcap=") + ",infinite_rx=1"
}

func (t *trial) queues() int { return t.workers }

// preloaded is how many packets the driver keeps in buffers.
func (t *trial) preloaded() int { return t.packets }

func (t *trial) env() []string { return nil }

// memoryMB is what one program needs for its buffers.
func (t *trial) memoryMB() int { return (t.preloaded()+spareBuffers)*bufferBytes>>20 + 64 }

// capacity is the size of a worker's table: the default of max_connections, or more where the traffic needs it.
func (t *trial) capacity() int { return max(1_000_000, t.flows+t.flows/16) }

// testpmdMB is what testpmd takes in huge pages, which DPDK reserves in pieces and not without waste.
func (t *trial) testpmdMB() int { return t.memoryMB()*9/8 + 128 }

// weirMB is what Weir takes, with its connection tables.
func (t *trial) weirMB() int {
	const perConnection = 96
	return t.memoryMB() + t.workers*(t.capacity()*perConnection>>20) + 64
}

// timeouts keep connections for the whole run, although Weir is paused most of the time.
func (t *trial) timeouts() time.Duration { return time.Hour }

// config is Weir's configuration file.
func (t *trial) config(o *options, socket string) string {
	f := t.family
	var b strings.Builder
	cores := []int{o.core, o.mainCore}[:t.workers]
	fmt.Fprintf(&b, "dataplane:\n  cores: %s\n  hugepages: require\n  memory_mb: %d\n  idle: spin\n  max_connections: %d\n",
		strings.ReplaceAll(fmt.Sprint(cores), " ", ", "), t.memoryMB(), t.capacity())
	fmt.Fprintf(&b, "  timeouts: {udp: %s}\n", t.timeouts())
	fmt.Fprintf(&b, "ports:\n  - name: p0\n    device: \"%s\"\n    mac: %v\n    addresses: [\"%v/%d\"]\n    gateways: [\"%v\"]\n",
		t.device(), net.HardwareAddr(weirMAC[:]), f.own, f.network, f.router)
	b.WriteString("services:\n")
	for k := range services {
		fmt.Fprintf(&b, "  - {name: s%d, address: \"%s\", protocol: udp, mode: %s, backends: [{address: \"%v\"}]}\n",
			k, net.JoinHostPort(f.vip.String(), fmt.Sprint(vipPort+k)), t.mode, f.backend(k, t.mode == "nat"))
	}
	fmt.Fprintf(&b, "neighbors:\n  - {port: p0, address: \"%v\", mac: %v}\n", f.router, net.HardwareAddr(routerMAC[:]))
	for k := range services {
		mac := backendMAC(k)
		fmt.Fprintf(&b, "  - {port: p0, address: \"%v\", mac: %v}\n", f.backend(k, true).Addr(), net.HardwareAddr(mac[:]))
	}
	fmt.Fprintf(&b, "api: {socket: %s}\nmetrics: {listen: \"\"}\n", socket)
	return b.String()
}
