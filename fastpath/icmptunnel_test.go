package fastpath

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/weirlb/weir/fastpath/packet"
)

// tunnelCase is a tun service with one backend and a client's packet that went into its tunnel.
type tunnelCase struct {
	r           *rig
	v6, outerV6 bool
	own, router string // of the outer family
	tunnelled   []byte // as it left
	inner       []byte // the packet in it
}

func newTunnelCase(t *testing.T, v6, outerV6 bool, p pk, opts ...rigOption) *tunnelCase {
	t.Helper()
	f := families[map[bool]int{false: 0, true: 1}[v6]]
	peer := map[bool]string{false: "10.0.0.11:80", true: "[fd00::11]:80"}[outerV6]
	c := &tunnelCase{v6: v6, outerV6: outerV6}
	c.own = map[bool]string{false: "10.0.0.1", true: "fd00::1"}[outerV6]
	c.router = map[bool]string{false: "10.0.0.254", true: "fd00::fe"}[outerV6]
	c.r = newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoUDP, mode: TUN, peers: []string{peer}}}, opts...)
	p.from, p.to, p.udp = f.client, f.vip, true
	out := c.r.send(wan, p.frame(t))
	s := one(t, out, lan)
	c.tunnelled = out[0].data
	in := s.inner(t)
	c.inner = in.ip
	return c
}

// tooBig is what the router says of the tunnelled packet, of which it quotes n bytes.
func (c *tunnelCase) tooBig(mtu, n int) []byte {
	kind, code := tooBigKind(c.outerV6)
	return icmpFrame(c.router, c.own, kind, code, tooBigBody(c.tunnelled, mtu, n), rs1MAC, lanMAC, 64)
}

func TestARouterInTheTunnelIsHeardByTheClient(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		for _, outerV6 := range []bool{false, true} {
			for _, quoted := range []int{40 + 48, 400, 1280} {
				t.Run(fmt.Sprintf("inside IPv6 %t, outside IPv6 %t, %d bytes quoted", v6, outerV6, quoted), func(t *testing.T) {
					c := newTunnelCase(t, v6, outerV6, pk{df: true, payload: 1400})
					s := one(t, c.r.send(lan, c.tooBig(1400, quoted)), wan)
					overhead := map[bool]int{false: 20, true: 40}[outerV6]
					kind, code := tooBigKind(v6)
					if s.l4[0] != kind || s.l4[1] != code || binary.BigEndian.Uint32(s.l4[4:]) != uint32(1400-overhead) {
						t.Errorf("type %d, code %d, MTU %d", s.l4[0], s.l4[1], binary.BigEndian.Uint32(s.l4[4:]))
					}
					f := families[map[bool]int{false: 0, true: 1}[v6]]
					own := map[bool]string{false: "203.0.113.2", true: "2001:db8::2"}[v6]
					if s.src.Addr().String() != own || s.dst.Addr() != netipAddr(f.client) || s.dstMAC != mac(gwMAC) || s.ttl != 64 {
						t.Errorf("%s", &s)
					}
					most := map[bool]int{false: 576 - 28, true: 1280 - 48}[v6]
					if want := min(quoted-overhead, len(c.inner), most); len(s.l4)-8 != want || !bytes.Equal(s.l4[8:], c.inner[:want]) {
						t.Errorf("%d bytes of the client's packet are quoted, want %d", len(s.l4)-8, want)
					}
				})
			}
		}
	}
}

func TestTheLeastMTUOfIPv6IsTold(t *testing.T) {
	c := newTunnelCase(t, true, false, pk{payload: 1300})
	s := one(t, c.r.send(lan, c.tooBig(1290, 400)), wan)
	if mtu := binary.BigEndian.Uint32(s.l4[4:]); mtu != 1280 {
		t.Errorf("MTU %d", mtu)
	}
}

