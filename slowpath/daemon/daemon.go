// Package daemon is the running Weir: it brings up the hardware, the TAP interfaces, the workers and what
// watches them, and is the one owner of the desired state.
//
// Everything that may change that state (a health check's event, a reload, an API call) and everything the
// workers punt is handled by one goroutine, the loop in loop.go; the others only send it work:
//
//	bell (punts) ─┐
//	health ───────┤
//	API calls ────┼─► loop ─► node (neighbours, compiler) ─► snapshot ─► workers
//	timer ────────┤
//	TAP readers ──┴──────────────────────── frames ────────────────────► workers
package daemon

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath"
	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/slowpath/api"
	"github.com/weirlb/weir/slowpath/capture"
	"github.com/weirlb/weir/slowpath/compile"
	"github.com/weirlb/weir/slowpath/health"
	"github.com/weirlb/weir/slowpath/hook"
	"github.com/weirlb/weir/slowpath/metrics"
	"github.com/weirlb/weir/slowpath/node"
	"github.com/weirlb/weir/slowpath/view"
	"github.com/weirlb/weir/slowpath/watch"
)

// Options make a daemon.
type Options struct {
	Config   *conf.Config
	Hardware Hardware
	Version  string
	Log      *slog.Logger
	// Reload makes the daemon apply its file again whenever something is received; nil: only the API does.
	Reload <-chan os.Signal
	// Ready is called once packets flow and every listener listens; may be nil.
	Ready func()
}

// Daemon is a running Weir.
type Daemon struct {
	log     *slog.Logger
	hw      Hardware
	version string
	started time.Time
	devices []Device
	taps    taps
	node    *node.Node
	health  *health.Manager
	hooks   *hook.Runner
	bell    *bell
	// maintained are the backends whose changes run no hook.
	maintained backendSet
	// captures exists from the first packet to the last.
	captures *capture.Manager

	gate   gate
	events *watch.Hub
	api    *api.Server // nil: none

	// changing lets one change of the configuration end before the next begins: of two reloads, the one that read the
	// file later must not be overtaken. It guards file, which is what was loaded last, and lets its holder read runtime.
	changing sync.Mutex
	file     *conf.Config
	nonce    uint32 // tells this daemon's revisions from another's
	revision atomic.Uint64

	reloadsApplied, reloadsRefused atomic.Uint64

	// The loop's own.
	runtime  runtimeChanges // since the file was loaded; written with changing held
	nextLook time.Time
	links    []bool     // of the devices, as last seen
	left     backendSet // drained backends that still had connections
	shares   shareMeter
	suspect  suspects
	doubts   doubts
	rest     time.Time           // no step of a slow start before
	quorums  map[string]standing // by service

	calls   chan func()
	changed chan struct{} // a health check changed its mind about a service that is touched
	touched touched
	punted  chan struct{}
	stopped chan struct{} // closed when the loop has ended
	stop    atomic.Bool   // tells the workers
	workers sync.WaitGroup
	readers sync.WaitGroup
	busy    busyMeter
	metered meter
}

// backendSet is a set that is replaced as a whole, for any goroutine.
type backendSet struct {
	p atomic.Pointer[map[backendName]bool]
}

func (s *backendSet) set(m map[backendName]bool) { s.p.Store(&m) }

func (s *backendSet) has(name backendName) bool {
	m := s.p.Load()
	return m != nil && (*m)[name]
}

// Run runs a configuration until ctx ends, then takes everything down again in order; also if it ends before all is up. The
// error says what could not be brought up, or taken down.
func Run(ctx context.Context, o Options) (err error) {
	d := &Daemon{
		log: o.Log, hw: o.Hardware, version: o.Version, started: time.Now(),
		file: o.Config, nonce: mathrand.Uint32(), events: watch.NewHub(),
		calls: make(chan func()), changed: make(chan struct{}, 1), punted: make(chan struct{}, 1),
		stopped: make(chan struct{}),
	}
	var undo []func() error
	defer func() {
		for i := len(undo) - 1; i >= 0; i-- {
			err = errors.Join(err, undo[i]())
		}
	}()
	for _, up := range []func(*conf.Config) (func() error, error){
		d.openHardware(ctx), d.openTAPs, d.startHooks, d.makeNode, d.startWorkers, d.startLoop, d.startHealth, d.startTAPReaders,
		d.serveAPI, d.serveMetrics,
	} {
		down, err := up(o.Config)
		if down != nil {
			undo = append(undo, down)
		}
		if ctx.Err() != nil && (err == nil || errors.Is(err, ctx.Err())) {
			d.log.Info("stopping before all is up", "reason", context.Cause(ctx))
			return nil
		}
		if err != nil {
			return err
		}
	}
	d.logStart(o.Config)
	if o.Ready != nil {
		o.Ready()
	}
	for {
		select {
		case <-ctx.Done():
			d.log.Info("stopping", "reason", context.Cause(ctx))
			return nil
		case <-o.Reload:
			d.reloadAndLog()
		}
	}
}

