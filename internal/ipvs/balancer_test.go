package ipvs

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weirlb/weir/conf"
)

// performer is Weir in a scenario.
type performer struct {
	*Weir
	t        testing.TB
	scenario *Scenario
	services []Service
}

func newPerformer(t testing.TB, s *Scenario) *performer {
	t.Helper()
	p := &performer{t: t, scenario: s, services: s.Services}
	var err error
	p.Weir, err = NewWeir(p.load(s.Services), func(i int) string {
		if s := &p.services[i]; len(s.More) == 0 {
			return fmt.Sprintf("%s %s", s.Protocol, s.Address)
		}
		return Marked
	})
	if err != nil {
		t.Fatal(err)
	}
	p.at = time.Unix(1e9, 0)
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *performer) load(services []Service) *conf.Config {
	p.t.Helper()
	text := p.scenario.Weir(services)
	file := filepath.Join(p.t.TempDir(), "weir.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	cfg, err := conf.Load(file)
	if err != nil {
		p.t.Fatalf("%v\n%s", err, text)
	}
	return cfg
}

// Send implements Balancer.
func (p *performer) Send(port string, frame []byte) ([]Frame, error) {
	return p.Play(p.at.Add(time.Millisecond), port, frame)
}

// Edit implements Balancer.
func (p *performer) Edit(_, to []Service) error {
	p.services = to
	return p.Apply(p.load(to))
}

// Wait implements Balancer.
func (p *performer) Wait(d time.Duration) error {
	p.Pass(p.at.Add(d))
	return nil
}
