package fastpath

import (
	"fmt"
	"slices"
	"testing"

	"github.com/weirlb/weir/fastpath/packet"
)

// Two datagrams in a row may have one identification: Linux's SCTP reserves one for several packets that it sends at once. They
// are apart as long as nothing of one leaves among the other's fragments, be their connection new or known, and in whatever
// order the fragments of each come.
func TestDatagramsInARowWithOneIdentificationStayApart(t *testing.T) {
	const parts = 3
	for _, f := range families {
		for _, mode := range []Mode{NAT, DR, FullNAT} {
			for _, proto := range []uint8{packet.ProtoUDP, packet.ProtoSCTP} {
				for _, order := range orders(parts) {
					for _, known := range []bool{false, true} {
						t.Run(fmt.Sprintf("%s/mode %d/protocol %d/order %v/known %t", f.name, mode, proto, order, known), func(t *testing.T) {
							r := newRig(t, []rigService{{vip: f.vip, proto: proto, mode: mode, peers: []string{f.rs1}}})
							p := pk{from: f.client, to: f.vip, udp: proto == packet.ProtoUDP}
							if !p.udp {
								p.chunks = []uint8{initiate}
							}
							if known {
								one(t, r.send(wan, p.frame(t)), lan)
							}
							var got [][]byte
							r.queues[0][lan].OnSend(func(f []byte) { got = append(got, ipOf(slices.Clone(f))) })
							for i := range 4 {
								p.payload = 1700 + 8*i
								cut := cutUp(p.frame(t), 800, 7)
								for _, at := range order {
									if r.queues[0][wan].Put(cut[at], 0) != nil {
										t.Fatal("no buffer")
									}
								}
							}
							for range 3 {
								r.workers[0].Poll()
							}
							if len(got) != 4*parts {
								t.Fatalf("%d fragments left, not %d; reasons %v", len(got), 4*parts, r.reasons())
							}
							for datagram := range slices.Chunk(got, parts) {
								for _, ip := range datagram[1:] {
									if identOf(ip) != identOf(datagram[0]) {
										t.Fatalf("fragments of other datagrams between one's: %d, %d", identOf(datagram[0]), identOf(ip))
									}
								}
								together(t, slices.Clone(datagram))
							}
						})
					}
				}
			}
		}
	}
}
