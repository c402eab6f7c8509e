package explain

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirlb/weir/conf"
)

const nested = `
ports:
  - {name: wan, device: net_null0, addresses: [203.0.113.2/24], gateways: [203.0.113.1]}
  - {name: lan, device: net_null1, addresses: [10.0.0.1/24]}
services:
  - {name: all, address: "203.0.113.64/28:0", persistence: {}, protocol: tcp, mode: nat, backends: [{address: 10.0.0.11}]}
  - {name: range, addresses: ["203.0.113.65:8000-8100", "203.0.113.66:80"], protocol: tcp, mode: nat, backends: [{address: 10.0.0.12}]}
  - {name: test, address: "203.0.113.65:8000-8100", match: {source: [198.51.100.0/24], port: [wan]}, protocol: tcp, mode: nat, backends: [{address: 10.0.0.13}]}
  - {name: inner, address: "203.0.113.10:80", match: {port: [lan]}, protocol: tcp, mode: nat, backends: [{address: "10.0.0.14:80"}]}
`

func TestServicesThatCouldTakeAPacketAreTold(t *testing.T) {
	file := filepath.Join(t.TempDir(), "weir.yaml")
	if err := os.WriteFile(file, []byte(nested), 0o644); err != nil {
		t.Fatal(err)
	}
	cfg, err := conf.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	for packet, want := range map[string][]string{
		"tcp 192.0.2.7:1 > 203.0.113.64:443": {"all: tcp 203.0.113.64/28:0, nat\n"},
		"tcp 192.0.2.7:1 > 203.0.113.65:8080": {
			"range: tcp 203.0.113.65:8000-8100,203.0.113.66:80, nat\n", "more specific than all: 203.0.113.64/28:0\n",
			"not test, which takes what comes from 198.51.100.0/24 by port wan\n", "10.0.0.12:8080",
		},
		"tcp 198.51.100.7:1 > 203.0.113.65:8080": {
			"test: tcp 203.0.113.65:8000-8100 from 198.51.100.0/24 by port wan, nat\n", "more specific than all: 203.0.113.64/28:0\n",
			"more specific than range: 203.0.113.65:8000-8100\n", "10.0.0.13:8080",
		},
		"tcp 192.0.2.7:1 > 203.0.113.10:80": {
			"none: 203.0.113.10 is a VIP, but none of its services has tcp port 80 from 192.0.2.7 by port wan\n",
			"inner has tcp port 80 by port lan\n", "no_service",
		},
	} {
		text := told(t, explained(t, cfg, packet))
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%q is not in\n%s", w, text)
			}
		}
	}
}
