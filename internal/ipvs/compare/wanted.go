package main

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/internal/ipvs"
)

// The names of wanted differences are headings of docs/differences-from-ipvs.md.

// judgement is what a comparison of what two sent comes to.
type judgement struct {
	wanted     []string // differences by their names
	unexpected bool
	traces     bool // what is wanted can lead to other connections, or other numbers of them
}

// difference is an exchange being judged. Its frames are copies, from which rules take what is wanted away.
type difference struct {
	*exchange
	cfg         *conf.Config
	service     *conf.Service          // nil: none has to do with the packet
	outlasted   bool                   // a client of the service has come back after the time of its persistence
	begun       map[*conf.Service]bool // services of which synAck has been met
	refused     bool                   // a router has found a packet in a tunnel too big, now or before
	noReuse     bool                   // IPVS has conn_reuse_mode 0
	linux, weir []ipvs.Frame
}

// judge compares what the two did with a packet that is no fragment.
func (c *comparison) judge(x *exchange) (j judgement) {
	d := &difference{exchange: x, cfg: c.cfg, service: c.serviceFor(&x.view), linux: trimmed(x.linux), weir: trimmed(x.weir)}
	c.refused = c.refused || tooBigInTunnel(&x.view)
	d.refused, d.noReuse = c.refused, slices.Contains(c.plan.Sysctls, ipvs.Sysctl{Name: "conn_reuse_mode", Value: "0"})
	d.begun = c.begun
	d.outlasted = c.clients.returned(d.service, x)
	for _, r := range eventRules {
		if r.is(d) {
			return judgement{wanted: []string{r.name}, traces: r.traces}
		}
	}
	if len(d.linux) == len(d.weir) {
		for i := range d.linux {
			d.judgePair(&j, d.linux[i].Data, d.weir[i].Data)
		}
	}
	same := func(a, b ipvs.Frame) bool { return a.Port == b.Port && bytes.Equal(a.Data, b.Data) }
	j.unexpected = !slices.EqualFunc(ipvs.Normal(&x.in, d.linux), ipvs.Normal(&x.in, d.weir), same)
	return j
}

// trimmed is copies of frames without what follows the IP packet.
func trimmed(frames []ipvs.Frame) (out []ipvs.Frame) {
	for _, f := range frames {
		if v := look(f.Data[min(14, len(f.Data)):]); v.ip != nil {
			f.Data = f.Data[:14+len(v.ip)]
		}
		f.Data = bytes.Clone(f.Data)
		out = append(out, f)
	}
	return out
}

// serviceFor finds the service that a packet has to do with, by the VIP or a real server of its own or of what it quotes.
func (c *comparison) serviceFor(v *view) *conf.Service {
	if q, ok := v.quoted(); ok {
		v = &q
	}
	for _, end := range []netip.AddrPort{netip.AddrPortFrom(v.dst, v.dport), netip.AddrPortFrom(v.src, v.sport)} {
		if s := serviceOf(c.cfg, v.proto, end); s != nil {
			return s
		}
	}
	for _, exactly := range []bool{true, false} { // a server may be several services'
		for i := range c.cfg.Services {
			s := &c.cfg.Services[i]
			is := func(b conf.Backend) bool {
				return b.Address == netip.AddrPortFrom(v.src, v.sport) || b.Address == netip.AddrPortFrom(v.dst, v.dport) ||
					!exactly && (b.Address.Addr() == v.src || b.Address.Addr() == v.dst)
			}
			if serviceProto(s) == v.proto && slices.ContainsFunc(s.Backends, is) {
				return s
			}
		}
	}
	return nil
}

func serviceProto(s *conf.Service) uint8 {
	return map[conf.Protocol]uint8{conf.TCP: protoTCP, conf.UDP: protoUDP, conf.SCTP: protoSCTP}[s.Protocol]
}

// synAck is a difference after which IPVS has connections of the service that Weir has not, and its scheduler has chosen more often.
const synAck = "a-syn-ack-begins-nothing"

// eventRule is a wanted difference in what becomes of a packet, rather than in a field.
type eventRule struct {
	name   string
	traces bool // as a judgement's
	is     func(d *difference) bool
}

