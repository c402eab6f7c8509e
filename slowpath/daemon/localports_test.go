package daemon

import (
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/weirlb/weir/fastpath/rss"
	"github.com/weirlb/weir/slowpath/api"
	"github.com/weirlb/weir/slowpath/view"
)

// spreading is a device that tells its RSS.
type spreading struct {
	Device
	queues int
	spread *rss.Spread
}

func (s *spreading) Queues() int      { return s.queues }
func (s *spreading) RSS() *rss.Spread { return s.spread }

func overTwo(t *testing.T) *rss.Spread {
	t.Helper()
	over, err := rss.New(rss.Settings{Key: []byte("forty bytes of any key will do for this."), Table: []uint16{0, 1, 0, 1}, Ports: rss.TCP4})
	if err != nil {
		t.Fatal(err)
	}
	return over
}

func TestByWhatLocalPortsAreChosen(t *testing.T) {
	over := overTwo(t)
	for _, c := range []struct {
		dev     spreading
		workers int
		strays  uint64
		want    string
	}{
		{spreading{queues: 2, spread: over}, 2, 0, "rss"},
		{spreading{queues: 2, spread: over}, 2, manyStrays - 1, "rss"},
		{spreading{queues: 2, spread: over}, 2, manyStrays, "rss-doubtful"},
		{spreading{queues: 2, spread: over}, 4, 0, "rss"}, // two of them have no queue
		{spreading{queues: 3, spread: over}, 3, 0, "share"},
		{spreading{queues: 1, spread: over}, 1, 0, "share"},
		{spreading{queues: 2}, 2, 0, "share"},
	} {
		if got := localPortsBy(&c.dev, c.workers, c.strays); got != c.want {
			t.Errorf("%d queues of %d workers: %s, want %s", c.dev.queues, c.workers, got, c.want)
		}
	}
}

// replyTo lets a backend's packet to a local port arrive on a queue of the port lan.
func (r *rig) replyTo(port uint16, queue int) {
	r.t.Helper()
	lan := r.hw.devices[1]
	eth := &layers.Ethernet{SrcMAC: []byte{2, 0, 0, 0, 1, 17}, DstMAC: lan.mac[:], EthernetType: layers.EthernetTypeIPv4}
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: []byte{10, 0, 0, 11}, DstIP: []byte{10, 0, 0, 20}}
	tcp := &layers.TCP{SrcPort: 80, DstPort: layers.TCPPort(port), ACK: true}
	_ = tcp.SetNetworkLayerForChecksum(ip)
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, eth, ip, tcp); err != nil {
		r.t.Fatal(err)
	}
	if err := lan.queues[queue].Put(b.Bytes(), 0); err != nil {
		r.t.Fatal(err)
	}
}

func TestADeviceThatSpreadsOtherwiseThanItTellsIsFoundOut(t *testing.T) {
	hw := memory()
	hw.spread = overTwo(t)
	r := startIn(t, "", hw, `
dataplane: {cores: [0, 1], max_connections: 1000}
ports:
  - {name: wan, device: net_null0, addresses: [203.0.113.2/24]}
  - {name: lan, device: net_null1, addresses: [10.0.0.1/24]}
services:
  - {name: web, address: "203.0.113.10:80", protocol: tcp, mode: fullnat, local_addresses: [10.0.0.20], backends: [{address: "10.0.0.11:80"}]}
`)
	lan := func() view.Port {
		list, err := api.Dial(r.socket).Show(t.Context(), "ports", api.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		return list.([]view.Port)[1]
	}
	if p := lan(); p.LocalPorts != "rss" || p.RSSStrays != 0 {
		t.Errorf("%+v", p)
	}
	// Worker 1 has the odd ports, and the device should put half of what goes to them on its queue.
	for port := uint16(2001); port < 2001+8*manyStrays; port += 2 {
		r.replyTo(port, 0)
	}
	r.until("the log tells", func() bool { return strings.Contains(r.log.String(), "level=WARN msg=\"replies in fullnat arrive") })
	r.until("all are counted", func() bool { return r.daemonPackets() == 4*manyStrays })
	if p := lan(); p.LocalPorts != "rss-doubtful" || p.RSSStrays < manyStrays || p.RSSStrays > 3*manyStrays {
		t.Errorf("%+v", p)
	}
	if n := strings.Count(r.log.String(), "replies in fullnat arrive"); n != 1 {
		t.Errorf("told %d times", n)
	}
}
