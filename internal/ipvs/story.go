package ipvs

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// story writes a scenario's steps down, one after the other. Its methods that send something return the packet's number,
// by which later steps refer to it.
type story struct {
	s       Scenario
	packets int
}

func newStory(name string, services ...Service) *story {
	return &story{s: Scenario{Name: name, Services: services}}
}

func (t *story) packet(f func(h *History) (string, []byte)) int {
	t.s.Steps = append(t.s.Steps, Step{Packet: f})
	t.packets++
	return t.packets - 1
}

// send lets a client's packet come in.
func (t *story) send(p Packet) int {
	frame := p.Frame(RouterMAC, Ports[0].MAC)
	return t.frame(Wan, frame)
}

// frame lets any frame come in.
func (t *story) frame(port string, frame []byte) int {
	return t.packet(func(*History) (string, []byte) { return port, frame })
}

// reply lets the backend that packet n reached send a packet back; like says what it looks like. In tun and dr, where
// replies take another way, this shows what a balancer does with one all the same.
func (t *story) reply(n int, like Packet) int {
	return t.packet(func(h *History) (string, []byte) {
		for _, f := range h.Out[n] {
			if f.Port != Lan {
				continue
			}
			p := like
			var ok bool
			if p.Protocol, p.To, p.From, ok = tuple(f.Data); ok {
				return Lan, p.Frame([6]byte(f.Data[:6]), Ports[1].MAC)
			}
		}
		return "", nil
	})
}

func (t *story) edit(services ...Service) { t.s.Steps = append(t.s.Steps, Step{Edit: services}) }

func (t *story) wait(d time.Duration) { t.s.Steps = append(t.s.Steps, Step{Wait: d}) }

func (t *story) table() { t.s.Steps = append(t.s.Steps, Step{Table: true}) }

// tuple is the innermost protocol, source and destination of a frame.
func tuple(frame []byte) (proto Protocol, src, dst netip.AddrPort, ok bool) {
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.NoCopy)
	var from, to netip.Addr
	for _, l := range p.Layers() {
		switch l := l.(type) {
		case *layers.IPv4:
			from, _ = netip.AddrFromSlice(l.SrcIP)
			to, _ = netip.AddrFromSlice(l.DstIP)
		case *layers.IPv6:
			from, _ = netip.AddrFromSlice(l.SrcIP)
			to, _ = netip.AddrFromSlice(l.DstIP)
		case *layers.TCP:
			return TCP, netip.AddrPortFrom(from, uint16(l.SrcPort)), netip.AddrPortFrom(to, uint16(l.DstPort)), true
		case *layers.UDP:
			return UDP, netip.AddrPortFrom(from, uint16(l.SrcPort)), netip.AddrPortFrom(to, uint16(l.DstPort)), true
		case *layers.SCTP:
			return SCTP, netip.AddrPortFrom(from, uint16(l.SrcPort)), netip.AddrPortFrom(to, uint16(l.DstPort)), true
		}
	}
	return "", src, dst, false
}

// service is one with backends of these weights, all on the VIP's port or, in nat, on 8080.
func service(proto Protocol, mode Mode, scheduler string, v6 bool, weights ...int) Service {
	s := Service{Address: netip.AddrPortFrom(vip4, 80), Protocol: proto, Mode: mode, Scheduler: scheduler}
	if v6 {
		s.Address = netip.AddrPortFrom(vip6, 80)
	}
	port := uint16(80)
	if mode == NAT {
		port = 8080
	}
	for i, w := range weights {
		s.Backends = append(s.Backends, Backend{Address: netip.AddrPortFrom(BackendAddr(i, v6), port), Weight: w})
	}
	return s
}

// weights is the service with other weights.
func (s Service) weights(weights ...int) Service {
	if len(weights) != len(s.Backends) {
		panic(fmt.Sprintf("ipvs: %d weights for %d backends", len(weights), len(s.Backends)))
	}
	backends := append([]Backend(nil), s.Backends...)
	for i, w := range weights {
		backends[i].Weight = w
	}
	s.Backends = backends
	return s
}

// without is the service without the backend at a place.
func (s Service) without(i int) Service {
	s.Backends = append(append([]Backend(nil), s.Backends[:i]...), s.Backends[i+1:]...)
	return s
}

// from is a packet of client i to the service, on a port of the client's own.
func (s Service) from(i int, flags string) Packet {
	v6 := s.Address.Addr().Is6()
	p := Packet{Protocol: s.Protocol, From: netip.AddrPortFrom(client(i, v6), uint16(20000+i*7)), To: s.Address, Flags: flags, ID: uint16(1000 + i), DF: true}
	if s.Protocol == UDP {
		p.Flags, p.Payload = "", 20
	}
	return p
}
