package main

import (
	"context"
	"log/slog"
	"slices"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/dpdk"
	"github.com/weirlb/weir/dpdk/eal"
	"github.com/weirlb/weir/dpdk/ethdev"
	"github.com/weirlb/weir/dpdk/lcore"
	"github.com/weirlb/weir/fastpath"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/rss"
	"github.com/weirlb/weir/slowpath/daemon"
)

// hardware is DPDK as the daemon sees it.
type hardware struct {
	log   *slog.Logger
	plane *dpdk.Dataplane
}

// ringFrames is how many frames can wait between two workers, in each direction.
const ringFrames = 1024

// Open implements daemon.Hardware.
func (h *hardware) Open(ctx context.Context, cfg *conf.Config, workers int) ([]daemon.Device, error) {
	o := dpdk.Options{
		Hugepages:  eal.Hugepages(cfg.Dataplane.Hugepages),
		MemoryMB:   cfg.Dataplane.MemoryMB,
		Workers:    workers,
		RingFrames: ringFrames*workers*(workers-1) + fastpath.WaitingFragments*workers,
	}
	for i := range cfg.Ports {
		p := &cfg.Ports[i]
		if p.Parent != "" {
			continue
		}
		o.Ports = append(o.Ports, ethdev.Config{
			Name: p.Name, Device: p.Device, Queues: p.Queues, RxDescriptors: p.RxDescriptors,
			TxDescriptors: p.TxDescriptors, MTU: p.MTU, MAC: p.MAC, HasMAC: p.HasMAC,
			Promiscuous: p.Promiscuous, RSS: p.RSS, VLANs: hasSubPorts(cfg, p.Name),
		})
	}
	if cores := cfg.Dataplane.Cores; len(cores) > 0 {
		moved, err := lcore.Vacate(cores)
		if err != nil {
			return nil, err
		}
		if !moved {
			h.log.Warn("the workers share their cores with the rest of Weir, which makes them wait: every core that Weir "+
				"may run on has a worker; leave it one without", "cores", cores)
		}
	}
	if err := lcore.Prefer(); err != nil {
		h.log.Debug("other processes may make workers wait when they take the time of Weir's other threads", "why", err)
	}
	plane, err := dpdk.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	h.plane = plane
	if why := plane.Memory().Note; why != "" {
		h.log.Info("no huge pages are used", "why", why)
	}
	var out []daemon.Device
	next := 0
	for i := range cfg.Ports {
		if parent, ok := cfg.Sub(i); ok {
			out = append(out, &vlanDevice{out[parent].(*device)})
			continue
		}
		out = append(out, &device{plane.Ports()[next], plane, next})
		next++
	}
	return out, nil
}

func hasSubPorts(cfg *conf.Config, port string) bool {
	return slices.ContainsFunc(cfg.Ports, func(p conf.Port) bool { return p.Parent == port })
}

// vlanDevice is a sub-port: a VLAN on its parent's device, whose traffic the workers count.
type vlanDevice struct{ *device }

func (d *vlanDevice) Driver() string { return "vlan" }

func (d *vlanDevice) Changed() []string { return nil } // the parent tells

func (d *vlanDevice) Caveats() []error { return nil }

func (d *vlanDevice) Stats() daemon.DeviceStats {
	total, free := d.plane.Buffers(d.index)
	return daemon.DeviceStats{Buffers: total, BuffersFree: free}
}

// Hugepages implements daemon.Hardware.
func (h *hardware) Hugepages() bool { return h.plane.Memory().HugePages }

// ClockHertz implements daemon.Hardware.
func (h *hardware) ClockHertz() float64 { return h.plane.ClockHertz() }

// Enter implements daemon.Hardware.
func (h *hardware) Enter(core int) (func(), error) {
	t, err := lcore.Register(core)
	if err != nil {
		return nil, err
	}
	return t.Unregister, nil
}

// Close implements daemon.Hardware.
func (h *hardware) Close() error {
	if h.plane == nil {
		return nil
	}
	return h.plane.Close()
}

// device is one DPDK port.
type device struct {
	*ethdev.Device
	plane *dpdk.Dataplane
	index int
}

func (d *device) MAC() [6]byte { return d.Info().MAC }

func (d *device) RSS() *rss.Spread { return d.Info().RSS }

func (d *device) Queues() int {
	_, tx := d.Device.Queues()
	return tx
}

func (d *device) Queue(worker int) port.Queue { return d.Device.Queue(worker) }

func (d *device) LinkUp() bool { return d.Link().Up }

func (d *device) Stats() daemon.DeviceStats {
	s, err := d.Device.Stats()
	if err != nil {
		return daemon.DeviceStats{} // a driver without statistics
	}
	total, free := d.plane.Buffers(d.index)
	return daemon.DeviceStats{
		PacketsIn: s.RxPackets, PacketsOut: s.TxPackets, BytesIn: s.RxBytes, BytesOut: s.TxBytes,
		Missed: s.RxMissed, ErrorsIn: s.RxErrors, ErrorsOut: s.TxErrors, NoBuffers: s.RxNoBuf,
		BuffersFree: free, Buffers: total,
	}
}

func dpdkVersion() string { return eal.Version() }
