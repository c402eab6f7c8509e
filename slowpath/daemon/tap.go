package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/slowpath/compile"
	"github.com/weirlb/weir/slowpath/tap"
)

// taps are the kernel's interfaces, by port; nil where a port has none.
type taps struct{ devices []*tap.Device }

// ToKernel implements node.Kernel.
func (t *taps) ToKernel(port int, frame []byte) bool {
	return t.devices[port] != nil && t.devices[port].Write(frame) == nil
}

func (d *Daemon) openTAPs(cfg *conf.Config) (func() error, error) {
	d.taps.devices = make([]*tap.Device, len(cfg.Ports))
	down := func() error {
		var err error
		for _, t := range d.taps.devices {
			if t != nil {
				err = errors.Join(err, t.Close())
			}
		}
		return err
	}
	for i := range cfg.Ports {
		p := &cfg.Ports[i]
		if p.TAP == "" {
			continue
		}
		t, err := tap.Open(tap.Options{
			Name: p.TAP, MAC: d.devices[i].MAC(), MTU: p.MTU, Addresses: p.Addresses, Gateways: p.Gateways, Routes: routes(cfg, i),
		})
		if err != nil {
			return down, fmt.Errorf("port %s: %w", p.Name, err)
		}
		d.taps.devices[i] = t
		if err := t.SetProbed(probed(cfg, i)); err != nil {
			return down, fmt.Errorf("port %s: %w", p.Name, err)
		}
		for _, w := range t.Warnings() {
			d.log.Warn("a setting of the kernel's interface is not as it should be", "port", p.Name, "error", w)
		}
	}
	return down, nil
}

// setRoutes gives every interface the routes of a configuration.
func (t *taps) setRoutes(cfg *conf.Config) error {
	var errs []error
	for i, dev := range t.devices {
		if dev == nil {
			continue
		}
		if err := dev.SetRoutes(routes(cfg, i)); err != nil {
			errs = append(errs, fmt.Errorf("port %s: the kernel's routes for health checks: %w", cfg.Ports[i].Name, err))
		}
		if err := dev.SetProbed(probed(cfg, i)); err != nil {
			errs = append(errs, fmt.Errorf("port %s: %w", cfg.Ports[i].Name, err))
		}
	}
	return errors.Join(errs...)
}

// routes are the host routes that lead the kernel's health checks to the backends behind a port's gateways.
// There is no default route: the kernel's own way into the world stays as it is.
func routes(cfg *conf.Config, port int) []tap.Route {
	var out []tap.Route
	seen := map[netip.Addr]bool{}
	lists := map[*conf.Backend]bool{} // those of groups that are done with
	for i := range cfg.Services {
		s := &cfg.Services[i]
		reached := s.Backends
		if len(reached) > 0 && lists[&reached[0]] {
			reached = nil
		} else if len(reached) > 0 {
			lists[&reached[0]] = true
		}
		if s.Sorry != nil {
			reached = append(slices.Clip(reached), *s.Sorry)
		}
		for _, b := range reached {
			addr := b.Address.Addr()
			p, via, ok := compile.Way(cfg, addr)
			if !ok || p != port || via == addr || seen[addr] {
				continue
			}
			seen[addr] = true
			out = append(out, tap.Route{Destination: netip.PrefixFrom(addr, addr.BitLen()), Gateway: via})
		}
	}
	return out
}

// startTAPReaders carries what the kernel sends to the wire.
func (d *Daemon) startTAPReaders(*conf.Config) (func() error, error) {
	for i, t := range d.taps.devices {
		if t == nil {
			continue
		}
		d.readers.Add(1)
		go d.readTAP(i, t)
	}
	return func() error {
		for _, t := range d.taps.devices {
			if t != nil {
				t.Interrupt()
			}
		}
		d.readers.Wait()
		return nil
	}, nil
}

func (d *Daemon) readTAP(port int, t *tap.Device) {
	defer d.readers.Done()
	buf := make([]byte, 1<<14)
	for {
		n, err := t.Read(buf)
		if errors.Is(err, tap.ErrInterrupted) {
			return
		}
		if err != nil {
			d.log.Error("the kernel's packets do not leave any more", "error", err)
			return
		}
		if frame := buf[:n]; bytes.HasPrefix(frame, tap.ProbeMAC[:]) {
			d.probe(port, frame)
		} else {
			d.node.FromKernel(port, frame)
		}
	}
}

// probe sends a health check's frame through the service.
func (d *Daemon) probe(port int, frame []byte) {
	service, backend, ok := d.health.Owner(frame)
	if !ok {
		d.node.DropProbe(port)
		return
	}
	d.node.Probe(port, frame, service, backend)
}

// probed are the VIPs of services whose backends behind a port are checked through the service, each with the largest
// packet that fits on the way there.
func probed(cfg *conf.Config, port int) map[netip.Addr]int {
	out := map[netip.Addr]int{}
	for i := range cfg.Services {
		s := &cfg.Services[i]
		if s.Health == nil || s.Health.Via != conf.ViaService {
			continue
		}
		for _, b := range s.Backends {
			p, _, ok := compile.Way(cfg, b.Address.Addr())
			if !ok || p != port {
				continue
			}
			mtu, vip := compile.Room(s, b.Address.Addr(), &cfg.Ports[port]), s.Checked().Addr()
			if least, have := out[vip]; !have || mtu < least {
				out[vip] = mtu
			}
		}
	}
	return out
}