var eventRules = []eventRule{
	{"packets-of-no-connection", false, func(d *difference) bool {
		return len(d.linux) > 0 && len(d.weir) == 0 && d.because("no_connection") && d.linuxAlone()
	}},
	{synAck, true, func(d *difference) bool {
		const syn, ack = 2, 16
		f := d.view.tcpFlags()
		if len(d.linux) == 1 && len(d.weir) == 0 && f&(syn|ack) == syn|ack && d.because("no_connection") {
			d.begun[d.service] = true
			return true
		}
		return d.begun[d.service] && (d.otherBackend() || len(d.weir) == 0 && d.because("no_connection", "icmp_no_connection"))
	}},
	{"what-is-for-no-service", false, func(d *difference) bool {
		return len(d.linux) > 0 && len(d.weir) == 0 && d.linuxAlone() &&
			d.because("foreign", "no_service", "unsupported_protocol", "icmp_no_connection", "icmp_unsupported", "punt_local", "no_tap")
	}},
	{"the-ttl-in-dr", true, func(d *difference) bool {
		return d.view.ttl <= 1 && d.mode(conf.DR) && len(d.weir) == 1 && bytes.Equal(d.weir[0].Data[14:], d.exchange.in.Data[14:14+len(d.view.ip)]) && d.own(d.linux, 11, 3)
	}},
	{"flags-that-no-tcp-sends", true, func(d *difference) bool {
		const fin, syn, rst = 1, 2, 4
		f := d.view.tcpFlags()
		return f&syn != 0 && f&(fin|rst) != 0 && len(d.weir) == 0 && d.because("bad_l4_header")
	}},
	{"headers-that-cannot-be", true, func(d *difference) bool {
		return d.view.tcpFlags() == 0 && len(d.linux) == 1 && len(d.weir) == 0 && d.because("bad_l4_header")
	}},
	{"errors-about-later-fragments", false, func(d *difference) bool {
		q, about := d.view.quoted()
		return about && q.offset > 0 && (len(d.linux) == 1 && d.routed(d.linux[0].Data) && len(d.weir) == 1 || len(d.weir) == 0 && d.because("icmp_fragment"))
	}},
	{"errors-in-one-packet-scheduling", false, func(d *difference) bool {
		_, about := d.view.quoted()
		return about && d.service != nil && d.service.OnePacket && d.mode(conf.NAT) && len(d.linux) == 1 && d.routed(d.linux[0].Data) && len(d.weir) == 1
	}},
	{"answers-in-one-packet-scheduling", false, func(d *difference) bool {
		return d.service != nil && d.service.OnePacket && d.mode(conf.NAT) && d.fromBackend() && len(d.linux) == 1 && d.routed(d.linux[0].Data) && len(d.weir) == 1
	}},
	{"the-mtu-within-a-tunnel", true, func(d *difference) bool {
		if !d.mode(conf.TUN) || !d.refused {
			return false
		}
		_, about := d.view.quoted()
		return about && len(d.weir) == 1 || d.own(d.linux, 3, 2) && len(d.weir) == 1
	}},
	{"ports-that-are-used-again", true, func(d *difference) bool {
		const syn = 2
		return d.view.tcpFlags()&syn != 0 && d.noReuse && d.otherBackend()
	}},
	{"icmpv6-errors-from-backends", true, func(d *difference) bool {
		_, about := d.view.quoted()
		return about && d.view.v6 && d.mode(conf.NAT) && len(d.linux) == 0 && len(d.weir) == 1
	}},
	{"parameter-problems", true, func(d *difference) bool {
		kind, _, _ := d.view.icmp()
		_, about := d.view.quoted()
		return about && kind == map[bool]uint8{false: 12, true: 4}[d.view.v6] && len(d.weir) == 1 && (len(d.linux) == 0 || d.routed(d.linux[0].Data))
	}},
	{"cut-up-before-the-tunnel", false, func(d *difference) bool {
		return d.mode(conf.TUN) && len(d.linux) > 1 && len(d.weir) > 1 && slices.Equal(received(parts(d.linux), d.view.dst), received(parts(d.weir), d.view.dst))
	}},
	{"ipv6-in-ipv4-is-not-cut-up", true, func(d *difference) bool {
		return d.view.v6 && d.mode(conf.TUN) && len(d.linux) > 1 && d.own(d.weir, 0, 2)
	}},
	{"lblc-obeys-thresholds", true, func(d *difference) bool {
		full := func(b conf.Backend) bool { return b.UpperThreshold > 0 }
		return d.service != nil && d.service.Scheduler == "lblc" && slices.ContainsFunc(d.service.Backends, full) && d.otherBackend()
	}},
	{"persistence-that-a-connection-outlasted", true, func(d *difference) bool { return d.outlasted && d.otherBackend() }},
	{"mh-leaves-nobody-out", true, func(d *difference) bool {
		return d.service != nil && d.service.Scheduler == "mh" && crowded(d.service) && d.otherBackend()
	}},
	{"mh-tells-backends-of-another-ip-version-apart", true, func(d *difference) bool {
		other := func(b conf.Backend) bool { return b.Address.Addr().Is6() && !d.view.v6 }
		return d.service != nil && d.service.Scheduler == "mh" && slices.ContainsFunc(d.service.Backends, other) && d.otherBackend()
	}},
}