// What is not meant for a client is for the kernel: the port's own address got it.
func TestOtherErrorsAboutATunnelAreTheKernels(t *testing.T) {
	about := func(p pk, f func(c *tunnelCase) []byte) func(t *testing.T) (*tunnelCase, []byte) {
		return func(t *testing.T) (*tunnelCase, []byte) {
			c := newTunnelCase(t, false, false, p, withTAP())
			return c, f(c)
		}
	}
	df := pk{df: true, payload: 1400}
	edit := func(at int, v byte) func(c *tunnelCase) []byte {
		return func(c *tunnelCase) []byte {
			c.tunnelled[at] ^= v
			return c.tooBig(1400, 400)
		}
	}
	const inner = 14 + 20
	for name, make := range map[string]func(t *testing.T) (*tunnelCase, []byte){
		"unreachable": about(df, func(c *tunnelCase) []byte {
			return icmpFrame(c.router, c.own, 3, 1, tooBigBody(c.tunnelled, 0, 400), rs1MAC, lanMAC, 64)
		}),
		"without an MTU":                       about(df, func(c *tunnelCase) []byte { return c.tooBig(0, 400) }),
		"with an absurd MTU":                   about(df, func(c *tunnelCase) []byte { return c.tooBig(80, 400) }),
		"with the MTU that Weir keeps anyway":  about(df, func(c *tunnelCase) []byte { return c.tooBig(1500, 400) }),
		"about a packet that may be cut up":    about(pk{payload: 1400}, func(c *tunnelCase) []byte { return c.tooBig(1400, 400) }),
		"too short to name the client":         about(df, func(c *tunnelCase) []byte { return c.tooBig(1400, 20+20+7) }),
		"about no known connection":            about(df, edit(inner+21, 1)),
		"about a packet to another VIP":        about(df, edit(inner+19, 1)),
		"about a packet in no tunnel":          about(df, edit(14+9, 4^6)),
		"about a tunnel to another backend":    about(df, edit(14+19, 1)),
		"about a tunnel from somebody else":    about(df, edit(14+15, 1)),
		"about a later fragment of the tunnel": about(df, edit(14+7, 1)),
		"about a later fragment in the tunnel": about(df, edit(inner+7, 1)),
		"about a packet of another protocol":   about(df, edit(inner+9, 17^1)),
	} {
		t.Run(name, func(t *testing.T) {
			c, in := make(t)
			if out := c.r.send(lan, in); len(out) != 0 {
				t.Errorf("told the client: %x", out[0].data)
			}
			if got := c.r.punted(); len(got) != 1 || got[0].Reason.String() != "punt_local" {
				t.Errorf("punted %v, reasons %v", got, c.r.reasons())
			}
		})
	}
}

func TestAnErrorAboutAConnectionThatExpiredIsNotForTheClient(t *testing.T) {
	c := newTunnelCase(t, false, false, pk{df: true, payload: 1400}, withTAP())
	c.r.advance(300_000)
	if out := c.r.send(lan, c.tooBig(1400, 400)); len(out) != 0 || c.r.reasons()["punt_local"] != 1 {
		t.Errorf("%d frames left, reasons %v", len(out), c.r.reasons())
	}
}

func TestAnErrorAboutATunnelFromAnImpossibleSourceIsDropped(t *testing.T) {
	c := newTunnelCase(t, false, false, pk{df: true, payload: 1400}, withTAP())
	c.router = "10.0.0.255"
	if out := c.r.send(lan, c.tooBig(1400, 400)); len(out) != 0 || c.r.reasons()["martian_source"] != 1 {
		t.Errorf("%d frames left, reasons %v", len(out), c.r.reasons())
	}
}

func TestErrorsAboutTunnelsFindTheClientsOwner(t *testing.T) {
	for _, f := range families {
		for outer, peer := range map[bool]string{false: "10.0.0.11:80", true: "[fd00::11]:80"} {
			r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoUDP, mode: TUN, peers: []string{peer}}}, withWorkers(3, 3))
			c := &tunnelCase{r: r, v6: f.v6, outerV6: outer}
			c.own = map[bool]string{false: "10.0.0.1", true: "fd00::1"}[outer]
			c.router = map[bool]string{false: "10.0.0.254", true: "fd00::fe"}[outer]
			for id := range 3 {
				client := clientOf(t, netipAddr(f.client).String(), id, 3)
				out := r.sendTo(id, wan, pk{from: client.String(), to: f.vip, udp: true, df: true, payload: 1400}.frame(t), 0)
				one(t, out, lan)
				c.tunnelled = out[0].data
				s := one(t, r.sendTo((id+1)%3, lan, c.tooBig(1400, 400), 0), wan)
				if s.dst.Addr() != client.Addr() {
					t.Errorf("%s, worker %d: %s", f.name, id, &s)
				}
			}
		}
	}
}
