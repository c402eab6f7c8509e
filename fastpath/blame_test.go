package fastpath

import (
	"fmt"
	"maps"
	"testing"

	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/reason"
)

// blamed lists what the workers have counted at ports or services.
func (r *rig) blamed() (out map[string]uint64) {
	out = map[string]uint64{}
	add := func(where string, counts Reasons) {
		for i, n := range counts {
			if n > 0 {
				out[where+" "+reason.Reason(i).String()] += n
			}
		}
	}
	for _, w := range r.workers {
		for p, name := range []string{"wan", "lan"} {
			add(name, w.PortReasons(p))
		}
		for i := range r.spec.Services {
			add(fmt.Sprintf("service %d", i), w.ServiceReasons(uint32(i)))
		}
	}
	return out
}

// TestLostPacketsAreCountedForTheirPortAndService has three services at one VIP, in the order nat, tun and dr; the nat
// one has a connection, and a backend that does not answer.
func TestLostPacketsAreCountedForTheirPortAndService(t *testing.T) {
	for _, f := range families {
		vip, client := netipAddr(f.vip).String(), netipAddr(f.client).String()
		tun, dr := netipPort(f.vip, 81), netipPort(f.vip, 82)
		kind, code := errorKind(f.v6), byte(1)
		later := netipPort(f.client, 40001)
		for name, c := range map[string]struct {
			port  int
			frame []byte
			want  []string
		}{
			"no service's":            {wan, pk{from: f.client, to: netipPort(f.vip, 79), udp: true}.frame(t), []string{"wan no_service"}},
			"for nobody":              {wan, pk{from: f.client, to: f.client, udp: true}.frame(t), []string{"wan foreign"}},
			"TCP of no connection":    {wan, pk{from: f.client, to: f.vip, flags: "A"}.frame(t), []string{"wan no_connection", "service 3 no_connection"}},
			"TTL 1 for nat":           {wan, pk{from: later, to: f.vip, udp: true, ttl: 1}.frame(t), []string{"wan ttl_exceeded", "service 0 ttl_exceeded"}},
			"TTL 1 for tun":           {wan, pk{from: later, to: tun, udp: true, ttl: 1}.frame(t), []string{"wan ttl_exceeded", "service 1 ttl_exceeded"}},
			"TTL 1 from a backend":    {lan, pk{from: f.rs1, to: f.client, udp: true, ttl: 1, srcMAC: rs1MAC, dstMAC: lanMAC}.frame(t), []string{"lan ttl_exceeded", "service 0 ttl_exceeded"}},
			"rewritten by nat":        {wan, pk{from: f.client, to: f.vip, udp: true}.frame(t), []string{"wan neighbor_unresolved", "service 0 neighbor_unresolved"}},
			"in a tunnel":             {wan, pk{from: f.client, to: tun, udp: true}.frame(t), []string{"wan neighbor_unresolved", "service 1 neighbor_unresolved"}},
			"dr":                      {wan, pk{from: f.client, to: dr, udp: true}.frame(t), []string{"wan neighbor_unresolved", "service 2 neighbor_unresolved"}},
			"a client's ICMP error":   {wan, icmpFrame(client, vip, kind, code, quoteOf(pk{from: f.vip, to: f.client, udp: true}.frame(t), 8), gwMAC, wanMAC, 9), []string{"wan neighbor_unresolved", "service 0 neighbor_unresolved"}},
			"error about no one's":    {wan, icmpFrame(client, vip, kind, code, quoteOf(pk{from: netipPort(f.vip, 79), to: f.client, udp: true}.frame(t), 8), gwMAC, wanMAC, 9), []string{"wan icmp_no_connection"}},
			"error that is cut short": {wan, icmpFrame(client, vip, kind, code, make([]byte, 4), gwMAC, wanMAC, 9), []string{"wan bad_icmp"}},
		} {
			t.Run(f.name+", "+name, func(t *testing.T) {
				r := newRig(t, []rigService{
					{vip: f.vip, proto: packet.ProtoUDP, mode: NAT, peers: []string{f.rs1}},
					{vip: tun, proto: packet.ProtoUDP, mode: TUN, peers: []string{netipPort(f.rs1, 81)}},
					{vip: dr, proto: packet.ProtoUDP, mode: DR, peers: []string{netipPort(f.rs1, 82)}},
					{vip: f.vip, proto: packet.ProtoTCP, mode: NAT, peers: []string{f.rs1}},
				})
				one(t, r.send(wan, pk{from: f.client, to: f.vip, udp: true}.frame(t)), lan)
				r.hops.Set(r.hop(lan, netipAddr(f.rs1).String(), [6]byte{}), [6]byte{}, nexthop.Failed)
				r.send(c.port, c.frame)
				want := map[string]uint64{}
				for _, w := range c.want {
					want[w] = 1
				}
				if got := r.blamed(); !maps.Equal(got, want) {
					t.Errorf("counted %v, want %v", got, want)
				}
			})
		}
	}
}

func TestWhatCannotLeaveIsCountedAtThePortItShouldLeaveBy(t *testing.T) {
	r := newRig(t, []rigService{{vip: "203.0.113.10:53", proto: packet.ProtoUDP, mode: NAT}})
	r.queues[0][lan].SetStuck(true)
	for i := range 600 {
		r.send(wan, pk{from: netipPort("198.51.100.7:1", uint16(1000+i)), to: "203.0.113.10:53", udp: true}.frame(t))
	}
	got := r.blamed()
	if n := got["lan tx_full"]; n == 0 || n != got["service 0 tx_full"] || got["wan tx_full"] != 0 {
		t.Errorf("counted %v", got)
	}
	r.queues[0][lan].SetStuck(false)
}
