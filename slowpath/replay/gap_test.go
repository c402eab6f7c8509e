package replay

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/weirlb/weir/conf"
)

// The workers' clock counts milliseconds in 32 bits, of which half the range is the past.
func TestConnectionsExpireHoweverLongTheGap(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "weir.yaml")
	text := `
ports:
  - {name: wan, device: net_null0, addresses: [203.0.113.2/24], gateways: [203.0.113.1]}
services:
  - {name: dns, address: "203.0.113.10:53", protocol: udp, mode: nat, backends: [{address: "203.0.113.11:53"}]}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := conf.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	const day = 24 * time.Hour
	for _, gap := range []time.Duration{300*time.Second - time.Millisecond, 300 * time.Second, day, 7 * day, 25 * day, 30 * day, 49 * day, 50 * day, 99 * day, 40000 * day} {
		in := filepath.Join(dir, "in.pcapng")
		f, err := os.Create(in)
		if err != nil {
			t.Fatal(err)
		}
		w, err := pcapgo.NewNgWriter(f, layers.LinkTypeEthernet)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []time.Duration{0, gap} {
			p := udpPacket(t, 0)
			ci := gopacket.CaptureInfo{Timestamp: time.Unix(0, 0).Add(at), CaptureLength: len(p), Length: len(p)}
			if err := w.WritePacket(ci, p); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		sum, err := Run(cfg, in, filepath.Join(dir, "out.pcap"))
		if err != nil {
			t.Fatal(err)
		}
		want := uint64(2)
		if gap < 300*time.Second {
			want = 1
		}
		if sum.NewConnections != want || sum.Connections != 1 || sum.Out != 2 {
			t.Errorf("after %s: %+v, want %d connections made", gap, sum, want)
		}
	}
}
