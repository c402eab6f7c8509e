package fastpath

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/weirlb/weir/fastpath/packet"
)

// mss is the option that the builder puts first.
func (s *seen) mss() uint16 { return binary.BigEndian.Uint16(s.l4[22:]) }

func TestTheMSSIsLoweredBothWaysToWhatFitsBothPorts(t *testing.T) {
	const (
		v4, v6        = 40, 60 // bytes of IP and TCP header
		vip6, client6 = "[2001:db8::10]:80", "[2001:db8:c::7]:40000"
	)
	for _, c := range []struct {
		mode             Mode
		vip, client, rs1 string
		more             []string
		wanMTU, lanMTU   int
		limit            uint16
	}{
		{NAT, vip4, client4, "10.0.0.11:80", nil, 1500, 1400, 1400 - v4},
		{NAT, vip4, client4, "10.0.0.11:80", nil, 1300, 1400, 1300 - v4},
		{NAT, vip4, client4, "10.0.0.11:80", []string{"203.0.113.11:80"}, 1300, 1400, 1300 - v4},
		{NAT, vip6, client6, "[fd00::11]:80", nil, 1500, 1400, 1400 - v6},
		{FullNAT, vip4, client4, "10.0.0.11:80", nil, 1300, 1500, 1300 - v4},
		{FullNAT, vip6, client6, "[fd00::11]:80", nil, 1500, 1400, 1400 - v6},
		{FullNAT, vip4, client4, "[fd00::11]:80", nil, 1500, 1400, 1400 - v6},
		{FullNAT, vip4, client4, "[fd00::11]:80", nil, 1410, 1500, 1410 - v4},
		{FullNAT, vip4, client4, "[fd00::11]:80", nil, 1490, 1500, 1500 - v6},
		{FullNAT, vip6, client6, "10.0.0.11:80", nil, 1400, 1500, 1400 - v6},
	} {
		for _, clamp := range []bool{true, false} {
			for _, mss := range []uint16{9000, c.limit + 1, c.limit, 536} {
				t.Run(fmt.Sprintf("%v/%s→%s/%d,%d/%t/%d", c.mode, c.vip, c.rs1, c.wanMTU, c.lanMTU, clamp, mss), func(t *testing.T) {
					r := newRig(t, []rigService{{
						vip: c.vip, proto: packet.ProtoTCP, mode: c.mode, peers: []string{c.rs1}, more: c.more, clamp: clamp,
					}}, withLanMTU(c.lanMTU))
					r.setMTU(wan, c.wanMTU)
					want := mss
					if clamp {
						want = min(mss, c.limit)
					}
					s := one(t, r.send(wan, pk{from: c.client, to: c.vip, flags: "S", mss: mss}.frame(t)), lan)
					if got := s.mss(); got != want {
						t.Errorf("the SYN's MSS is %d, want %d", got, want)
					}
					answer := pk{from: c.rs1, to: s.src.String(), flags: "SA", mss: mss, srcMAC: rs1MAC, dstMAC: lanMAC}
					if s = one(t, r.send(lan, answer.frame(t)), wan); s.mss() != want {
						t.Errorf("the answer's MSS is %d, want %d", s.mss(), want)
					}
				})
			}
		}
	}
}

func TestOnlyASYNsMSSIsLowered(t *testing.T) {
	r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoTCP, mode: NAT, peers: []string{"10.0.0.11:80"}, clamp: true}})
	one(t, r.send(wan, pk{from: client4, to: vip4, flags: "S"}.frame(t)), lan)
	one(t, r.send(lan, pk{from: "10.0.0.11:80", to: client4, flags: "SA", srcMAC: rs1MAC, dstMAC: lanMAC}.frame(t)), wan)
	s := one(t, r.send(wan, pk{from: client4, to: vip4, flags: "A", mss: 9000}.frame(t)), lan)
	if s.mss() != 9000 {
		t.Errorf("an ACK's option became %d", s.mss())
	}
}
