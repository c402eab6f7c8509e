package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// captureConfig has everything a capture can be replayed against: all modes, both families, and neighbours that need
// nobody to answer.
const captureConfig = `
services:
  - {name: nat4, address: "203.0.113.10:80", protocol: tcp, mode: nat, scheduler: rr, backends: [{address: "10.0.0.11:8080"}, {address: "10.0.0.12:8080"}]}
  - {name: tun4, address: "203.0.113.11:80", protocol: tcp, mode: tun, scheduler: mh, backends: [{address: "10.0.0.11:80"}, {address: "10.0.0.12:80"}]}
  - {name: dr4, address: "203.0.113.12:53", protocol: udp, mode: dr, scheduler: sh, backends: [{address: "10.0.0.11:53"}, {address: "10.0.0.12:53"}]}
  - {name: nat6, address: "[2001:db8::10]:80", protocol: tcp, mode: nat, scheduler: wrr, backends: [{address: "[fd00::11]:8080", weight: 2}, {address: "[fd00::12]:8080"}]}
  - {name: tun6, address: "[2001:db8::11]:80", protocol: tcp, mode: tun, backends: [{address: "10.0.0.11:80"}]}
neighbors:
  - {port: wan, address: 203.0.113.1, mac: "02:00:00:00:00:01"}
  - {port: wan, address: "2001:db8::1", mac: "02:00:00:00:00:01"}
  - {port: lan, address: 10.0.0.11, mac: "02:00:00:00:01:11"}
  - {port: lan, address: 10.0.0.12, mac: "02:00:00:00:01:12"}
  - {port: lan, address: "fd00::11", mac: "02:00:00:00:01:11"}
  - {port: lan, address: "fd00::12", mac: "02:00:00:00:01:12"}
`

// capturePorts are the ports for it on two devices.
func capturePorts(wan, lan string) string {
	return `ports:
  - {name: wan, device: "` + wan + `", mac: "02:00:00:00:00:02", addresses: [203.0.113.2/24, "2001:db8::2/64"], gateways: [203.0.113.1, "2001:db8::1"]}
  - {name: lan, device: "` + lan + `", mac: "02:00:00:00:01:01", addresses: [10.0.0.1/24, "fd00::1/64"]}
`
}

// clientFrame is a packet of a client for a VIP: a SYN, or a datagram.
func clientFrame(t *testing.T, src, dst string, sport, dport int, udp bool, payload int) []byte {
	t.Helper()
	from, to := net.ParseIP(src), net.ParseIP(dst)
	eth := &layers.Ethernet{SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2}, EthernetType: layers.EthernetTypeIPv4}
	proto := layers.IPProtocolTCP
	if udp {
		proto = layers.IPProtocolUDP
	}
	var ip gopacket.SerializableLayer
	var network gopacket.NetworkLayer
	if from.To4() != nil {
		l := &layers.IPv4{Version: 4, TTL: 64, Protocol: proto, SrcIP: from, DstIP: to}
		ip, network = l, l
	} else {
		eth.EthernetType = layers.EthernetTypeIPv6
		l := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: proto, SrcIP: from, DstIP: to}
		ip, network = l, l
	}
	tcp := &layers.TCP{SrcPort: layers.TCPPort(sport), DstPort: layers.TCPPort(dport), SYN: true, Window: 65535}
	dgram := &layers.UDP{SrcPort: layers.UDPPort(sport), DstPort: layers.UDPPort(dport)}
	var l4 gopacket.SerializableLayer = tcp
	err := tcp.SetNetworkLayerForChecksum(network)
	if udp {
		l4, err = dgram, dgram.SetNetworkLayerForChecksum(network)
	}
	if err != nil {
		t.Fatal(err)
	}
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buf, opts, eth, ip, l4, gopacket.Payload(make([]byte, payload))); err != nil {
		t.Fatal(err)
	}
	return append([]byte(nil), buf.Bytes()...)
}

