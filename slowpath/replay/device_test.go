package replay

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath/port"
)

// udpPacket is a client's packet to the VIP of the tests here, with n words of IPv4 options.
func udpPacket(t *testing.T, options int) []byte {
	t.Helper()
	eth := &layers.Ethernet{SrcMAC: []byte{2, 0, 0, 0, 0, 1}, DstMAC: []byte{2, 0, 0, 0, 0, 2}, EthernetType: layers.EthernetTypeIPv4}
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: []byte{198, 51, 100, 7}, DstIP: []byte{203, 0, 113, 10}}
	for range 4 * options {
		ip.Options = append(ip.Options, layers.IPv4Option{OptionType: 1})
	}
	udp := &layers.UDP{SrcPort: 40000, DstPort: 53}
	if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, eth, ip, udp, gopacket.Payload("weir")); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestTheDeviceChecksIPv4HeaderChecksumsOnly(t *testing.T) {
	changed := func(options, at int, by byte) []byte {
		b := udpPacket(t, options)
		b[at] ^= by
		return b
	}
	for name, c := range map[string]struct {
		frame []byte
		bad   bool
	}{
		"right":                           {udpPacket(t, 0), false},
		"right, with options":             {udpPacket(t, 10), false},
		"TOS changed":                     {changed(0, 15, 1), true},
		"the checksum itself changed":     {changed(0, 25, 0x80), true},
		"an option changed":               {changed(3, 40, 1), true},
		"UDP checksum wrong":              {changed(0, 40, 1), false},
		"payload changed":                 {changed(0, 43, 1), false},
		"IPv6":                            {changed(0, 12, 0x08^0x86), false},
		"version 5, which is no checksum": {changed(0, 14, 0x10), false},
		"IHL 4, which is no checksum":     {changed(0, 14, 0x01), false},
		"options beyond the frame":        {changed(0, 14, 0x0a)[:60], false},
		"header cut":                      {udpPacket(t, 0)[:33], false},
		"nothing":                         {nil, false},
	} {
		if got := deviceFlags(c.frame); got&port.BadIPChecksum != 0 != c.bad || got&^port.BadIPChecksum != 0 {
			t.Errorf("%s: flags %x", name, got)
		}
	}
}

func TestAWrongIPChecksumIsDroppedAsByADevice(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "weir.yaml")
	text := `
ports:
  - {name: wan, device: net_null0, mac: 02:00:00:00:00:02, addresses: [203.0.113.2/24], gateways: [203.0.113.1]}
services:
  - name: dns
    address: 203.0.113.10:53
    protocol: udp
    mode: nat
    backends: [{address: 203.0.113.11:53}]
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := conf.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	damaged, halfMade := udpPacket(t, 0), udpPacket(t, 0)
	damaged[15] = 1
	binary.BigEndian.PutUint16(halfMade[40:], 0x1234) // what checksum offload leaves to the device
	in := filepath.Join(dir, "in.pcap")
	f, err := os.Create(in)
	if err != nil {
		t.Fatal(err)
	}
	w := pcapgo.NewWriter(f)
	if err := w.WriteFileHeader(1<<16, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	for i, p := range [][]byte{udpPacket(t, 0), damaged, halfMade} {
		ci := gopacket.CaptureInfo{Timestamp: time.Unix(int64(i), 0), CaptureLength: len(p), Length: len(p)}
		if err := w.WritePacket(ci, p); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	sum, err := Run(cfg, in, filepath.Join(dir, "out.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	if sum.In != 3 || sum.Out != 2 || sum.Drops["bad_ip_checksum"] != 1 || sum.Dropped != 1 {
		t.Errorf("%+v", sum)
	}
}
