package packet

import (
	"testing"
	"unsafe"

	"github.com/weirlb/weir/fastpath/reason"
)

// BenchmarkParse looks at one frame in the cache over and over.
func BenchmarkParse(b *testing.B) {
	for _, x := range []struct {
		name  string
		frame []byte
	}{
		{"udp4", ip4(ProtoUDP, udp(22))}, {"tcp4", ip4(ProtoTCP, tcp(ACK, 6))},
		{"udp6", ip6(ProtoUDP, udp(2))}, {"tcp6", ip6(ProtoTCP, tcp(ACK, 6))},
		{"udp6-extension", ip6(ProtoDestOpts, ext(ProtoUDP, 1), udp(2))},
	} {
		b.Run(x.name, func(b *testing.B) {
			mac := asWord(ownMAC)
			var inf Info
			b.ReportAllocs()
			for b.Loop() {
				Parse(unsafe.Pointer(&x.frame[0]), uint32(len(x.frame)), mac, &inf)
			}
			if inf.Fault != reason.Unset {
				b.Fatal(inf.Fault)
			}
		})
	}
}