// reloadAndLog is a reload that nobody waits for the outcome of.
func (d *Daemon) reloadAndLog() {
	_, _, _ = (&controller{d}).Reload(api.ReloadOptions{ChangeOptions: api.ChangeOptions{By: "SIGHUP"}}) // it logs the outcome
}

func (d *Daemon) openHardware(ctx context.Context) func(*conf.Config) (func() error, error) {
	return func(cfg *conf.Config) (func() error, error) {
		devices, err := d.hw.Open(ctx, cfg, workerCount(cfg))
		d.devices = devices
		return d.hw.Close, err
	}
}

// workerCount is one for each core, or one that the scheduler may move about.
func workerCount(cfg *conf.Config) int { return max(1, len(cfg.Dataplane.Cores)) }

func (d *Daemon) makeNode(cfg *conf.Config) (func() error, error) {
	var err error
	if d.bell, err = newBell(); err != nil {
		return nil, err
	}
	go d.bell.listen(d.punted)
	ports := make([]node.Port, len(d.devices))
	queues := make([][]port.Queue, workerCount(cfg))
	for i, dev := range d.devices {
		ports[i] = node.Port{MAC: dev.MAC(), Queues: dev.Queues(), HasTAP: cfg.Ports[i].TAP != "", RSS: dev.RSS()}
		for w := range queues {
			queues[w] = append(queues[w], dev.Queue(w))
		}
	}
	d.quorums = d.assess(cfg)
	d.announce(nil)
	var seed [16]byte
	_, _ = rand.Read(seed[:]) // never fails (crypto/rand)
	d.node, err = node.New(node.Options{
		Config: cfg, Ports: ports, Queues: queues, Kernel: &d.taps, Hugepages: d.hw.Hugepages(),
		Seed:       conn.Seed{binary.LittleEndian.Uint64(seed[:]), binary.LittleEndian.Uint64(seed[8:])},
		Bell:       d.bell.ring,
		OnConflict: func(port int, addr netip.Addr, mac [6]byte) { d.conflict(cfg.Ports[port].Name, addr, mac) },
		OnNeighbor: func(port int, addr netip.Addr, mac [6]byte) { d.neighborChanged(cfg.Ports[port].Name, addr, mac) },
	}, time.Now(), d.status)
	d.captures = capture.NewManager(host{d}, portNames(cfg), len(queues), d.version, d.log)
	return func() error {
		defer d.bell.close() // after the workers have gone
		d.gate.close()
		if d.node == nil {
			return nil
		}
		return d.node.Close()
	}, err
}

func (d *Daemon) startHealth(cfg *conf.Config) (func() error, error) {
	m := health.New(d.healthChanged)
	if err := m.Set(targets(cfg, nil)); err != nil {
		m.Close()
		return nil, fmt.Errorf("starting health checks: %w", err)
	}
	d.do(func() {
		d.health = m
		d.touched.add(touchedNames{all: true})
		d.lookAgain() // the loop could not see yet what the first checks have found
	})
	return func() error { m.Close(); return nil }, nil
}

func upDown(up bool) string {
	if up {
		return "up"
	}
	return "down"
}

