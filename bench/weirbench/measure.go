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
}

// result is a row of latest.json; figures are medians of the rounds.
type result struct {
	Mode      string  `json:"mode"`
	Family    string  `json:"family"`
	Flows     int     `json:"flows"`
	Workers   int     `json:"workers"`
	Traffic   string  `json:"traffic"`
	Mpps      float64 `json:"mpps"`
	NsPacket  float64 `json:"ns_per_packet"`
	IO        float64 `json:"testpmd_io_mpps"`
	Csum      float64 `json:"testpmd_csum_mpps"`
	RatioIO   float64 `json:"ratio_io"`
	RatioCsum float64 `json:"ratio_csum"`
	OwnNs     float64 `json:"own_ns"`  // Weir's time per packet less testpmd io's
	Spread    float64 `json:"spread"`  // (largest - smallest) / median of Weir's rounds
	Dropped   uint64  `json:"dropped"` // packets in the measured windows
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	n := len(s)
	return (s[(n-1)/2] + s[n/2]) / 2
}

func (f figures) result(t *trial) result {
	r := result{
		Mode: t.mode, Family: t.family.name, Flows: t.flows, Workers: t.workers, Traffic: t.traffic,
		Mpps: median(f.weir), IO: median(f.io), Csum: median(f.csum),
	}
	if r.Mpps > 0 {
		r.NsPacket = 1000 / r.Mpps
		r.Spread = (slices.Max(f.weir) - slices.Min(f.weir)) / r.Mpps
	}
	if r.IO > 0 {
		r.RatioIO, r.OwnNs = r.Mpps/r.IO, r.NsPacket-1000/r.IO
	}
	if r.Csum > 0 {
		r.RatioCsum = r.Mpps / r.Csum
	}
	return r
}

// run measures a trial: Weir and testpmd, started once each, in turn on the same core.
func (o *options) run(t *trial) (res result, err error) {
	t0 := time.Now()
	lap := func(what string) {
		if o.verbose {
			fmt.Fprintf(os.Stderr, "  %s %.1fs\n", what, time.Since(t0).Seconds())
		}
		t0 = time.Now()
	}
	if err := o.provide(t); err != nil {
		return res, err
	}
	lap("captures")
	if err := o.pages.want(t.testpmdMB()); err != nil {
		return res, err
	}
	lap("pages")
	m, err := startTestpmd(o, t)
	if err != nil {
		return res, err
	}
	lap("testpmd started")
	if err := o.pages.want(t.weirMB()); err != nil { // of what testpmd has left
		return res, err
	}
	lap("pages")
	w, err := startWeir(o, t)
	if err != nil {
		return res, err
	}
	lap("weir started")
	if err := w.fill(t.flows); err != nil {
		return res, err
	}
	lap("connections made")
	if err := w.p.pause(); err != nil {
		return res, err
	}
	var f figures
	var lost uint64
	for range o.rounds {
		s, err := w.measure(o.settle, o.window)
		if err != nil {
			return res, err
		}
		f.weir = append(f.weir, s.mpps)
		lost += s.lost
		for _, mode := range []string{"io", "csum"} {
			v, err := m.measure(mode, o.settle, o.window)
			if err != nil {
				return res, err
			}
			if mode == "io" {
				f.io = append(f.io, v)
			} else {
				f.csum = append(f.csum, v)
			}
		}
	}
	lap("measured")
	if err := m.end(); err != nil {
		return res, err
	}
	lap("testpmd ended")
	all, err := w.end()
	if err != nil {
		return res, err
	}
	lap("weir ended")
	res = f.result(t)
	res.Dropped = lost
	if err := all.balance(); err != nil {
		o.unbalanced = append(o.unbalanced, fmt.Sprintf("%v: %v", t, err))
	}
	return res, nil
}
