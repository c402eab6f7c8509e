package conf

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// many is the text of a configuration of services with two backends each, of several kinds.
func many(services int) []byte {
	var b strings.Builder
	b.WriteString(`ports:
  - {name: wan, device: net_null0, addresses: [203.0.113.2/24], gateways: [203.0.113.1]}
  - {name: lan, device: net_null1, addresses: [10.0.0.1/16]}
services:
`)
	for i := range services {
		mode, protocol, port := "nat", "tcp", 8080
		if i%2 == 1 {
			protocol = "udp"
		}
		if i%4 == 1 {
			mode, port = "tun", 80
		}
		fmt.Fprintf(&b, "  - name: s%d\n    address: 198.18.%d.%d:80\n    protocol: %s\n    mode: %s\n    health: {type: %s}\n    backends:\n",
			i, i>>8, i&255, protocol, mode, []string{"http", "tcp", "ping"}[i%3])
		for j := range 2 {
			at := (2*i + j) % 10_000
			fmt.Fprintf(&b, "      - {address: 10.0.%d.%d:%d, weight: 2}\n", 1+at/200, 1+at%200, port)
		}
	}
	return []byte(b.String())
}

func TestTheEffectiveFormOfManyServicesIsThatOfEach(t *testing.T) {
	const services = 2*encodedAtOnce + 44
	cfg, err := Parse("many.yaml", many(services))
	if err != nil {
		t.Fatal(err)
	}
	text, err := cfg.Effective()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse("again.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	if len(again.Services) != services || strings.Count(string(text), "\nservices:\n") != 1 {
		t.Fatalf("%d services of %d are in\n%.2000s", len(again.Services), services, text)
	}
	if twice, err := again.Effective(); err != nil || string(twice) != string(text) {
		t.Errorf("the effective form of the effective form is another: %v", err)
	}
}

func BenchmarkTwentyThousandServices(b *testing.B) {
	text := many(20_000)
	cfg, err := Parse("many.yaml", text)
	if err != nil {
		b.Fatal(err)
	}
	other := *cfg
	other.Text = []byte(strings.Replace(string(text), "weight: 2", "weight: 3", 1))
	b.Run("load", func(b *testing.B) {
		for b.Loop() {
			if _, err := Parse("many.yaml", text); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("diff", func(b *testing.B) {
		for b.Loop() {
			Diff(cfg, &other)
		}
	})
	b.Run("effective", func(b *testing.B) {
		for b.Loop() {
			if _, err := cfg.Effective(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func TestConfigurationsForGeneratorsAreValid(t *testing.T) {
	files, err := filepath.Glob("../bench/*/weir-*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			cfg, err := Load(file)
			if err != nil {
				t.Fatal(err)
			}
			known := map[string]bool{}
			for _, n := range cfg.Neighbors {
				known[n.Address.String()] = true
			}
			// A generator answers neither ARP nor health checks.
			for i := range cfg.Services {
				s := &cfg.Services[i]
				if s.Health != nil {
					t.Errorf("%s has health checks", s.Name)
				}
				for _, b := range s.Backends {
					if !known[b.Address.Addr().String()] {
						t.Errorf("%s: the MAC of %s is not given", s.Name, b.Address.Addr())
					}
				}
			}
			for _, p := range cfg.Ports {
				for _, g := range p.Gateways {
					if !known[g.String()] {
						t.Errorf("the MAC of the gateway %s is not given", g)
					}
				}
			}
		})
	}
}
