// Command weirbench measures the real Weir against dpdk-testpmd: on the same device, with the same traffic, in turn on
// the same core. bench/README.md says how, and what the figures mean.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// options are the command's flags and what belongs to the whole run.
type options struct {
	weir, source, out, docs      string
	core, mainCore               int
	rounds                       int
	window, settle, liveFor      time.Duration
	patience                     time.Duration
	what, modes, families, flows string
	table                        int // connections of the tests with new ones
	verbose                      bool

	stdout     io.Writer
	isolated   bool   // in a network namespace of its own
	tmp        string // for captures and configurations, removed at the end
	pages      pages
	calm       *calm
	files      map[string]int // captures written so far, and how many packets are in them
	unbalanced []string       // runs whose counters do not add up
}

// quickly are the flags of a quick run that differ from a whole one's.
var quickly = map[string]string{
	"what": "grid", "families": "v4", "flows": "256,64K,1M", "rounds": "5", "window": "100ms", "settle": "50ms", "docs": "", "patience": "30s",
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "bare" {
		if err := bare(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "weirbench bare:", err)
			os.Exit(1)
		}
		return
	}
	o := &options{files: map[string]int{}, stdout: os.Stdout}
	o.parse()
	o.isolated = isolate()
	os.Exit(o.main())
}

func (o *options) parse() {
	last := runtime.NumCPU() - 1
	flag.StringVar(&o.weir, "weir", "bin/weir", "the `program` to measure")
	flag.StringVar(&o.source, "source", "bin/weirsource.so", "the compiled bench/source/source.c")
	flag.StringVar(&o.out, "out", "bench/out", "the `directory` for latest.json")
	flag.StringVar(&o.docs, "docs", "docs", "the `directory` of performance.md and charts/, to write tables and charts into; empty: none")
	flag.IntVar(&o.core, "core", last, "the `core` to measure on")
	flag.IntVar(&o.mainCore, "main-core", max(last-1, 0), "the `core` for everything else, and for a second worker")
	flag.IntVar(&o.rounds, "rounds", 9, "rounds; the figures are their medians")
	flag.DurationVar(&o.window, "window", 120*time.Millisecond, "what is measured of each program in each round")
	flag.DurationVar(&o.settle, "settle", 60*time.Millisecond, "how long a program runs before that")
	flag.DurationVar(&o.patience, "patience", 6*time.Minute, "how much longer to take in all where the machine is not calm, see bench/README.md")
	flag.DurationVar(&o.liveFor, "live-for", 10*time.Second, "how long reloads and changes of health go on")
	flag.StringVar(&o.what, "what", strings.Join(parts, ","), "what to measure")
	flag.StringVar(&o.modes, "modes", "nat,tun,dr,fullnat", "the modes to measure")
	flag.StringVar(&o.families, "families", "v4,v6", "the families")
	flag.StringVar(&o.flows, "flows", "256,64K,1M,8M", "the numbers of connections of the grid, each a power of two")
	table := flag.String("table", "8M", "the `number` of connections that the table is for where all are new, a power of two: if more begin in a second, others are evicted")
	flag.BoolVar(&o.verbose, "v", false, "tell how long everything takes")
	quick := flag.Bool("quick", false, "the heart of it in a minute: other defaults for what to measure, and for how long")
	flag.Parse()
	given := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for name, value := range quickly {
		if *quick && !given[name] {
			_ = flag.Set(name, value)
		}
	}
	var err error
	if o.table, err = parseFlows(*table); err != nil {
		fmt.Fprintln(os.Stderr, "weirbench: -table:", err)
		os.Exit(2)
	}
}

// parseFlows takes a power of two, with K or M for 1024 or 1048576 times as many.
func parseFlows(s string) (int, error) {
	digits := strings.TrimRight(s, "KM")
	n, err := strconv.Atoi(digits)
	switch s[len(digits):] {
	case "K":
		n <<= 10
	case "M":
		n <<= 20
	}
	if err != nil || n < services || n > 1<<clientBits || n&(n-1) != 0 || len(s)-len(digits) > 1 {
		return 0, fmt.Errorf("%q is not a power of two from %d to 16M, with K or M for 1024 or 1048576 times as many", s, services)
	}
	return n, nil
}

// main does what was asked for, and cleans up also if it is interrupted.
func (o *options) main() int {
	var err error
	if o.tmp, err = os.MkdirTemp("", "weirbench"); err != nil {
		fmt.Fprintln(os.Stderr, "weirbench:", err)
		return 1
	}
	clean := func() {
		killAll()
		if err := o.pages.restore(); err != nil {
			fmt.Fprintln(os.Stderr, "weirbench:", err)
		}
		_ = os.RemoveAll(o.tmp)
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	go func() {
		<-interrupted
		gate.Lock()
		clean()
		os.Exit(130)
	}()
	defer clean()
	if ok, err := o.bench(); err != nil {
		fmt.Fprintln(os.Stderr, "weirbench:", err)
		return 1
	} else if !ok {
		return 1
	}
	return 0
}

// bench reports whether everything ran and every packet was accounted for. A goal that is missed is no failure.
func (o *options) bench() (ok bool, err error) {
	rep := &report{Machine: thisMachine(o.core), Version: o.version(), Rounds: o.rounds, WindowMs: o.window.Milliseconds(), Results: []result{}}
	if o.calm, err = newCalm(newPaceMemory().look, o.measured(), o.patience); err != nil {
		return false, err
	}
	if err := o.all(rep); err != nil {
		return false, err
	}
	rep.Unbalanced, rep.Repeated = o.unbalanced, o.calm.repeated
	rep.Goals = rep.judge()
	rep.printRest(o.stdout)
	if err := rep.save(o.out); err != nil {
		return false, err
	}
	ok = len(rep.Failed) == 0 && len(rep.Unbalanced) == 0
	if o.docs == "" || !ok {
		return ok, nil
	}
	return ok, rep.document(o.docs)
}

// version is what weir says of itself.
func (o *options) version() string {
	out, err := exec.Command(o.weir, "version").Output()
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return first
}
