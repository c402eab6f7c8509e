package conf

import (
	"path/filepath"
	"testing"
)

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
