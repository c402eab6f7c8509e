package fastpath

import (
	"testing"

	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
)

func TestEveryBadPacketIsDroppedForItsReason(t *testing.T) {
	syn := pk{from: "198.51.100.7:40000", to: "203.0.113.10:80", flags: "S"}
	syn6 := pk{from: "[2001:db8:c::7]:40000", to: "[2001:db8::10]:80", flags: "S"}
	udp := pk{from: "198.51.100.7:40000", to: "203.0.113.10:53", udp: true, payload: 4}
	sctp := pk{from: "198.51.100.7:40000", to: "203.0.113.10:3868", chunks: []uint8{1}, payload: 16}
	edit := func(p pk, f func([]byte)) []byte { b := p.frame(t); f(b); return b }
	for name, c := range map[string]struct {
		frame  []byte
		flags  uint16
		reason string
	}{
		"runt":                     {frame: make([]byte, 13), reason: "truncated"},
		"802.3":                    {frame: edit(syn, func(b []byte) { b[12], b[13] = 1, 0 }), reason: "bad_ethernet"},
		"VLAN tag":                 {frame: edit(syn, func(b []byte) { b[12], b[13] = 0x81, 0 }), reason: "unknown_vlan"},
		"VLAN tag cut":             {frame: edit(syn, func(b []byte) { b[12], b[13] = 0x81, 0 })[:17], reason: "unknown_vlan"},
		"multicast source MAC":     {frame: edit(syn, func(b []byte) { b[6] |= 1 }), reason: "bad_ethernet"},
		"another station's MAC":    {frame: pk{from: syn.from, to: syn.to, dstMAC: [6]byte{2, 9, 9, 9, 9, 9}}.frame(t), reason: "wrong_mac"},
		"LLDP":                     {frame: edit(syn, func(b []byte) { b[12], b[13] = 0x88, 0xcc }), reason: "unknown_ethertype"},
		"version 5":                {frame: edit(syn, func(b []byte) { b[14] = 0x55 }), reason: "bad_ip_version"},
		"IPv6 in IPv4's EtherType": {frame: edit(syn6, func(b []byte) { b[12], b[13] = 8, 0 }), reason: "bad_ip_version"},
		"loose source route":       {frame: edit(pk{from: syn.from, to: syn.to, flags: "S", options: 8}, func(b []byte) { copy(b[34:], []byte{131, 7, 4, 192, 0, 2, 1, 0}) }), reason: "source_route"},
		"strict source route":      {frame: edit(pk{from: syn.from, to: syn.to, flags: "S", options: 12}, func(b []byte) { copy(b[34:], []byte{1, 7, 3, 4, 137, 7, 4, 192, 0, 2, 1, 0}) }), reason: "source_route"},
		"source route, fragment":   {frame: edit(pk{from: syn.from, to: syn.to, udp: true, options: 8}, func(b []byte) { b[21] = 9; copy(b[34:], []byte{131, 7, 4, 192, 0, 2, 1, 0}) }), reason: "source_route"},
		"short IPv4 header":        {frame: edit(syn, func(b []byte) { b[14] = 0x44 }), reason: "bad_ip_header"},
		"total length too large":   {frame: edit(syn, func(b []byte) { b[17] = 200 }), reason: "truncated"},
		"total length too small":   {frame: edit(syn, func(b []byte) { b[17] = 19 }), reason: "bad_ip_header"},
		"cut in the TCP header":    {frame: edit(syn, func(b []byte) { b[17] = 39 }), reason: "truncated"},
		"cut IPv6":                 {frame: syn6.frame(t)[:70], reason: "truncated"},
		"TCP data offset":          {frame: edit(syn, func(b []byte) { b[46] = 0x40 }), reason: "bad_l4_header"},
		"SYN+FIN":                  {frame: edit(syn, func(b []byte) { b[47] |= 1 }), reason: "bad_l4_header"},
		"UDP length":               {frame: edit(udp, func(b []byte) { b[39] = 13 }), reason: "bad_l4_header"},
		"UDP length below 8":       {frame: edit(udp, func(b []byte) { b[39] = 7 }), reason: "bad_l4_header"},
		"SCTP chunk's length":      {frame: edit(sctp, func(b []byte) { b[49] = 21 }), reason: "bad_l4_header"},
		"SCTP without a chunk":     {frame: edit(sctp, func(b []byte) { b[17] = 32 }), reason: "truncated"},
		"SCTP checksum (device)":   {frame: sctp.frame(t), flags: port.BadL4Checksum, reason: "bad_l4_checksum"},
		"DATA of no association":   {frame: pk{from: sctp.from, to: sctp.to, chunks: []uint8{0}}.frame(t), reason: "no_connection"},
		"INIT ACK of none":         {frame: pk{from: sctp.from, to: sctp.to, chunks: []uint8{2}}.frame(t), reason: "no_connection"},
		"SCTP to a TCP service":    {frame: pk{from: sctp.from, to: "203.0.113.10:80", chunks: []uint8{1}}.frame(t), reason: "no_service"},
		"IP checksum (device)":     {frame: syn.frame(t), flags: port.BadIPChecksum, reason: "bad_ip_checksum"},
		"L4 checksum (device)":     {frame: syn.frame(t), flags: port.BadL4Checksum, reason: "bad_l4_checksum"},
		"several buffers":          {frame: syn.frame(t), flags: port.Segmented, reason: "segmented"},
		"fragment of 20 bytes":     {frame: edit(syn, func(b []byte) { b[20] = 0x20 }), reason: "bad_fragment"},
		"fragment in the header":   {frame: edit(syn, func(b []byte) { b[21] = 1 }), reason: "tiny_fragment"},
		"fragment of GRE":          {frame: edit(syn, func(b []byte) { b[21], b[23] = 9, 47 }), reason: "unsupported_protocol"},
		"fragment to everybody":    {frame: edit(pk{from: syn.from, to: syn.to, dstMAC: [6]byte{255, 255, 255, 255, 255, 255}}, func(b []byte) { b[21] = 9 }), reason: "multicast_ignored"},
		"from 127.0.0.1":           {frame: pk{from: "127.0.0.1:9", to: syn.to, flags: "S"}.frame(t), reason: "martian_source"},
		"from 0.0.0.0":             {frame: pk{from: "0.0.0.0:9", to: syn.to, flags: "S"}.frame(t), reason: "martian_source"},
		"from multicast":           {frame: pk{from: "224.0.0.5:9", to: syn.to, flags: "S"}.frame(t), reason: "martian_source"},
		"from ::1":                 {frame: pk{from: "[::1]:9", to: syn6.to, flags: "S"}.frame(t), reason: "martian_source"},
		"from ff02::1":             {frame: pk{from: "[ff02::1]:9", to: syn6.to, flags: "S"}.frame(t), reason: "martian_source"},
		"from a mapped address":    {frame: pk{from: "[::ffff:198.51.100.7]:9", to: syn6.to, flags: "S"}.frame(t), reason: "martian_source"},
		"from fe80::1":             {frame: pk{from: "[fe80::1]:9", to: syn6.to, flags: "S"}.frame(t), reason: "martian_source"},
		"from the subnet's end":    {frame: pk{from: "203.0.113.255:9", to: syn.to, flags: "S"}.frame(t), reason: "martian_source"},
		"from everybody":           {frame: pk{from: "255.255.255.255:9", to: syn.to, flags: "S"}.frame(t), reason: "martian_source"},
		"from itself (land)":       {frame: pk{from: syn.to, to: syn.to, flags: "S"}.frame(t), reason: "spoofed_source"},
		"from the IPv6 VIP":        {frame: pk{from: "[2001:db8::10]:9", to: syn6.to, flags: "S"}.frame(t), reason: "spoofed_source"},
		"from the VIP":             {frame: pk{from: "203.0.113.10:9", to: syn.to, flags: "S"}.frame(t), reason: "spoofed_source"},
		"from Weir's own address":  {frame: pk{from: "203.0.113.2:9", to: syn.to, flags: "S"}.frame(t), reason: "spoofed_source"},
		"RST of no connection":     {frame: pk{from: syn.from, to: syn.to, flags: "R"}.frame(t), reason: "no_connection"},
		"FIN of no connection":     {frame: pk{from: syn.from, to: syn.to, flags: "FA"}.frame(t), reason: "no_connection"},
		"IPv6 fragment":            {frame: insert6(syn6.frame(t), []byte{44, 0, 0, 1, 0, 0, 0, 9}), reason: "bad_fragment"},
		"routing header, going":    {frame: insert6(syn6.frame(t), []byte{43, 0, 4, 1, 0, 0, 0, 0}), reason: "extension_chain"},
		"bad length, bad checksum": {frame: edit(syn, func(b []byte) { b[17] = 19 }), flags: port.BadIPChecksum, reason: "bad_ip_header"},
		"cut off in this buffer":   {frame: syn.frame(t)[:50], flags: port.Segmented | port.BadL4Checksum, reason: "segmented"},
		"to the subnet's end":      {frame: pk{from: syn.from, to: "203.0.113.255:80", flags: "S"}.frame(t), reason: "foreign"},
		"to nobody":                {frame: pk{from: syn.from, to: "192.0.2.1:80", flags: "S"}.frame(t), reason: "foreign"},
		"to another port":          {frame: pk{from: syn.from, to: "203.0.113.10:81", flags: "S"}.frame(t), reason: "no_service"},
		"to another protocol":      {frame: pk{from: syn.from, to: "203.0.113.10:80", udp: true}.frame(t), reason: "no_service"},
		"TCP without SYN":          {frame: pk{from: syn.from, to: syn.to, flags: "A"}.frame(t), reason: "no_connection"},
		"SYN+ACK from a client":    {frame: pk{from: syn.from, to: syn.to, flags: "SA"}.frame(t), reason: "no_connection"},
		"GRE to a VIP":             {frame: edit(syn, func(b []byte) { b[23] = 47 }), reason: "unsupported_protocol"},
		"to Weir without TAP":      {frame: pk{from: syn.from, to: "203.0.113.2:22", flags: "S"}.frame(t), reason: "no_tap"},
		"broadcast MAC":            {frame: pk{from: syn.from, to: syn.to, flags: "S", dstMAC: [6]byte{255, 255, 255, 255, 255, 255}}.frame(t), reason: "multicast_ignored"},
		"ICMP timestamp":           {frame: icmpFrame("198.51.100.7", "203.0.113.10", 13, 0, make([]byte, 16), gwMAC, wanMAC, 9), reason: "icmp_unsupported"},
		"ICMP of 4 bytes":          {frame: icmpFrame("198.51.100.7", "203.0.113.10", 8, 0, nil, gwMAC, wanMAC, 9), reason: "bad_icmp"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, []rigService{
				{vip: "203.0.113.10:80", proto: packet.ProtoTCP, mode: NAT},
				{vip: "203.0.113.10:53", proto: packet.ProtoUDP, mode: NAT},
				{vip: "203.0.113.10:3868", proto: packet.ProtoSCTP, mode: NAT},
				{vip: "[2001:db8::10]:80", proto: packet.ProtoTCP, mode: NAT},
			})
			if out := r.sendTo(0, wan, c.frame, c.flags); len(out) != 0 {
				t.Errorf("%d frames left", len(out))
			}
			if got := r.reasons(); len(got) != 1 || got[c.reason] != 1 {
				t.Errorf("reasons %v, want %s", got, c.reason)
			}
		})
	}
}

