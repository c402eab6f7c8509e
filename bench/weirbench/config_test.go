package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirlb/weir/conf"
)

func plannable(t *testing.T) *options {
	t.Helper()
	return &options{
		core: 1, mainCore: 0, what: strings.Join(parts, ","), modes: "nat,tun,dr,fullnat", families: "v4,v6", flows: "256,64K,1M,8M",
		table: 8 << 20, tmp: t.TempDir(), files: map[string]int{}, settle: time.Millisecond,
	}
}

func TestWeirAcceptsEveryConfiguration(t *testing.T) {
	o := plannable(t)
	trials, err := o.trials()
	if err != nil {
		t.Fatal(err)
	}
	for _, trial := range trials {
		trial.files = []string{"a.pcap"}
		for _, s := range []setup{{}, {metrics: metricsAt, health: checkEvery, more: true}} {
			if s.more && trial.mode != "nat" {
				continue // only nat is changed while it runs
			}
			s.socket = filepath.Join(o.tmp, "api.sock")
			name := filepath.Join(o.tmp, "weir.yaml")
			text := trial.config(o, s)
			if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := conf.Load(name); err != nil {
				t.Fatalf("%v: %v\n%s", trial, err, text)
			}
		}
	}
}

func TestThePlanHasEveryModeFamilyAndNumberOfFlows(t *testing.T) {
	trials, err := plannable(t).trials()
	if err != nil {
		t.Fatal(err)
	}
	grid, kinds := map[string]bool{}, map[traffic]int{}
	for _, x := range trials {
		kinds[x.traffic]++
		if x.traffic == established && x.workers == 1 {
			grid[x.String()] = true
		}
	}
	if len(grid) != 4*2*4 {
		t.Errorf("%d established: %v", len(grid), grid)
	}
	for _, kind := range []traffic{sizes, passed, fresh, mixed} {
		if kinds[kind] == 0 {
			t.Errorf("no %s", kind)
		}
	}
}

func TestAQuickRunsFlagsExist(t *testing.T) {
	o := plannable(t)
	o.what, o.families, o.flows = quickly["what"], quickly["families"], quickly["flows"]
	trials, err := o.trials()
	if err != nil || len(trials) != 12 {
		t.Errorf("%d trials, %v", len(trials), err)
	}
}

func TestTheTableOfNewConnectionsIsAsLargeAsAskedFor(t *testing.T) {
	o := plannable(t)
	o.what, o.table = "new", 1<<16
	trials, err := o.trials()
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range trials {
		if n := x.maxConnections(); x.traffic == fresh && n != 1<<16+1<<12 {
			t.Errorf("%v: a table for %d connections", x, n)
		}
	}
}

func TestOneCoreMeansNoSecondWorker(t *testing.T) {
	o := plannable(t)
	o.core = 0
	trials, err := o.trials()
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range trials {
		if x.workers > 1 {
			t.Errorf("%v", x)
		}
	}
}

func TestCapturesAreWrittenOnce(t *testing.T) {
	o := plannable(t)
	a := &trial{mode: "tun", family: families[0], flows: 256, workers: 2, traffic: established}
	b := &trial{mode: "dr", family: families[0], flows: 256, workers: 2, traffic: passed}
	for _, x := range []*trial{a, b} {
		if err := o.provide(x); err != nil {
			t.Fatal(err)
		}
	}
	// What arrives at its owner in one arrives at the other worker in the other.
	if len(o.files) != 2 || a.files[0] != b.files[1] || a.files[1] != b.files[0] || a.packets != 2*leastPackets {
		t.Errorf("%v and %v, %d packets", a.files, b.files, a.packets)
	}
}

func TestOnlyTheSourceIsToldOfTheTraffic(t *testing.T) {
	o := plannable(t)
	few := &trial{mode: "nat", family: families[0], flows: 256, workers: 1, traffic: established}
	if env := few.env(o); env != nil {
		t.Errorf("a capture's environment: %v", env)
	}
	many := &trial{mode: "nat", family: families[1], flows: 8 << 20, workers: 1, traffic: established, rate: 5}
	env := strings.Join(many.env(o), " ")
	for _, want := range []string{"LD_PRELOAD=", "WEIR_SOURCE_FLOWS=8388608", "WEIR_SOURCE_FAMILY=6", "WEIR_SOURCE_REPLIES=1", "WEIR_SOURCE_RATE=5"} {
		if !strings.Contains(env, want) {
			t.Errorf("%s is missing in %s", want, env)
		}
	}
}
