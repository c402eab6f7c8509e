package fastpath

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/reason"
)

func echoKind(v6 bool) (request, reply byte) {
	if v6 {
		return packet.ICMP6Echo, packet.ICMP6EchoReply
	}
	return packet.ICMP4Echo, packet.ICMP4EchoReply
}

func TestEchoToAVIPIsAnswered(t *testing.T) {
	for _, f := range families {
		for _, size := range []int{4, 5, 9, 60, 61, 1000, 1452, 1451} {
			for _, pad := range []int{0, 7} {
				t.Run(fmt.Sprintf("%s/%d bytes, %d of padding", f.name, size, pad), func(t *testing.T) {
					r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoTCP, mode: NAT}})
					vip, client := netipAddr(f.vip).String(), netipAddr(f.client).String()
					request, reply := echoKind(f.v6)
					body := make([]byte, size)
					for i := range body {
						body[i] = byte(3*i + 1)
					}
					in := append(icmpFrame(client, vip, request, 0, body, gwMAC, wanMAC, 1), make([]byte, pad)...)
					s := one(t, r.send(wan, in), wan)
					if s.src.Addr().String() != vip || s.dst.Addr().String() != client || s.ttl != 64 || s.dstMAC != mac(gwMAC) || s.srcMAC != mac(wanMAC) {
						t.Errorf("%s", &s)
					}
					if at := r.workers[0].PortReasons(wan); at[reason.EchoReply] != 1 || len(r.reasons()) != 1 {
						t.Errorf("reasons %v", r.reasons())
					}
					if s.l4[0] != reply || !bytes.Equal(s.l4[4:], body) {
						t.Errorf("%x", s.l4)
					}
				})
			}
		}
	}
}

// A reply that is all zeros has only one right checksum, ffff; an updated one would come out as 0.
func TestEchoReplyOfZerosHasARightChecksum(t *testing.T) {
	for _, f := range families {
		r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoTCP, mode: NAT}})
		request, _ := echoKind(f.v6)
		for _, size := range []int{4, 5, 32} {
			in := icmpFrame(netipAddr(f.client).String(), netipAddr(f.vip).String(), request, 0, make([]byte, size), gwMAC, wanMAC, 64)
			one(t, r.send(wan, in), wan) // which checks the checksum
		}
	}
}

func TestADamagedEchoIsNotRepaired(t *testing.T) {
	for _, f := range families {
		r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoTCP, mode: NAT}})
		request, _ := echoKind(f.v6)
		in := icmpFrame(netipAddr(f.client).String(), netipAddr(f.vip).String(), request, 0, []byte{0, 1, 0, 2, 'a', 'b'}, gwMAC, wanMAC, 64)
		in[len(in)-1] ^= 0x10
		out := r.send(wan, in)
		if len(out) != 1 || l4Sum(ipOf(out[0].data)) == 0 {
			t.Errorf("%s: the reply to a damaged request passes for sound", f.name)
		}
	}
}

func TestOptionsOfAnEchoMeanNothingInItsReply(t *testing.T) {
	for name, options := range map[string][]byte{
		"record route": {7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"40 bytes":     bytes.Repeat([]byte{0x86, 4, 0xff, 0xff}, 10),
	} {
		r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoTCP, mode: NAT}})
		plain := icmpFrame("198.51.100.7", "203.0.113.10", 8, 0, []byte{0, 1, 0, 2, 3}, gwMAC, wanMAC, 64)
		in := append(append(append([]byte{}, plain[:34]...), options...), plain[34:]...)
		in[14] = 0x45 + byte(len(options)/4)
		binary.BigEndian.PutUint16(in[16:], binary.BigEndian.Uint16(in[16:])+uint16(len(options)))
		setSums(in)
		s := one(t, r.send(wan, in), wan)
		if !bytes.Equal(s.ip[20:20+len(options)], bytes.Repeat([]byte{1}, len(options))) || s.l4[0] != 0 || len(s.l4) != 9 {
			t.Errorf("%s: header %x, message %x", name, s.ip[:20+len(options)], s.l4)
		}
	}
}

func TestEchoesThatMustNotBeAnswered(t *testing.T) {
	const vip, client = "203.0.113.10", "198.51.100.7"
	for name, c := range map[string]struct {
		from, to string
		dst      [6]byte
		body     int
		reason   string
	}{
		"from the VIP":                      {from: vip, to: vip, reason: "spoofed_source"},
		"from another VIP":                  {from: "203.0.113.20", to: vip, reason: "spoofed_source"},
		"from Weir's own address":           {from: "10.0.0.1", to: vip, reason: "spoofed_source"},
		"from the network's broadcast":      {from: "203.0.113.255", to: vip, reason: "martian_source"},
		"from the other port's broadcast":   {from: "10.0.0.255", to: vip, reason: "martian_source"},
		"from everybody":                    {from: "255.255.255.255", to: vip, reason: "martian_source"},
		"from multicast":                    {from: "239.1.2.3", to: vip, reason: "martian_source"},
		"from loopback":                     {from: "127.0.0.1", to: vip, reason: "martian_source"},
		"from nowhere":                      {from: "0.0.0.0", to: vip, reason: "martian_source"},
		"to the network's broadcast":        {from: client, to: "203.0.113.255", reason: "foreign"},
		"broadcast on the link":             {from: client, to: "203.0.113.255", dst: [6]byte{255, 255, 255, 255, 255, 255}, reason: "multicast_ignored"},
		"to the VIP, broadcast on the link": {from: client, to: vip, dst: [6]byte{255, 255, 255, 255, 255, 255}, reason: "multicast_ignored"},
		"larger than the port's MTU":        {from: client, to: vip, body: 1480, reason: "too_big"},
		"IPv6: from the VIP":                {from: "2001:db8::10", to: "2001:db8::10", reason: "spoofed_source"},
		"IPv6: from multicast":              {from: "ff02::1", to: "2001:db8::10", reason: "martian_source"},
		"IPv6: from nowhere":                {from: "::", to: "2001:db8::10", reason: "martian_source"},
		"IPv6: from loopback":               {from: "::1", to: "2001:db8::10", reason: "martian_source"},
		"IPv6: from a mapped address":       {from: "::ffff:198.51.100.7", to: "2001:db8::10", reason: "martian_source"},
		"IPv6: to all nodes":                {from: "2001:db8:c::7", to: "ff02::1", dst: [6]byte{0x33, 0x33, 0, 0, 0, 1}, reason: "multicast_ignored"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, []rigService{
				{vip: "203.0.113.10:80", proto: packet.ProtoTCP, mode: NAT}, {vip: "203.0.113.20:80", proto: packet.ProtoTCP, mode: DR},
				{vip: "[2001:db8::10]:80", proto: packet.ProtoTCP, mode: NAT},
			})
			if c.dst == [6]byte{} {
				c.dst = wanMAC
			}
			request, _ := echoKind(netip.MustParseAddr(c.to).Is6())
			in := icmpFrame(c.from, c.to, request, 0, make([]byte, max(4, c.body)), gwMAC, c.dst, 64)
			if out := r.send(wan, in); len(out) != 0 {
				t.Errorf("answered: %x", out[0].data)
			}
			if got := r.reasons(); len(got) != 1 || got[c.reason] != 1 {
				t.Errorf("reasons %v, want %s", got, c.reason)
			}
		})
	}
}
