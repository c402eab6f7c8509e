package main

import (
	"fmt"
	"slices"
	"strings"
)

// parts are what the flag -what chooses from.
var parts = []string{"grid", "new", "imix", "workers", "memory", "live"}

// trials are the rows to measure, in an order in which captures are shared.
func (o *options) trials() (out []*trial, err error) {
	modes, fams := strings.Split(o.modes, ","), strings.Split(o.families, ",")
	add := func(what string, t trial, flows ...int) {
		if !o.has(what) || !slices.Contains(modes, t.mode) || !slices.Contains(fams, t.family.name) {
			return
		}
		for _, n := range flows {
			t := t
			t.flows, t.workers = n, max(t.workers, 1)
			out = append(out, &t)
		}
	}
	var flows []int
	for _, text := range strings.Split(o.flows, ",") {
		n, err := parseFlows(text)
		if err != nil {
			return nil, err
		}
		flows = append(flows, n)
	}
	v4, v6 := families[0], families[1]
	for _, f := range families {
		for _, mode := range []string{"nat", "tun", "dr", "fullnat"} {
			add("grid", trial{mode: mode, family: f, traffic: established}, flows...)
		}
	}
	for _, mode := range []string{"nat", "tun", "dr", "fullnat"} {
		add("new", trial{mode: mode, family: v4, traffic: fresh, capacity: o.table + o.table/16}, o.table)
	}
	add("new", trial{mode: "nat", family: v6, traffic: fresh, capacity: o.table + o.table/16}, o.table)
	add("new", trial{mode: "nat", family: v4, traffic: mixed}, 1<<20)
	for _, t := range []trial{{mode: "nat", family: v4}, {mode: "dr", family: v4}, {mode: "nat", family: v6}} {
		t.traffic = sizes
		add("imix", t, 1<<16)
	}
	if len(o.measured()) > 1 {
		for _, kind := range []traffic{established, passed} {
			add("workers", trial{mode: "nat", family: v4, workers: 2, traffic: kind}, 1<<16)
		}
	}
	return out, nil
}

// measured are the cores on which anything is measured.
func (o *options) measured() []int {
	if o.core == o.mainCore || !o.has("workers") {
		return []int{o.core}
	}
	return []int{o.core, o.mainCore}
}

func (o *options) has(what string) bool { return slices.Contains(strings.Split(o.what, ","), what) }

// all measures everything that was asked for.
func (o *options) all(rep *report) error {
	trials, err := o.trials()
	if err != nil {
		return err
	}
	o.calm.windows = len(trials) * o.rounds * 3
	if o.has("live") && o.isolated {
		o.calm.windows += o.liveWindows()
	}
	if len(trials) > 0 {
		printHeader(o.stdout)
	}
	for _, t := range trials {
		r, err := o.run(t)
		if err != nil {
			o.fail(rep, t.String(), err)
			continue
		}
		r.print(o.stdout)
		rep.Results = append(rep.Results, r)
	}
	if o.has("memory") {
		if m, err := o.memory(); err != nil {
			o.fail(rep, "memory", err)
		} else {
			rep.Memory = &m
		}
	}
	if o.has("live") && !o.isolated {
		fmt.Fprintln(o.stdout, "NOT RUN: reloads and changes of health, which need root for a network namespace.")
	} else if o.has("live") {
		if l, of, bare, err := o.live(); err != nil {
			o.fail(rep, "reloads and changes of health", err)
		} else {
			rep.Live, rep.Gaps, rep.BareGaps = &l, of.quantiles(), bare.quantiles()
		}
	}
	return nil
}

// fail tells of a run that came to nothing and ends its programs; the others go on.
func (o *options) fail(rep *report, what string, err error) {
	killAll()
	rep.Failed = append(rep.Failed, what)
	fmt.Fprintf(o.stdout, "FAILED: %s: %v\n", what, err)
}
