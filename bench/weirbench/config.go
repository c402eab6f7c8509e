package main

import (
	"fmt"
	"net"
	"strings"

	"github.com/weirlb/weir/fastpath"
)

// ownedBy chooses the connections that one of several workers owns.
func (f *family) ownedBy(worker, workers int) func(uint64) bool {
	return func(flow uint64) bool { return fastpath.Owner(f.client(flow), workers) == worker }
}

// setup is what a configuration has besides what the trial says.
type setup struct {
	socket  string
	metrics string
	// health is a YAML section for the first service, which then has a second backend; empty: neither.
	health string
	more   bool // there is one more service, and the first one's first backend has another weight
}

// cores are the workers' cores.
func (o *options) cores(t *trial) []int { return []int{o.core, o.mainCore}[:t.workers] }

// config is Weir's configuration file.
func (t *trial) config(o *options, s setup) string {
	f := t.family
	var b strings.Builder
	fmt.Fprintf(&b, "dataplane:\n  cores: %s\n  hugepages: require\n  memory_mb: %d\n  idle: spin\n  max_connections: %d\n",
		strings.ReplaceAll(fmt.Sprint(o.cores(t)), " ", ", "), t.bufferMB(), t.maxConnections())
	fmt.Fprintf(&b, "  timeouts: {udp: %s}\n", t.timeout())
	fmt.Fprintf(&b, "ports:\n  - name: p0\n    device: %q\n    mac: %v\n    addresses: [\"%v/%d\"]\n    gateways: [\"%v\"]\n",
		t.device(), net.HardwareAddr(weirMAC[:]), f.own, f.network, f.router)
	fmt.Fprintf(&b, "    rx_descriptors: %d\n    tx_descriptors: %d\n", t.ring(), descriptors)
	b.WriteString("services:\n")
	for k := range services {
		fmt.Fprintf(&b, "  - {name: s%d, address: %q, protocol: udp, mode: %s, ",
			k, net.JoinHostPort(f.vip.String(), fmt.Sprint(vipPort+k)), t.mode)
		if t.mode == "fullnat" {
			fmt.Fprintf(&b, "local_addresses: [\"%v\"], ", f.locals)
		}
		weight, second := "", ""
		if k == 0 && s.more {
			weight = ", weight: 2"
		}
		if k == 0 && s.health != "" {
			fmt.Fprintf(&b, "health: %s, ", s.health)
			second = fmt.Sprintf(", {address: \"%v\"}", f.backend(services, t.rewrites()))
		}
		fmt.Fprintf(&b, "backends: [{address: \"%v\"%s}%s]}\n", f.backend(k, t.rewrites()), weight, second)
	}
	if s.more {
		fmt.Fprintf(&b, "  - {name: more, address: %q, protocol: tcp, mode: dr, backends: [{address: \"%v\"}]}\n",
			net.JoinHostPort(f.vip.String(), fmt.Sprint(vipPort)), f.backend(0, false))
	}
	fmt.Fprintf(&b, "neighbors:\n  - {port: p0, address: \"%v\", mac: %v}\n", f.router, net.HardwareAddr(routerMAC[:]))
	for k := range services + 1 {
		mac := backendMAC(k)
		fmt.Fprintf(&b, "  - {port: p0, address: \"%v\", mac: %v}\n", f.backend(k, true).Addr(), net.HardwareAddr(mac[:]))
	}
	fmt.Fprintf(&b, "api: {socket: %s}\nmetrics: {listen: %q}\n", s.socket, s.metrics)
	return b.String()
}
