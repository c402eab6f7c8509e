package fastpath

import (
	"encoding/binary"
	"testing"

	"github.com/weirlb/weir/fastpath/packet"
)

// FuzzWorker sends any frames through a whole worker. Input is a row of frames, each after a byte that chooses the
// port, the device's flags and how far the clock moves, and a 16-bit length. The rig checks at its end that every
// packet is accounted for, had a reason if it was lost, and that no buffer leaked.
func FuzzWorker(f *testing.F) {
	row := func(frames ...[]byte) (out []byte) {
		for i, b := range frames {
			out = append(out, byte(i))
			out = binary.BigEndian.AppendUint16(out, uint16(len(b)))
			out = append(out, b...)
		}
		return out
	}
	for _, v := range families {
		syn := pk{from: v.client, to: v.vip, flags: "S", mss: 1460}.frame(f)
		reply := pk{from: v.rs1, to: v.client, flags: "SA", srcMAC: rs1MAC, dstMAC: lanMAC}.frame(f)
		quoted := quoteOf(pk{from: v.vip, to: v.client, flags: "SA"}.frame(f), 20)
		router := map[bool]string{false: "192.0.2.99", true: "2001:db8:ffff::99"}[v.v6]
		f.Add(row(syn, reply, icmpFrame(router, netipAddr(v.vip).String(), errorKind(v.v6), 1, quoted, gwMAC, wanMAC, 60)))
		f.Add(row(pk{from: v.client, to: netipPort(v.vip, 81), udp: true, payload: 1472}.frame(f)))
		f.Add(row(pk{from: v.client, to: netipPort(v.vip, 82), flags: "S", ttl: 1}.frame(f)))
		f.Add(row(icmpFrame(netipAddr(v.client).String(), netipAddr(v.vip).String(), map[bool]byte{false: 8, true: 128}[v.v6], 0, make([]byte, 12), gwMAC, wanMAC, 64)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var services []rigService
		for _, v := range families {
			services = append(services,
				rigService{vip: v.vip, proto: packet.ProtoTCP, mode: NAT, peers: []string{v.rs1}},
				rigService{vip: netipPort(v.vip, 81), proto: packet.ProtoUDP, mode: TUN, peers: []string{netipPort(v.rs1, 81), "10.0.0.12:81"}},
				rigService{vip: netipPort(v.vip, 82), proto: packet.ProtoTCP, mode: TUN, peers: []string{"[fd00::12]:82"}},
				rigService{vip: netipPort(v.vip, 83), proto: packet.ProtoUDP, mode: DR})
		}
		r := newRig(t, services, withWorkers(2, 2), withCapacity(16), withTAP(), withLanMTU(1400))
		for len(data) >= 3 {
			how, n := data[0], int(binary.BigEndian.Uint16(data[1:]))
			data = data[3:]
			n = min(n, len(data), 2048)
			r.advance(uint64(how>>4) * 1000)
			r.sendTo(int(how>>1&1), int(how&1), data[:n], uint16(how>>2&3)<<1)
			data = data[n:]
		}
		r.punted()
	})
}
