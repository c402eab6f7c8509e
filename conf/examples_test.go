package conf

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	yaml "go.yaml.in/yaml/v3"

	"github.com/google/go-cmp/cmp"
)

func TestExamplesAreValid(t *testing.T) {
	files, err := filepath.Glob("examples/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d examples, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			cfg, err := Load(file)
			if err != nil {
				t.Fatal(err)
			}
			if len(cfg.Services) == 0 {
				t.Error("has no services")
			}
			for i := range cfg.Services {
				if s := &cfg.Services[i]; s.Health != nil {
					for _, b := range s.Backends {
						if port, _, _ := cfg.egress(b.Address.Addr()); cfg.Ports[port].TAP == "" {
							t.Errorf("the health checks of %s have no TAP to leave through", b.Address)
						}
					}
				}
			}
		})
	}
}

func TestThereIsAnExampleOfEveryMode(t *testing.T) {
	for file, want := range map[string][]Mode{
		"nat": {NAT}, "tun": {TUN}, "dr": {DR}, "fullnat": {FullNAT}, "ipv6": {NAT, TUN, DR},
	} {
		cfg, err := Load("examples/" + file + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		var got []Mode
		for _, s := range cfg.Services {
			if !slices.Contains(got, s.Mode) {
				got = append(got, s.Mode)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s.yaml: - want, + got:\n%s", file, diff)
		}
	}
}

// keysOf lists the keys of a file as knownKeys does.
func keysOf(n *yaml.Node, prefix string, into map[string]string) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := prefix + n.Content[i].Value
			if _, ok := into[key]; !ok {
				into[key] = n.Content[i+1].Value
			}
			keysOf(n.Content[i+1], key+".", into)
		}
	case yaml.SequenceNode:
		for _, item := range n.Content {
			keysOf(item, prefix[:len(prefix)-1]+"[].", into)
		}
	}
}

func TestFullExampleHasEveryKeyWithItsDefault(t *testing.T) {
	data, err := os.ReadFile("examples/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	have := map[string]string{}
	keysOf(doc.Content[0], "", have)
	for _, k := range knownKeys("", rootFields) {
		shown, ok := have[k.path]
		if !ok {
			t.Errorf("%s is not in full.yaml", k.path)
		}
		if k.def != "" && shown != k.def {
			t.Errorf("%s: full.yaml shows %s, the default is %s", k.path, shown, k.def)
		}
	}
}