// clientCapture is 200 packets of many clients for every service, with some that must be dropped.
func clientCapture(t *testing.T) [][]byte {
	t.Helper()
	var out [][]byte
	for i := range 40 {
		out = append(out,
			clientFrame(t, "198.51.100.7", "203.0.113.10", 1024+i, 80, false, i),
			clientFrame(t, "198.51.100.7", "203.0.113.11", 1024+i, 80, false, i),
			clientFrame(t, "198.51.100.7", "203.0.113.12", 1024+i, 53, true, i),
			clientFrame(t, "2001:db8:c::7", "2001:db8::10", 1024+i, 80, false, i),
			clientFrame(t, "2001:db8:c::7", "2001:db8::11", 1024+i, 80, false, i))
	}
	out[17] = out[17][:30]
	out[23] = clientFrame(t, "203.0.113.10", "203.0.113.10", 1, 80, false, 0)
	return out
}

func writeCapture(t *testing.T, path string, frames [][]byte) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := pcapgo.NewWriter(f)
	if err := w.WriteFileHeader(65536, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1_700_000_000, 0)
	for i, b := range frames {
		ci := gopacket.CaptureInfo{Timestamp: at.Add(time.Duration(i) * time.Millisecond), CaptureLength: len(b), Length: len(b)}
		if err := w.WritePacket(ci, b); err != nil {
			t.Fatal(err)
		}
	}
}

// readCapture returns the frames of a pcap file that carry IP; none if the file is not whole yet.
func readCapture(t *testing.T, path string) (out [][]byte) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	if err != nil {
		return nil
	}
	for {
		b, _, err := r.ReadPacketData()
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if typ := int(b[12])<<8 | int(b[13]); typ == 0x0800 || typ == 0x86dd && b[20] != 58 {
			out = append(out, b)
		}
	}
}

func TestReplayAndTheDaemonOnPcapPortsSendTheSameBytes(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	in, empty := filepath.Join(dir, "in.pcap"), filepath.Join(dir, "empty.pcap")
	frames := clientCapture(t)
	writeCapture(t, in, frames)
	writeCapture(t, empty, nil)

	replayed := filepath.Join(dir, "replayed.pcap")
	_, errs, code := run(t, "replay", "-c", write(t, "weir.yaml", capturePorts("net_null0", "net_null1")+captureConfig),
		"-i", in, "-o", replayed, "--summary", "json")
	if code != 0 {
		t.Fatal(errs)
	}
	var sum struct{ In, Out, Own, Punted, Dropped uint64 }
	if err := json.Unmarshal([]byte(errs), &sum); err != nil {
		t.Fatalf("%v in %s", err, errs)
	}
	if sum.In != uint64(len(frames)) || sum.Dropped != 2 || sum.In != sum.Out+sum.Punted+sum.Dropped-sum.Own {
		t.Errorf("%+v", sum)
	}
	want := readCapture(t, replayed)

	wanOut, lanOut := filepath.Join(dir, "wan.pcap"), filepath.Join(dir, "lan.pcap")
	d := start(t, "", "dataplane: {max_connections: 1000}\n"+
		capturePorts("net_pcap0,rx_pcap="+in+",tx_pcap="+wanOut, "net_pcap1,rx_pcap="+empty+",tx_pcap="+lanOut)+captureConfig)
	d.until("all packets are counted", func() bool {
		w := d.show("workers")[0]
		return w["packets_in"].(float64) >= float64(len(frames))
	})
	d.stop()
	got := readCapture(t, lanOut)
	if len(got) != len(want) || len(want) != len(frames)-2 {
		t.Fatalf("the daemon sent %d packets, replay %d, of %d", len(got), len(want), len(frames))
	}
	// Bursts keep the order within a flow, not between flows: tunnelled IPv4 is compared without the outer ID.
	for i := range got {
		if !bytes.Equal(got[i], want[i]) {
			t.Fatalf("packet %d:\n%x, replay has\n%x", i, got[i], want[i])
		}
	}
}

func TestReplayIsRepeatableAndNeedsNoRoot(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "in.pcap")
	writeCapture(t, in, clientCapture(t))
	config := write(t, "weir.yaml", capturePorts("net_null0", "net_null1")+captureConfig)
	var outputs [][]byte
	for _, name := range []string{"a.pcapng", "b.pcapng"} {
		out := filepath.Join(dir, name)
		if _, errs, code := run(t, "replay", "-c", config, "-i", in, "-o", out); code != 0 {
			t.Fatal(errs)
		}
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		outputs = append(outputs, b)
	}
	if !bytes.Equal(outputs[0], outputs[1]) {
		t.Error("two runs differ")
	}
}
