package daemon

import (
	"errors"
	"path/filepath"
	"testing"
	"time"
)

// slowDevice is in the middle of its figures until somebody lets it go on.
type slowDevice struct {
	Device
	inside, release chan struct{}
}

func (s *slowDevice) Stats() DeviceStats {
	close(s.inside)
	<-s.release
	return s.Device.Stats()
}

// TestNothingIsFreedThatSomebodyReads: a client of the API has been cut off while the daemon collected the answer. What
// is read for it must stay in memory until the reading is over.
func TestNothingIsFreedThatSomebodyReads(t *testing.T) {
	cfg := load(t, filepath.Join(t.TempDir(), "weir.yaml"), somePorts+oneService)
	d := &Daemon{
		log: discard(), hw: memory(), calls: make(chan func()), changed: make(chan struct{}), punted: make(chan struct{}, 1),
		stopped: make(chan struct{}),
	}
	must := func(f func() error, err error) func() error {
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	closeHardware := must(d.openHardware(t.Context())(cfg))
	slow := &slowDevice{d.devices[0], make(chan struct{}), make(chan struct{})}
	d.devices[0] = slow
	closeNode := must(d.makeNode(cfg))
	endLoop := must(d.startLoop(cfg))

	read, freed := make(chan int), make(chan error)
	go func() { read <- len((&source{d}).Ports()) }()
	<-slow.inside
	if err := endLoop(); err != nil {
		t.Fatal(err)
	}
	go func() { freed <- closeNode() }()
	select {
	case err := <-freed:
		t.Fatalf("the memory is gone (%v)", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(slow.release)
	if n := <-read; n != 2 {
		t.Errorf("%d ports were read", n)
	}
	if err := <-freed; err != nil {
		t.Error(err)
	}
	s := &source{d}
	if s.Services() != nil || s.Backends() != nil || s.Workers() != nil || s.Ports() != nil || s.Drops() != nil || s.PortDrops() != nil || s.ServiceDrops() != nil || s.Connections("", 0) != nil || s.Persistence("", 0) != nil {
		t.Error("something was read from memory that is gone")
	}
	if e, err := s.Explain("tcp 203.0.113.9:1 > 203.0.113.10:80"); e != nil || !errors.Is(err, ErrStopping) {
		t.Errorf("a packet was explained by memory that is gone: %v, %v", e, err)
	}
	if err := closeHardware(); err != nil {
		t.Error(err)
	}
}
