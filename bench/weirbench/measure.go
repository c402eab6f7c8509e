package main

import (
	"fmt"
	"os"
	"slices"
	"time"
)

// figures are the rounds of one trial, in Mpps.
type figures struct {
	weir, io, csum []float64
	dropped        uint64 // by Weir, while it was measured
	disturbed      int    // windows in which the machine was not calm
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	n := len(s)
	return (s[(n-1)/2] + s[n/2]) / 2
}

// laps tells how long the parts of something take.
type laps struct {
	on   bool
	last time.Time
}

func (l *laps) lap(what string) {
	if l.on {
		fmt.Fprintf(os.Stderr, "    %-18s %.1f s\n", what, time.Since(l.last).Seconds())
	}
	l.last = time.Now()
}

// pair is a trial's two programs. One of them runs at a time.
type pair struct {
	testpmd *testpmd
	weir    *weir
}

// start brings both up, Weir with all connections and paused.
func (o *options) start(t *trial, l *laps) (p pair, err error) {
	if err := o.provide(t); err != nil {
		return p, err
	}
	l.lap("captures")
	if err := o.pages.want(t.testpmdMB()); err != nil {
		return p, err
	}
	if p.testpmd, err = startTestpmd(o, t); err != nil {
		return p, err
	}
	l.lap("testpmd started")
	if err := o.pages.want(t.weirMB()); err != nil { // of what testpmd has left
		return p, err
	}
	if p.weir, err = startWeir(o, t, setup{}); err != nil {
		return p, err
	}
	l.lap("weir started")
	if !t.passing() {
		if err := p.weir.fill(t.flows); err != nil {
			return p, err
		}
		l.lap("connections made")
	}
	return p, p.weir.p.pause()
}

// round measures each once.
func (o *options) round(t *trial, p pair, f *figures) error {
	byTestpmd := func(mode string) func() (stretch, error) {
		return func() (stretch, error) {
			mpps, err := p.testpmd.measure(mode, o.settle, o.window)
			return stretch{mpps: mpps}, err
		}
	}
	for _, program := range []struct {
		into    *[]float64
		measure func() (stretch, error)
	}{
		{&f.weir, func() (stretch, error) { return p.weir.measure(t.settle(o), o.window) }},
		{&f.io, byTestpmd("io")},
		{&f.csum, byTestpmd("csum")},
	} {
		s, calm, err := during(o.calm, o.cores(t), program.measure)
		if err != nil {
			return err
		}
		if !calm {
			f.disturbed++
		}
		f.dropped += s.lost
		*program.into = append(*program.into, s.mpps)
	}
	return nil
}

// run measures a trial: Weir and testpmd, started once each, in turn on the same core.
func (o *options) run(t *trial) (res result, err error) {
	l := &laps{on: o.verbose, last: time.Now()}
	p, err := o.start(t, l)
	if err != nil {
		return res, err
	}
	var f figures
	for range o.rounds {
		if err := o.round(t, p, &f); err != nil {
			return res, err
		}
	}
	l.lap("measured")
	if err := p.testpmd.end(); err != nil {
		return res, err
	}
	l.lap("testpmd ended")
	if err := o.finish(t, p.weir); err != nil {
		return res, err
	}
	l.lap("weir ended")
	return f.result(t), nil
}

// finish ends Weir and checks that it has accounted for every packet.
func (o *options) finish(t *trial, w *weir) error {
	all, err := w.end()
	if err != nil {
		return err
	}
	if err := all.balance(); err != nil {
		o.unbalanced = append(o.unbalanced, fmt.Sprintf("%v: %v", t, err))
	}
	return nil
}
