package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// live is what a Weir at half its load does while its configuration and its backends' health change.
type live struct {
	LoadMpps float64 `json:"load_mpps"`
	Seconds  float64 `json:"seconds"` // of the changes
	Reloads  int     `json:"reloads"`
	Flaps    int     `json:"health_changes"`
	Scrapes  int     `json:"metrics_scrapes"`
	GCs      int     `json:"garbage_collections"`
	// Packets lost by the device or dropped, in Seconds with changes and as long without.
	Lost      uint64 `json:"packets_lost"`
	LostQuiet uint64 `json:"packets_lost_without_changes"`
}

// quantiles of gaps, in microseconds.
type quantiles struct {
	P50   float64 `json:"p50_us"`
	P99   float64 `json:"p99_us"`
	P9999 float64 `json:"p9999_us"`
	Max   float64 `json:"max_us"`
}

func (g gaps) quantiles() quantiles {
	return quantiles{g.quantile(0.5), g.quantile(0.99), g.quantile(0.9999), g.quantile(1)}
}

const (
	// liveGOGC makes the collector run about 10 times a second.
	liveGOGC = 15
	// liveDescriptors are as many as NICs have at most: a virtual machine has gaps of its own that a smaller ring does
	// not outlast.
	liveDescriptors = 4096

	checkPort  = 18080
	metricsAt  = "127.0.0.1:9480"
	checkEvery = `{type: http, port: 18080, interval: 500ms, timeout: 250ms, rise: 1, fall: 1}`
)

// flapping answers health checks: those of the second backend of service 0 with success and failure in turn.
type flapping struct {
	fails  atomic.Bool
	server http.Server
}

func (f *family) flapping() (*flapping, error) {
	if err := f.answerFor(); err != nil {
		return nil, err
	}
	s := &flapping{}
	second := f.backend(services, true).Addr().String()
	s.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.Context().Value(http.LocalAddrContextKey).(net.Addr).String())
		if host == second && s.fails.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	l, err := net.Listen("tcp", fmt.Sprintf(":%d", checkPort))
	if err != nil {
		return nil, err
	}
	go func() { _ = s.server.Serve(l) }()
	return s, nil
}

// live measures it twice, a second at a time: as Weir is, what is lost, with changes and without in turn; and with a garbage collector that
// runs all the time, the gaps between polls, in turn with those of a bare loop to compare.
func (o *options) live() (res live, of, bare gaps, err error) {
	t := &trial{mode: "nat", family: families[0], flows: 1 << 16, workers: 1, traffic: established, madeUp: true, oneWay: true, descriptors: liveDescriptors}
	if err := o.pages.want(t.weirMB()); err != nil {
		return res, of, bare, err
	}
	full, err := o.fullSpeed(t)
	if err != nil {
		return res, of, bare, err
	}
	res.LoadMpps, res.Seconds = full/2, float64(o.liveSeconds())
	t.rate = int(full / 2 * 1e6)
	checks, err := t.family.flapping()
	if err != nil {
		return res, of, bare, err
	}
	defer func() { _ = checks.server.Close() }()
	s := setup{metrics: metricsAt, health: checkEvery}
	if err := o.losses(t, s, checks, &res); err != nil {
		return res, of, bare, err
	}
	of, bare, err = o.gaps(t, s, checks, &res)
	return res, of, bare, err
}

// losses counts what is lost while things change, and while nothing does.
func (o *options) losses(t *trial, s setup, checks *flapping, res *live) error {
	w, err := o.filled(t, s)
	if err != nil {
		return err
	}
	n := w.p.out.len()
	var quiet, busy stretch
	for range o.liveSeconds() {
		if err := o.second(t, w, &quiet, func() error { time.Sleep(time.Second); return nil }); err != nil {
			return err
		}
		if err := o.second(t, w, &busy, func() error { return o.change(t, w, s, checks, res) }); err != nil {
			return err
		}
	}
	res.Flaps = strings.Count(w.p.out.from(n), `msg="backend `)
	res.Lost, res.LostQuiet = busy.lost, quiet.lost
	if o.verbose {
		if err := w.p.resume(); err != nil {
			return err
		}
		missed, _ := w.missed()
		fmt.Fprintf(os.Stderr, "    missed by the device since the start: %d; dropped by weir: %s\n", missed, w.drops())
	}
	return o.finish(t, w)
}

