package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirlb/weir/fastpath"
)

// bare is the command "weirbench bare": a loop that does nothing but look at the clock, as often as a worker looks at its
// queues. The gaps it finds are the machine's own.
func bare(args []string) error {
	flags := flag.NewFlagSet("bare", flag.ContinueOnError)
	core := flags.Int("core", runtime.NumCPU()-1, "the core to run on")
	length := flags.Duration("for", time.Second, "how long")
	period := flags.Duration("period", time.Microsecond, "the time between two looks that count")
	if err := flags.Parse(args); err != nil {
		return err
	}
	runtime.LockOSThread()
	var set unix.CPUSet
	set.Set(*core)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("running on core %d: %w", *core, err)
	}
	return json.NewEncoder(os.Stdout).Encode(poll(*length, *period))
}

// poll looks at the clock for a while.
func poll(length, period time.Duration) (g gaps) {
	bounds := make([]uint64, fastpath.GapBuckets)
	for i := range bounds {
		bounds[i] = fastpath.GapBound(i)
	}
	counts := make([]uint64, len(bounds))
	began := time.Now()
	for last := time.Duration(0); last < length; {
		now := time.Since(began)
		if now-last < period {
			continue
		}
		i, _ := slices.BinarySearch(bounds, uint64(now-last))
		counts[min(i, len(counts)-1)]++
		last = now
	}
	for i, n := range counts {
		if n > 0 {
			g.Buckets = append(g.Buckets, gapBucket{bounds[i], n})
		}
	}
	return g
}

// bareGaps runs the loop in a process of its own, which has nothing else to do.
func (o *options) bareGaps(length, period time.Duration) (g gaps, err error) {
	self, err := os.Executable()
	if err != nil {
		return g, err
	}
	p, err := launch(nil, self, "bare", fmt.Sprintf("-core=%d", o.core), "-for="+length.String(), "-period="+period.String())
	if err != nil {
		return g, err
	}
	text, err := p.await(0, length+time.Minute, func(s string) bool { return strings.Contains(s, "\n") })
	if err != nil {
		return g, err
	}
	<-p.done
	return g, json.Unmarshal([]byte(text), &g)
}
