package node

import (
	"net/netip"
	"testing"

	"github.com/google/gopacket/layers"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath/reason"
)

// direct is a service that is checked through itself.
func direct() conf.Service {
	s := web("10.0.0.11:80", "10.0.0.12:80")
	s.Mode, s.Health = conf.DR, &conf.Health{Via: conf.ViaService}
	return s
}

func TestProbesGoToTheirBackendAndAnswersToTheKernel(t *testing.T) {
	r := newRig(t, 1, direct())
	r.resolve()
	tcp := &layers.TCP{SrcPort: 40000, DstPort: 80, SYN: true}
	ip := ip4(lanOwn, vip, layers.IPProtocolTCP)
	_ = tcp.SetNetworkLayerForChecksum(ip)
	probe := frame(ethernet([6]byte{2, 9, 9, 9, 9, 9}, lanMAC, false), ip, tcp)
	backend := netip.MustParseAddrPort("10.0.0.11:80")

	r.node.Probe(lan, probe, "web", backend)
	r.expect("the probe", r.run(), "lan: 00:01:0b tcp 10.0.0.1:40000 > 203.0.113.10:80")

	r.node.Probe(lan, probe, "web", netip.MustParseAddrPort("10.0.0.13:80"))
	r.node.Probe(lan, probe, "other", backend)
	r.node.DropProbe(lan)
	r.expect("probes of nobody", r.run())
	r.expectDrops(reason.ProbeEnded, 3)

	plain := direct()
	plain.Health = nil
	r.apply(plain)
	r.node.Probe(lan, probe, "web", backend)
	r.expect("a probe of a check that has ended", r.run())
	r.expectDrops(reason.ProbeEnded, 4)
}
