package daemon

import (
	"fmt"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath"
	"github.com/weirlb/weir/slowpath/api"
	"github.com/weirlb/weir/slowpath/capture"
	"github.com/weirlb/weir/slowpath/view"
)

// Capture implements api.Controller.
func (c *controller) Capture(r view.CaptureRequest) (api.Capture, error) {
	started, err := c.d.captures.Start(r)
	if err != nil {
		return nil, err
	}
	return started, nil
}

// EndCapture implements api.Controller.
func (c *controller) EndCapture(id int) error { return c.d.captures.End(id) }

// host is the daemon as captures see it.
type host struct{ d *Daemon }

// AddTap implements capture.Host.
func (h host) AddTap(t *fastpath.Tap) bool { return h.change(func() { h.d.node.AddTap(t) }) }

// RemoveTap implements capture.Host.
func (h host) RemoveTap(t *fastpath.Tap) bool { return h.change(func() { h.d.node.RemoveTap(t) }) }

// change changes the taps and waits until every worker has taken that over.
func (h host) change(f func()) bool { return h.d.do(func() { f(); h.d.settle(h.d.node.Tapped) }) }

// Check implements capture.Host: a backend must be one of the service's, or of any if none is asked for. A reload may
// take away either later.
func (h host) Check(r *view.CaptureRequest) error {
	if r.Service == "" && r.Backend == "" {
		return nil
	}
	var cfg *conf.Config
	if !h.d.do(func() { cfg = h.d.node.Config() }) {
		return ErrStopping
	}
	known := r.Service == ""
	for i := range cfg.Services {
		s := &cfg.Services[i]
		if r.Service != "" && s.Name != r.Service {
			continue
		}
		known = true
		if r.Backend == "" || hasBackend(s, r.Backend) {
			return nil
		}
	}
	if !known {
		return fmt.Errorf("there is no service %s", r.Service)
	}
	if r.Service != "" {
		return fmt.Errorf("service %s has no backend %s", r.Service, r.Backend)
	}
	return fmt.Errorf("no service has a backend %s", r.Backend)
}

func hasBackend(s *conf.Service, text string) bool {
	want, err := capture.ParseBackend(text)
	if err != nil {
		return false
	}
	for i := range s.Backends {
		a := s.Backends[i].Address
		if a.Addr() == want.Addr() && (want.Port() == 0 || a.Port() == 0 || want.Port() == a.Port()) {
			return true
		}
	}
	return false
}

func portNames(cfg *conf.Config) (names []string) {
	for i := range cfg.Ports {
		names = append(names, cfg.Ports[i].Name)
	}
	return names
}
