package packet

import (
	"fmt"
	"testing"

	"github.com/weirlb/weir/fastpath/reason"
)

// TestParse takes frames of which each but for its last bytes is also cut short in every place: none of those may
// pass for whole, or be read past its end.
func TestParse(t *testing.T) {
	const l4, l6 = EthLen + IP4Len, EthLen + IP6Len
	synTCP, data := tcp(SYN, 0), tcp(ACK, 7)
	long := tcp(ACK, 12)
	long[TCPDataOffset] = 8 << 4
	fragment := func(next uint8, offset uint16, more byte) []byte {
		return []byte{next, 0, byte(offset >> 5), byte(offset<<3) | more, 0, 0, 0, 1}
	}
	routing := func(next uint8, left byte) []byte {
		h := ext(next, 3)
		h[3] = left
		return h
	}
	chain := func(n int) (out []byte) {
		for i := range n {
			next := uint8(ProtoDestOpts)
			if i == n-1 {
				next = ProtoUDP
			}
			out = append(out, ext(next, 1)...)
		}
		return out
	}
	pad := make([]byte, 20)
	for name, c := range map[string]struct {
		frame []byte
		want  Info
	}{
		"TCP SYN":                {ip4(ProtoTCP, synTCP), Info{Kind: Flow4, Proto: ProtoTCP, TCPFlags: SYN, L4: l4, End: l4 + 20}},
		"TCP data":               {ip4(ProtoTCP, data), Info{Kind: Flow4, Proto: ProtoTCP, TCPFlags: ACK, L4: l4, End: l4 + 27}},
		"TCP options":            {ip4(ProtoTCP, long), Info{Kind: Flow4, Proto: ProtoTCP, TCPFlags: ACK, L4: l4, End: l4 + 32}},
		"TCP without flags":      {ip4(ProtoTCP, tcp(0, 0)), Info{Kind: Flow4, Proto: ProtoTCP, L4: l4, End: l4 + 20}},
		"TCP RST+ACK":            {ip4(ProtoTCP, tcp(RST|ACK, 0)), Info{Kind: Flow4, Proto: ProtoTCP, TCPFlags: RST | ACK, L4: l4, End: l4 + 20}},
		"UDP":                    {ip4(ProtoUDP, udp(5)), Info{Kind: Flow4, Proto: ProtoUDP, L4: l4, End: l4 + 13}},
		"UDP without payload":    {ip4(ProtoUDP, udp(0)), Info{Kind: Flow4, Proto: ProtoUDP, L4: l4, End: l4 + 8}},
		"UDP, IP longer than it": {ip4(ProtoUDP, append(udp(0), 1, 2)), Info{Kind: Flow4, Proto: ProtoUDP, L4: l4, End: l4 + 10}},
		"SCTP INIT":              {ip4(ProtoSCTP, sctp(chunk(1, 16))), Info{Kind: Flow4, Proto: ProtoSCTP, Chunk: ChunkInit, L4: l4, End: l4 + 32}},
		"SCTP, chunk not padded": {ip4(ProtoSCTP, sctp(chunk(7, 5)[:9])), Info{Kind: Flow4, Proto: ProtoSCTP, Chunk: 7, L4: l4, End: l4 + 21}},
		"SCTP DATA behind SACK":  {ip4(ProtoSCTP, sctp(chunk(3, 12), chunk(0, 13))), Info{Kind: Flow4, Proto: ProtoSCTP, Chunk: 3, L4: l4, End: l4 + 48}},
		"SCTP DATA behind COOKIE ECHO": {ip4(ProtoSCTP, sctp(chunk(10, 6), chunk(0, 13))),
			Info{Kind: Flow4, Proto: ProtoSCTP, Chunk: ChunkCookieEcho, L4: l4, End: l4 + 44}},
		"SCTP ABORT behind COOKIE ECHO": {ip4(ProtoSCTP, sctp(chunk(10, 6), chunk(6, 0))),
			Info{Kind: Flow4, Proto: ProtoSCTP, Chunk: ChunkAbort, L4: l4, End: l4 + 28}},
		"SCTP ABORT behind COOKIE ACK": {ip4(ProtoSCTP, sctp(chunk(11, 0), chunk(6, 0))),
			Info{Kind: Flow4, Proto: ProtoSCTP, Chunk: ChunkAbort, L4: l4, End: l4 + 20}},
		"SCTP ABORT behind ERROR": {ip4(ProtoSCTP, sctp(chunk(9, 0), chunk(6, 0))),
			Info{Kind: Flow4, Proto: ProtoSCTP, Chunk: 9, L4: l4, End: l4 + 20}},
		"SCTP ABORT cut off behind COOKIE ECHO": {ip4(ProtoSCTP, sctp(chunk(10, 4), chunk(6, 0)[:3])),
			Info{Kind: Flow4, Proto: ProtoSCTP, Chunk: ChunkCookieEcho, L4: l4, End: l4 + 23}},
		"IPv4 options":          {ip4(ProtoUDP, udp(1), make([]byte, 40)...), Info{Kind: Flow4, Proto: ProtoUDP, L4: l4 + 40, End: l4 + 49}},
		"padding":               {append(ip4(ProtoUDP, udp(1)), pad...), Info{Kind: Flow4, Proto: ProtoUDP, L4: l4, End: l4 + 9}},
		"DF":                    {with(ip4(ProtoUDP, udp(0)), EthLen+IP4Frag, 0x40), Info{Kind: Flow4, Proto: ProtoUDP, L4: l4, End: l4 + 8}},
		"ICMP":                  {ip4(ProtoICMP, make([]byte, 8)), Info{Kind: ICMP4, Proto: ProtoICMP, L4: l4, End: l4 + 8}},
		"ICMP without anything": {ip4(ProtoICMP, nil), Info{Kind: ICMP4, Proto: ProtoICMP, L4: l4, End: l4}},
		"GRE":                   {ip4(47, make([]byte, 4)), Info{Kind: Other4, Proto: 47, Fault: reason.UnsupportedProtocol, L4: l4, End: l4 + 4}},
		"ICMPv6 over IPv4":      {ip4(ProtoICMP6, make([]byte, 8)), Info{Kind: Other4, Proto: ProtoICMP6, Fault: reason.UnsupportedProtocol, L4: l4, End: l4 + 8}},
		"first fragment":        {with(ip4(ProtoTCP, tcp(SYN, 4)), EthLen+IP4Frag, 0x20), Info{Kind: Fragment4, Proto: ProtoTCP, TCPFlags: SYN, L4: l4, End: l4 + 24, Frag: EthLen}},
		"later fragment":        {with(ip4(ProtoTCP, synTCP), EthLen+IP4Frag+1, 3), Info{Kind: Fragment4, Proto: ProtoTCP, L4: l4, End: l4 + 20, Frag: EthLen}},
		"last fragment, far":    {with(ip4(ProtoUDP, []byte{1, 2, 3, 4, 5, 6, 7}), EthLen+IP4Frag, 0x1f, EthLen+IP4Frag+1, 0xff), Info{Kind: Fragment4, Proto: ProtoUDP, L4: l4, End: l4 + 7, Frag: EthLen}},
		"fragment of GRE":       {with(ip4(47, synTCP), EthLen+IP4Frag+1, 3), Info{Kind: Other4, Proto: 47, Fault: reason.UnsupportedProtocol, L4: l4, End: l4 + 20, Frag: EthLen}},
		"broadcast":             {with(ip4(ProtoUDP, udp(0)), 0, 255, 1, 255, 2, 255, 3, 255, 4, 255, 5, 255), Info{Kind: Flow4, Proto: ProtoUDP, L4: l4, End: l4 + 8, Group: true}},
		"ARP":                   {eth(0x0806, make([]byte, 28)), Info{Kind: ARP}},

		"IPv6 TCP":  {ip6(ProtoTCP, data), Info{Kind: Flow6, Proto: ProtoTCP, TCPFlags: ACK, L4: l6, End: l6 + 27}},
		"IPv6 UDP":  {ip6(ProtoUDP, udp(3)), Info{Kind: Flow6, Proto: ProtoUDP, L4: l6, End: l6 + 11}},
		"IPv6 SCTP": {ip6(ProtoSCTP, sctp(chunk(1, 16))), Info{Kind: Flow6, Proto: ProtoSCTP, Chunk: ChunkInit, L4: l6, End: l6 + 32}},
		"IPv6 SCTP behind extension": {ip6(ProtoDestOpts, ext(ProtoSCTP, 1), sctp(chunk(0, 16))),
			Info{Kind: Flow6, Proto: ProtoSCTP, L4: l6 + 8, End: l6 + 40}},
		"IPv6 padding":         {append(ip6(ProtoUDP, udp(3)), pad...), Info{Kind: Flow6, Proto: ProtoUDP, L4: l6, End: l6 + 11}},
		"ICMPv6":               {ip6(ProtoICMP6, make([]byte, 8)), Info{Kind: ICMP6, Proto: ProtoICMP6, L4: l6, End: l6 + 8}},
		"IPv6 multicast":       {with(ip6(ProtoUDP, udp(0)), 0, 0x33), Info{Kind: Flow6, Proto: ProtoUDP, L4: l6, End: l6 + 8, Group: true}},
		"hop by hop":           {ip6(ProtoHopByHop, ext(ProtoTCP, 2), synTCP), Info{Kind: Flow6, Proto: ProtoTCP, TCPFlags: SYN, L4: l6 + 16, End: l6 + 36}},
		"MLD":                  {ip6(ProtoHopByHop, ext(ProtoICMP6, 1), make([]byte, 8)), Info{Kind: ICMP6, Proto: ProtoICMP6, L4: l6 + 8, End: l6 + 16}},
		"destination options":  {ip6(ProtoDestOpts, ext(ProtoUDP, 33), udp(1)), Info{Kind: Flow6, Proto: ProtoUDP, L4: l6 + 264, End: l6 + 273}},
		"spent routing header": {ip6(ProtoRouting, routing(ProtoUDP, 0), udp(0)), Info{Kind: Flow6, Proto: ProtoUDP, L4: l6 + 24, End: l6 + 32}},
		"three extensions": {ip6(ProtoHopByHop, ext(ProtoDestOpts, 1), ext(ProtoRouting, 1), routing(ProtoUDP, 0), udp(0)),
			Info{Kind: Flow6, Proto: ProtoUDP, L4: l6 + 40, End: l6 + 48}},
		"eight extensions":         {ip6(ProtoDestOpts, chain(8), udp(0)), Info{Kind: Flow6, Proto: ProtoUDP, L4: l6 + 64, End: l6 + 72}},
		"IPv6 fragment":            {ip6(ProtoFragment, fragment(ProtoUDP, 0, 1), udp(0)), Info{Kind: Fragment6, Proto: ProtoUDP, L4: l6 + 8, End: l6 + 16, Frag: l6}},
		"IPv6 later fragment":      {ip6(ProtoFragment, fragment(ProtoUDP, 185, 0), pad), Info{Kind: Fragment6, Proto: ProtoUDP, L4: l6 + 8, End: l6 + 28, Frag: l6}},
		"IPv6 extension, fragment": {ip6(ProtoFragment, fragment(ProtoDestOpts, 0, 1), ext(ProtoUDP, 1), udp(0)), Info{Kind: Fragment6, Proto: ProtoUDP, L4: l6 + 16, End: l6 + 24, Frag: l6}},
		"IPv6 fragment of OSPF":    {ip6(ProtoFragment, fragment(89, 0, 1), udp(0)), Info{Kind: Other6, Proto: 89, Fault: reason.UnsupportedProtocol, L4: l6 + 8, End: l6 + 16, Frag: l6}},
		"atomic fragment":          {ip6(ProtoFragment, fragment(ProtoUDP, 0, 0), udp(0)), Info{Kind: Flow6, Proto: ProtoUDP, L4: l6 + 8, End: l6 + 16}},
		"fragment after extension": {ip6(ProtoDestOpts, ext(ProtoFragment, 1), fragment(ProtoTCP, 0, 1), tcp(SYN, 4)), Info{Kind: Fragment6, Proto: ProtoTCP, TCPFlags: SYN, L4: l6 + 16, End: l6 + 40, Frag: l6 + 8}},
		"no next header":           {ip6(ProtoNone), Info{Kind: Other6, Proto: ProtoNone, Fault: reason.UnsupportedProtocol, L4: l6, End: l6}},
		"ESP":                      {ip6(ProtoDestOpts, ext(50, 1)), Info{Kind: Other6, Proto: 50, Fault: reason.UnsupportedProtocol, L4: l6 + 8, End: l6 + 8}},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGuard(t)
			var got Info
			Parse(at(g.put(c.frame)), uint32(len(c.frame)), asWord(ownMAC), &got)
			if got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
			for n := range len(c.frame) {
				Parse(at(g.put(c.frame[:n])), uint32(n), asWord(ownMAC), &got)
				short := n < max(EthLen, int(c.want.End))
				if short && (got.Kind != Bad || got.Fault != reason.Truncated) {
					t.Fatalf("cut to %d bytes: %+v", n, got)
				}
			}
		})
	}
}

