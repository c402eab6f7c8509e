package replay

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/weirlb/weir/conf"
)

func TestTheCaptureIsNotOverwritten(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "weir.yaml")
	text := "ports: [{name: wan, device: net_null0, addresses: [203.0.113.2/24]}]"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := conf.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	var capture bytes.Buffer
	w := pcapgo.NewWriter(&capture)
	if err := w.WriteFileHeader(1<<16, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	p := udpPacket(t, 0) // for nobody here: nothing leaves
	if err := w.WritePacket(gopacket.CaptureInfo{CaptureLength: len(p), Length: len(p)}, p); err != nil {
		t.Fatal(err)
	}
	in, link, symlink := filepath.Join(dir, "in.pcap"), filepath.Join(dir, "link.pcap"), filepath.Join(dir, "symlink.pcap")
	if err := os.WriteFile(in, capture.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(in, link); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(in, symlink); err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{in, dir + "/./in.pcap", link, symlink} {
		if _, err := Run(cfg, in, out); err == nil {
			t.Errorf("%s is written to", out)
		}
		if left, err := os.ReadFile(in); err != nil || !bytes.Equal(left, capture.Bytes()) {
			t.Fatalf("%s: %d bytes of the capture are left, error %v", out, len(left), err)
		}
	}
}