// targets are the backends to check, through the kernel's interface of the port that leads to each: on the wire's way,
// whatever other routes the machine has. former are the names that services had before.
func targets(cfg *conf.Config, former map[string]string) []health.Target {
	var out []health.Target
	for i := range cfg.Services {
		s := &cfg.Services[i]
		if s.Health == nil {
			continue
		}
		for j := range s.Backends {
			if s.Backends[j].Down {
				continue
			}
			t := health.Target{Service: s.Name, Backend: s.Backends[j].Address, Check: *s.Health, Former: former[s.Name]}
			if port, via, ok := compile.Way(cfg, t.Backend.Addr()); ok {
				t.Interface = cfg.Ports[port].TAP
				if s.Health.Via == conf.ViaService {
					t.Through, t.From = s.Checked(), s.Health.Source
					if !t.From.IsValid() {
						t.From, _ = compile.SourceFor(&cfg.Ports[port], t.Through.Addr(), via)
					}
				}
			}
			out = append(out, t)
		}
	}
	return out
}

func (d *Daemon) serveAPI(cfg *conf.Config) (func() error, error) {
	a := &cfg.API
	if a.Socket == "" && a.Listen == "" {
		return nil, nil
	}
	o := api.Options{Socket: a.Socket, Listen: a.Listen}
	if a.Listen != "" {
		cert, clients, err := a.Credentials()
		if err != nil {
			return nil, err
		}
		o.Credentials = api.Credentials{Certificate: cert, Clients: clients}
	}
	d.changing.Lock() // a reload may be asked for at once
	s, err := api.Serve(o, &source{d}, &controller{d})
	d.api = s
	d.changing.Unlock()
	if err != nil {
		return nil, err
	}
	return func() error {
		d.captures.Close() // or the server would wait for their clients
		d.events.Publish(view.Event{Type: view.EventStopping, Text: "weir stops"})
		d.events.Close()
		return s.Close()
	}, nil
}

// renewCertificates makes the API show and trust what its files hold now.
func (d *Daemon) renewCertificates(a *conf.API) error {
	if d.api == nil || a.Listen == "" {
		return nil
	}
	cert, clients, err := a.Credentials()
	if err != nil {
		return fmt.Errorf("the configuration is reloaded, but for the API's certificates: %w", err)
	}
	d.api.Renew(api.Credentials{Certificate: cert, Clients: clients})
	return nil
}

func (d *Daemon) serveMetrics(cfg *conf.Config) (func() error, error) {
	if cfg.Metrics.Listen == "" {
		return nil, nil
	}
	s, err := metrics.Serve(cfg.Metrics.Listen, &source{d}, metrics.Limits{Services: cfg.Metrics.MaxServices, Backends: cfg.Metrics.MaxBackends}, d.log)
	if err != nil {
		return nil, err
	}
	return s.Close, nil
}

func (d *Daemon) logStart(cfg *conf.Config) {
	backends := 0
	for i := range cfg.Services {
		backends += len(cfg.Services[i].Backends)
	}
	d.log.Info("weir runs", "version", d.version, "config", cfg.File, "ports", len(cfg.Ports),
		"workers", workerCount(cfg), "services", len(cfg.Services), "backends", backends,
		"hugepages", d.hw.Hugepages())
	for i, dev := range d.devices {
		mac := dev.MAC()
		d.log.Info("port", "name", cfg.Ports[i].Name, "device", cfg.Ports[i].Where(), "driver", dev.Driver(),
			"mac", net.HardwareAddr(mac[:]).String(),
			"queues", dev.Queues(), "tap", cfg.Ports[i].TAP, "changed", strings.Join(dev.Changed(), ", "))
		for _, err := range dev.Caveats() {
			d.log.Warn("a port does without something", "port", cfg.Ports[i].Name, "error", err)
		}
	}
	d.logWarnings(cfg)
}

// logWarnings logs what a configuration says to no effect, as far as anybody would read on.
func (d *Daemon) logWarnings(cfg *conf.Config) {
	const most = 20
	for i, w := range cfg.Warnings {
		if i == most {
			d.log.Warn("there are more warnings of the configuration: weir check prints them", "config", cfg.File, "more", len(cfg.Warnings)-i)
			return
		}
		d.log.Warn(w.Error())
	}
}

var idles = map[conf.Idle]fastpath.Idle{
	conf.IdleSpin: fastpath.Spin, conf.IdlePause: fastpath.Pause, conf.IdleSleep: fastpath.Sleep,
}