func TestSlowPathGetsWhatIsForIt(t *testing.T) {
	own := pk{from: "198.51.100.7:40000", to: "203.0.113.2:22", flags: "S"}
	arp := append(append(append([]byte{}, wanMAC[:]...), gwMAC[:]...), append([]byte{8, 6}, make([]byte, 28)...)...)
	ns := icmpFrame("2001:db8::1", "2001:db8::10", 135, 0, make([]byte, 20), gwMAC, wanMAC, 255)
	multicast := pk{from: "198.51.100.7:1", to: "224.0.0.251:5353", udp: true, dstMAC: [6]byte{1, 0, 0x5e, 0, 0, 0xfb}}
	fragment := own.frame(t)
	fragment[21] = 9
	for name, c := range map[string]struct {
		frame  []byte
		reason string
	}{
		"TCP to its own address":      {own.frame(t), "punt_local"},
		"fragment to its own address": {fragment, "punt_local"},
		"ping to its own address":     {icmpFrame("198.51.100.7", "203.0.113.2", 8, 0, make([]byte, 4), gwMAC, wanMAC, 9), "punt_local"},
		"ARP":                         {arp, "punt_arp"},
		"neighbour solicitation":      {ns, "punt_nd"},
		"mDNS":                        {multicast.frame(t), "punt_multicast"},
	} {
		r := newRig(t, []rigService{{vip: "203.0.113.10:80", proto: packet.ProtoTCP, mode: NAT}}, withTAP())
		r.send(wan, c.frame)
		got := r.punted()
		if len(got) != 1 || got[0].Reason.String() != c.reason || int(got[0].Len) != len(c.frame) || got[0].Port != wan {
			t.Errorf("%s: punted %+v, want %s", name, got, c.reason)
		}
	}
}