func (o *options) gaps(t *trial, s setup, checks *flapping, res *live) (of, bare gaps, err error) {
	w, err := o.filled(t, s, fmt.Sprintf("GOGC=%d", liveGOGC), "GODEBUG=gctrace=1")
	if err != nil {
		return of, bare, err
	}
	n := w.p.out.len()
	var busy stretch
	var again live
	for second := 1; second <= o.liveSeconds(); second++ {
		if err := o.second(t, w, &busy, func() error { return o.change(t, w, s, checks, &again) }); err != nil {
			return of, bare, err
		}
		period := time.Second * time.Duration(second) / time.Duration(max(busy.gaps.total(), 1))
		g, _, err := during(o.calm, o.cores(t), func() (gaps, error) { return o.bareGaps(time.Second, period) })
		if err != nil {
			return of, bare, err
		}
		bare = bare.plus(g)
	}
	res.GCs = strings.Count(w.p.out.from(n), "\ngc ")
	return busy.gaps, bare, o.finish(t, w)
}

// liveWindows is how many seconds are measured: with changes and without, and so for gaps with a bare loop; and full speed before.
func (o *options) liveWindows() int { return 4*o.liveSeconds() + 1 }

func (o *options) liveSeconds() int { return max(int(o.liveFor/time.Second), 1) }

// second adds to sum what a Weir that is paused does in a calm second, while f lasts.
func (o *options) second(t *trial, w *weir, sum *stretch, f func() error) error {
	s, _, err := during(o.calm, o.cores(t), func() (s stretch, err error) {
		if err := w.p.resume(); err != nil {
			return s, err
		}
		time.Sleep(o.settle)
		if s, err = w.during(f); err != nil {
			return s, err
		}
		return s, w.p.pause()
	})
	sum.add(s)
	return err
}

// filled is a Weir with all connections of a trial, paused.
func (o *options) filled(t *trial, s setup, env ...string) (*weir, error) {
	w, err := startWeir(o, t, s, env...)
	if err != nil {
		return nil, err
	}
	if err := w.fill(t.flows); err != nil {
		return nil, err
	}
	return w, w.p.pause()
}

// fullSpeed is how many Mpps Weir alone forwards.
func (o *options) fullSpeed(t *trial) (float64, error) {
	w, err := startWeir(o, t, setup{})
	if err != nil {
		return 0, err
	}
	if err := w.fill(t.flows); err != nil {
		return 0, err
	}
	if err := w.p.pause(); err != nil {
		return 0, err
	}
	s, _, err := during(o.calm, o.cores(t), func() (stretch, error) { return w.measure(o.settle, o.window) })
	if err != nil {
		return 0, err
	}
	return s.mpps, o.finish(t, w)
}

// during is what Weir does while f lasts. What the device lost counts as lost, too.
func (w *weir) during(f func() error) (s stretch, err error) {
	missed, err := w.missed()
	if err != nil {
		return s, err
	}
	a, err := w.sample()
	if err != nil {
		return s, err
	}
	if err := f(); err != nil {
		return s, err
	}
	b, err := w.sample()
	if err != nil {
		return s, err
	}
	after, err := w.missed()
	s = between(a, b)
	s.lost += after - missed
	return s, err
}

func (w *weir) missed() (n uint64, err error) {
	var ports []struct {
		Missed uint64 `json:"packets_missed"`
	}
	err = w.get("ports", &ports)
	for _, p := range ports {
		n += p.Missed
	}
	return n, err
}

// change takes a second. It reloads another configuration, turns a backend's health, and reads the metrics all the time.
func (o *options) change(t *trial, w *weir, s setup, checks *flapping, res *live) error {
	end := time.Now().Add(time.Second)
	checks.fails.Store(!checks.fails.Load())
	s.socket, s.more = w.socket, !checks.fails.Load()
	if err := os.WriteFile(w.file, []byte(t.config(o, s)), 0o644); err != nil {
		return err
	}
	resp, err := w.http.Post("http://weir/v1/reload", "", nil)
	if err != nil {
		return w.p.failed("does not reload: " + err.Error())
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return w.p.failed("refuses to reload: " + resp.Status)
	}
	res.Reloads++
	for ; time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get("http://" + metricsAt + "/metrics")
		if err != nil {
			return w.p.failed("does not give its metrics: " + err.Error())
		}
		resp.Body.Close()
		res.Scrapes++
	}
	return nil
}
