package conf

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheEffectiveConfigurationIsTheSameAsItsFile(t *testing.T) {
	files, err := filepath.Glob("examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	texts := map[string]string{
		"base": base, "least": least, "aliases": editPorts + shared,
		"checks": edits{"mode: nat", "mode: nat, health: {type: dns, name: example.com, flapping: {falls: 4}}, on_change: {command: [/bin/true, \"a b\"]}, quorum: {weight: 1}"}.of(t, least),
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		texts[f] = string(text)
	}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			cfg := mustLoad(t, text)
			out, err := cfg.Effective()
			if err != nil {
				t.Fatal(err)
			}
			again := mustLoad(t, string(out))
			if diff := cmp.Diff(cfg.comparable(), again.comparable(), byValue); diff != "" {
				t.Errorf("- the file, + its effective form:\n%s\n%s", diff, out)
			}
			if twice, err := again.Effective(); err != nil || string(twice) != string(out) {
				t.Errorf("the effective form of the effective form is another (%v):\n%s", err, cmp.Diff(string(out), string(twice)))
			}
		})
	}
}

func TestTheEffectiveConfigurationHasDefaultsAndTheEnvironment(t *testing.T) {
	t.Setenv("WEIR_DATAPLANE_MEMORY_MB", "64")
	cfg, err := Parse("weir.yaml", []byte(least))
	if err != nil {
		t.Fatal(err)
	}
	out, err := cfg.Effective()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"dataplane:\n  hugepages: auto\n  memory_mb: 64\n", "    timeouts: {tcp: 900s, tcp_fin: 120s, udp: 300s, sctp: 900s}\n"[2:],
		"      - {address: '203.0.113.11:80', weight: 1, state: up}\n", "api:\n  socket: /run/weir.sock\n",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if strings.Contains(string(out), "tunnel") {
		t.Errorf("a nat service has a tunnel:\n%s", out)
	}
}