// tooBigInTunnel reports a router's "too big" that quotes a packet of a tunnel.
func tooBigInTunnel(v *view) bool {
	q, ok := v.quoted()
	kind, code, _ := v.icmp()
	return ok && (!v.v6 && kind == 3 && code == 4 || v.v6 && kind == 2) && (!q.ported() || q.proto == protoUDP)
}

// fromBackend reports that the packet comes from a server of the service.
func (d *difference) fromBackend() bool {
	return slices.ContainsFunc(d.service.Backends, func(b conf.Backend) bool { return b.Address.Addr() == d.view.src })
}

// because reports that Weir gave one of these reasons.
func (d *difference) because(any ...string) bool {
	return slices.ContainsFunc(d.reasons, func(r string) bool { return slices.Contains(any, r) })
}

// mode reports that the packet has to do with a service of a mode.
func (d *difference) mode(m conf.Mode) bool { return d.service != nil && d.service.Mode == m }

// own reports that frames are one ICMP error, of this type in IPv4 or IPv6, to who sent the packet.
func (d *difference) own(frames []ipvs.Frame, kind4, kind6 uint8) bool {
	if len(frames) != 1 {
		return false
	}
	v := look(frames[0].Data[14:])
	kind, _, ok := v.icmp()
	return ok && v.dst == d.view.src && kind == map[bool]uint8{false: kind4, true: kind6}[v.v6]
}

// linuxAlone reports that all that Linux sent is what it sends without IPVS, too: it answered, or routed the packet on.
func (d *difference) linuxAlone() bool {
	for _, f := range d.linux {
		v := look(f.Data[14:])
		_, _, icmp := v.icmp()
		answer := icmp && v.dst == d.view.src
		if !answer && (d.forVIP() || !d.routed(f.Data)) && !ipvs.Elsewhere(d.exchange.in.Data, f.Data) {
			return false
		}
	}
	return true
}

// forVIP reports that the packet is for an address of a service.
func (d *difference) forVIP() bool {
	has := func(e conf.Endpoint) bool { return e.Prefix.Contains(d.view.dst) }
	return slices.ContainsFunc(d.cfg.Services, func(s conf.Service) bool { return slices.ContainsFunc(s.Addresses, has) })
}

// routed reports that a frame is the packet with nothing but the MACs and the TTL changed.
func (d *difference) routed(frame []byte) bool {
	v := look(bytes.Clone(frame[14:]))
	if v.ip == nil || len(v.ip) != len(d.view.ip) || v.ttl+1 != d.view.ttl {
		return false
	}
	v.setTTL(d.view.ttl)
	return bytes.Equal(v.ip, d.view.ip)
}

func (v *view) setTTL(ttl uint8) {
	v.ttl = ttl
	if v.v6 {
		v.ip[7] = ttl
		return
	}
	v.ip[8] = ttl
	v.summed()
}

// otherBackend reports that both passed the packet on, to different stations; or one did, and the other had nobody to take it.
func (d *difference) otherBackend() bool {
	if len(d.linux) == 1 && len(d.weir) == 1 {
		return !bytes.Equal(d.linux[0].Data[:6], d.weir[0].Data[:6])
	}
	return len(d.linux)+len(d.weir) == 1
}

// crowded reports a service of which a round of IPVS's mh, a turn for each weight, is longer than its table.
func crowded(s *conf.Service) bool {
	const table = 4093
	sum, common := 0, 0
	for _, b := range s.Backends {
		sum += b.Weight
		for a, b := common, b.Weight; ; a, b = b, a%b {
			if b == 0 {
				common = a
				break
			}
		}
	}
	return common > 0 && sum/common > table
}

// flow is the 20 bits of an IPv6 header's flow label.
func (v *view) flow() uint32 { return binary.BigEndian.Uint32(v.ip) & 0xfffff }