func TestParseRefusesWhatIsNotSound(t *testing.T) {
	const l4 = EthLen + IP4Len
	udp4, tcp4, udp6 := ip4(ProtoUDP, udp(4)), ip4(ProtoTCP, tcp(ACK, 4)), ip6(ProtoUDP, udp(4))
	routing := ext(ProtoUDP, 1)
	routing[3] = 1
	var nine []byte
	for range 8 {
		nine = append(nine, ext(ProtoDestOpts, 1)...)
	}
	nine = append(nine, ext(ProtoUDP, 1)...)
	for name, c := range map[string]struct {
		frame []byte
		want  reason.Reason
	}{
		"another station's MAC":              {with(udp4, 5, 9), reason.WrongMAC},
		"multicast source MAC":               {with(udp4, 6, 1), reason.BadEthernet},
		"802.3 length":                       {with(udp4, 12, 5, 13, 0xdc), reason.BadEthernet},
		"VLAN tag":                           {with(udp4, 12, 0x81, 13, 0), reason.UnknownVLAN},
		"provider VLAN tag":                  {with(udp4, 12, 0x88, 13, 0xa8), reason.UnknownVLAN},
		"smallest EtherType":                 {with(udp4, 12, 6, 13, 0), reason.UnknownEtherType},
		"MPLS":                               {with(udp4, 12, 0x88, 13, 0x47), reason.UnknownEtherType},
		"IPv4 says version 6":                {with(udp4, EthLen, 0x65), reason.BadIPVersion},
		"IPv6 says version 4":                {with(udp6, EthLen, 0x45), reason.BadIPVersion},
		"IHL 4":                              {with(udp4, EthLen, 0x44), reason.BadIPHeader},
		"IHL 0":                              {with(udp4, EthLen, 0x40), reason.BadIPHeader},
		"total length below the header's":    {with(udp4, EthLen+IP4Total+1, 19), reason.BadIPHeader},
		"total length 0":                     {with(udp4, EthLen+IP4Total+1, 0), reason.BadIPHeader},
		"options longer than the packet":     {with(udp4, EthLen, 0x4f), reason.BadIPHeader},
		"total length beyond the frame":      {with(udp4, EthLen+IP4Total+1, 33), reason.Truncated},
		"total length 65535":                 {with(udp4, EthLen+IP4Total, 255, EthLen+IP4Total+1, 255), reason.Truncated},
		"payload length beyond the frame":    {with(udp6, EthLen+IP6Payload+1, 13), reason.Truncated},
		"TCP header cut by the IP length":    {with(tcp4, EthLen+IP4Total+1, 39), reason.Truncated},
		"UDP header cut by the IP length":    {with(udp4, EthLen+IP4Total+1, 27), reason.Truncated},
		"data offset 4":                      {with(tcp4, l4+TCPDataOffset, 0x40), reason.BadL4Header},
		"data offset beyond the packet":      {with(tcp4, l4+TCPDataOffset, 0x70), reason.BadL4Header},
		"SYN+FIN":                            {with(tcp4, l4+TCPFlags, 0x03), reason.BadL4Header},
		"SYN+RST":                            {with(tcp4, l4+TCPFlags, 0x06), reason.BadL4Header},
		"all flags":                          {with(tcp4, l4+TCPFlags, 0xff), reason.BadL4Header},
		"UDP length 7":                       {with(udp4, l4+UDPLength+1, 7), reason.BadL4Header},
		"UDP length beyond the packet":       {with(udp4, l4+UDPLength+1, 13), reason.BadL4Header},
		"UDP length 0 in IPv6 (jumbogram)":   {with(udp6, EthLen+IP6Len+UDPLength+1, 0), reason.BadL4Header},
		"SCTP header without a chunk":        {ip4(ProtoSCTP, sctp()), reason.Truncated},
		"SCTP header cut":                    {ip6(ProtoSCTP, sctp()[:11]), reason.Truncated},
		"SCTP chunk header cut":              {ip4(ProtoSCTP, sctp(chunk(0, 0)[:3])), reason.Truncated},
		"SCTP chunk of 3 bytes":              {ip4(ProtoSCTP, sctp(with(chunk(0, 0), 3, 3))), reason.BadL4Header},
		"SCTP chunk of 0 bytes":              {ip6(ProtoSCTP, sctp(with(chunk(0, 0), 3, 0))), reason.BadL4Header},
		"SCTP chunk beyond the packet":       {ip4(ProtoSCTP, sctp(with(chunk(0, 4), 3, 9))), reason.BadL4Header},
		"SCTP chunk of 65535 bytes":          {ip4(ProtoSCTP, sctp(with(chunk(10, 4), 2, 255, 3, 255))), reason.BadL4Header},
		"extension beyond the packet":        {ip6(ProtoDestOpts, with(ext(ProtoUDP, 1), 1, 1)), reason.Truncated},
		"chain that ends in nothing":         {ip6(ProtoDestOpts, ext(ProtoRouting, 1)), reason.Truncated},
		"fragment header cut":                {ip6(ProtoFragment, make([]byte, 7)), reason.Truncated},
		"first fragment of half a header":    {with(ip4(ProtoTCP, make([]byte, 16)), EthLen+IP4Frag, 0x20), reason.TinyFragment},
		"first fragment without options":     {with(ip4(ProtoTCP, with(tcp(SYN, 4), TCPDataOffset, 0x70)), EthLen+IP4Frag, 0x20), reason.TinyFragment},
		"fragment into the TCP header":       {with(ip4(ProtoTCP, make([]byte, 16)), EthLen+IP4Frag+1, 1), reason.TinyFragment},
		"fragment into the TCP flags":        {with(ip4(ProtoTCP, make([]byte, 16)), EthLen+IP4Frag+1, 2), reason.TinyFragment},
		"first fragment, data offset 4":      {with(ip4(ProtoTCP, tcp(SYN, 4)), EthLen+IP4Frag, 0x20, l4+TCPDataOffset, 0x40), reason.BadL4Header},
		"first fragment, SYN+FIN":            {with(ip4(ProtoTCP, tcp(SYN|FIN, 4)), EthLen+IP4Frag, 0x20), reason.BadL4Header},
		"first fragment, UDP length 7":       {with(ip4(ProtoUDP, udp(0)), EthLen+IP4Frag, 0x20, l4+UDPLength+1, 7), reason.BadL4Header},
		"empty fragment":                     {with(ip4(ProtoUDP, nil), EthLen+IP4Frag+1, 9), reason.BadFragment},
		"fragment of 9 bytes, not the last":  {with(ip4(ProtoUDP, udp(1)), EthLen+IP4Frag, 0x20), reason.BadFragment},
		"fragment beyond 65535 bytes":        {with(ip4(ProtoUDP, udp(0)), EthLen+IP4Frag, 0x1f, EthLen+IP4Frag+1, 0xff), reason.BadFragment},
		"IPv6 first fragment, chain cut":     {ip6(ProtoFragment, []byte{ProtoDestOpts, 0, 0, 1, 0, 0, 0, 9}, ext(ProtoUDP, 1)), reason.TinyFragment},
		"IPv6 first fragment, options cut":   {ip6(ProtoFragment, []byte{ProtoDestOpts, 0, 0, 1, 0, 0, 0, 9}, with(ext(ProtoUDP, 1), 1, 1)), reason.TinyFragment},
		"IPv6 fragment in a fragment":        {ip6(ProtoFragment, []byte{ProtoFragment, 0, 0, 1, 0, 0, 0, 9}, ext(ProtoUDP, 1), udp(0)), reason.ExtensionChain},
		"atomic fragment in another":         {ip6(ProtoFragment, []byte{ProtoFragment, 0, 0, 0, 0, 0, 0, 9}, ext(ProtoUDP, 1), udp(0)), reason.ExtensionChain},
		"IPv6 first fragment, hop by hop":    {ip6(ProtoFragment, []byte{ProtoDestOpts, 0, 0, 1, 0, 0, 0, 9}, ext(ProtoHopByHop, 1), udp(0)), reason.ExtensionChain},
		"extension, then no room for UDP":    {ip6(ProtoHopByHop, ext(ProtoUDP, 1), make([]byte, 7)), reason.Truncated},
		"hop by hop, not first":              {ip6(ProtoDestOpts, ext(ProtoHopByHop, 1), ext(ProtoUDP, 1), udp(0)), reason.ExtensionChain},
		"hop by hop twice":                   {ip6(ProtoHopByHop, ext(ProtoHopByHop, 1), ext(ProtoUDP, 1), udp(0)), reason.ExtensionChain},
		"nine extensions":                    {ip6(ProtoDestOpts, nine, udp(0)), reason.ExtensionChain},
		"routing header with a way to go":    {ip6(ProtoRouting, routing, udp(0)), reason.ExtensionChain},
		"jumbo payload (hop by hop, size 0)": {with(ip6(ProtoHopByHop, ext(ProtoUDP, 1), udp(0)), EthLen+IP6Payload+1, 0), reason.Truncated},
	} {
		t.Run(name, func(t *testing.T) {
			var got Info
			Parse(at(newGuard(t).put(c.frame)), uint32(len(c.frame)), asWord(ownMAC), &got)
			if got.Kind != Bad || got.Fault != c.want {
				t.Errorf("kind %d, fault %s, want %s", got.Kind, got.Fault, c.want)
			}
		})
	}
}

func TestParseRefusesFramesTooLargeForItsOffsets(t *testing.T) {
	g := newGuard(t)
	for n, ok := range map[int]bool{maxFrame: true, maxFrame + 1: false} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			var got Info
			Parse(at(g.put(append(ip4(ProtoUDP, udp(4)), make([]byte, n-46)...))), uint32(n), asWord(ownMAC), &got)
			if (got.Kind == Flow4) != ok {
				t.Errorf("kind %d", got.Kind)
			}
		})
	}
}
