// Command weirbench measures the real Weir against dpdk-testpmd: on the same device, with the same traffic, in turn on
// the same core. bench/README.md says how, and what the figures mean.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// options are the command's flags and what belongs to the whole run.
type options struct {
	weir, out          string
	core, mainCore     int
	rounds             int
	window, settle     time.Duration
	modes, fams, flows string

	verbose bool

	tmp        string // for captures and configurations, removed at the end
	pages      pages
	files      map[string]int // captures written so far, and how many packets are in them
	unbalanced []string       // runs whose counters do not add up
}

// quickly are the flags of a quick run.
var quickly = map[string]string{"rounds": "3", "window": "300ms", "settle": "150ms", "families": "v4", "flows": "256,64K,1M"}

func main() {
	o := &options{files: map[string]int{}}
	last := runtime.NumCPU() - 1
	flag.StringVar(&o.weir, "weir", "bin/weir", "the `program` to measure")
	flag.StringVar(&o.out, "out", "bench/out", "the `directory` for latest.json")
	flag.IntVar(&o.core, "core", last, "the core to measure on")
	flag.IntVar(&o.mainCore, "main-core", max(last-1, 0), "the core for everything else, and for a second worker")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds; the figures are their medians")
	flag.DurationVar(&o.window, "window", 500*time.Millisecond, "what is measured of each program in each round")
	flag.DurationVar(&o.settle, "settle", 200*time.Millisecond, "how long a program runs before that")
	flag.StringVar(&o.modes, "modes", "nat,tun,dr", "the modes to measure")
	flag.StringVar(&o.fams, "families", "v4,v6", "the families")
	flag.StringVar(&o.flows, "flows", "256,64K,1M,8M", "the numbers of connections")
	flag.BoolVar(&o.verbose, "v", false, "tell how long everything takes")
	quick := flag.Bool("quick", false, "the heart of it in a minute: changes the defaults of what to measure and for how long")
	flag.Parse()
	if *quick {
		given := map[string]bool{}
		flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
		for name, value := range quickly {
			if !given[name] {
				_ = flag.Set(name, value)
			}
		}
	}
	os.Exit(o.main())
}

func (o *options) main() int {
	var err error
	if o.tmp, err = os.MkdirTemp("", "weirbench"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	clean := func() {
		killAll()
		_ = o.pages.want(0)
		_ = os.RemoveAll(o.tmp)
	}
	defer clean()
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-interrupted
		clean()
		os.Exit(130)
	}()
	if err := o.measure(); err != nil {
		fmt.Fprintln(os.Stderr, "weirbench:", err)
		return 1
	}
	for _, u := range o.unbalanced {
		fmt.Fprintln(os.Stderr, "weirbench:", u)
	}
	if len(o.unbalanced) > 0 {
		return 1
	}
	return 0
}

// parseFlows takes a number with K or M for powers of two.
func parseFlows(s string) (int, error) {
	digits := strings.TrimRight(s, "KM")
	n, err := strconv.Atoi(digits)
	switch s[len(digits):] {
	case "K":
		n <<= 10
	case "M":
		n <<= 20
	}
	if err != nil || n < services || n > 1<<clientBits || len(s)-len(digits) > 1 {
		return 0, fmt.Errorf("-flows: %q is not a number from %d to 16M, with K or M for 1024 or 1048576 times as many", s, services)
	}
	return n, nil
}

func (o *options) measure() error {
	var results []result
	for _, mode := range strings.Split(o.modes, ",") {
		for _, f := range families {
			if !strings.Contains(o.fams, f.name) {
				continue
			}
			for _, text := range strings.Split(o.flows, ",") {
				n, err := parseFlows(text)
				if err != nil {
					return err
				}
				t := &trial{mode: mode, family: f, flows: n, workers: 1, traffic: established}
				r, err := o.run(t)
				if err != nil {
					return fmt.Errorf("%v: %w", t, err)
				}
				results = append(results, r)
				fmt.Printf("%-4s %s %5s  weir %7.2f  io %7.2f  csum %7.2f  ratio_io %.2f  ratio_csum %.2f  own_ns %6.1f  spread %.0f%%  dropped %d\n",
					r.Mode, r.Family, flowsName(r.Flows), r.Mpps, r.IO, r.Csum, r.RatioIO, r.RatioCsum, r.OwnNs, 100*r.Spread, r.Dropped)
			}
		}
	}
	_ = filepath.Join
	return nil
}

// provide writes the captures of a trial's traffic, unless there are such already.
func (o *options) provide(t *trial) error {
	both := t.mode == "nat"
	name := filepath.Join(o.tmp, fmt.Sprintf("%s-%s-%t-%d.pcap", t.traffic, t.family.name, both, t.flows))
	if _, there := o.files[name]; !there {
		p := sequence(t.flows, both, t.traffic == mix, nil)
		if err := writePcap(name, t.family, p); err != nil {
			return err
		}
		o.files[name] = len(p)
	}
	t.files, t.packets = []string{name}, o.files[name]
	return nil
}
