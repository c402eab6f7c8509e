package conf

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFilesThatAreNotThereAreToldWithTheirLines(t *testing.T) {
	dir := t.TempDir()
	good, plain := filepath.Join(dir, "good"), filepath.Join(dir, "plain")
	for path, mode := range map[string]os.FileMode{good: 0o700, plain: 0o600} {
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	cfg := mustLoad(t, `ports: [{name: wan, device: net_null0, addresses: [203.0.113.2/24]}]
services:
  - {name: a, address: 203.0.113.10:80, protocol: tcp, mode: dr, backends: [], health: &check {type: exec, command: [/nonexistent/check]}}
  - {name: b, address: 203.0.113.10:81, protocol: tcp, mode: dr, backends: [], health: *check, on_change: {command: [`+plain+`]}}
  - {name: c, address: 203.0.113.10:82, protocol: tcp, mode: dr, backends: [], on_change: {command: [`+good+`, /nonexistent]},
     health: {type: tls, verify: true, ca: `+dir+`, certificate: `+plain+`, key: /nonexistent/key}}
`)
	err := cfg.CheckFiles()
	want := "weir.yaml:3: services[0].health.command[0]: there is no file /nonexistent/check\n" +
		"weir.yaml:4: services[1].on_change.command[0]: " + plain + " cannot be run: chmod +x it\n" +
		"weir.yaml:6: services[2].health.ca: " + dir + " is not a file\n" +
		"weir.yaml:6: services[2].health.key: there is no file /nonexistent/key"
	if err == nil {
		t.Fatal("no errors")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("- want, + got:\n%s", diff)
	}
	if err := mustLoad(t, base).CheckFiles(); err != nil {
		t.Errorf("base: %v", err)
	}
}

func TestCertificatesThatCannotBeUsedAreToldWithTheirLines(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := mustLoad(t, least+"api:\n  listen: 127.0.0.1:9443\n  certificate: "+empty+"\n  key: "+empty+"\n  client_ca: "+empty+"\n")
	err := cfg.CheckFiles()
	want := "weir.yaml:7: api.certificate: " + empty + " and the key " + empty + " are no pair that can be used: " +
		"tls: failed to find any PEM data in certificate input"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
