package main

import (
	"slices"
	"time"
)

// calm tells whether the machine is at its best. A virtual machine's neighbours take the other half of a core, or its
// share of the memory's bandwidth, for seconds at a time, of which no counter here tells: everything takes half as long again
// then, or twice as long. So a small piece of work is timed on the measured cores before and after each window, while nothing else
// runs there. A window with a slow one beside it is measured again, as long as patience lasts, and the one that was disturbed least
// counts; so it is with testpmd's as with Weir's.
type calm struct {
	look     func(core int) (pace, error)
	nap      time.Duration // between two looks at a machine that is not calm
	patience time.Duration // left
	windows  int           // still to come, to share it out
	seen     map[int]*paces
	repeated int // windows that were measured again
}

// pace is how long the parts of the piece of work took.
type pace struct{ arithmetic, memory time.Duration }

// paces are a core's so far: cores need not be alike.
type paces struct{ arithmetic, memory []time.Duration } // the shortest first

// How far a calm machine's pace may fall behind the best, in parts. Memory's differs more from one time to the next.
const (
	slowArithmetic = 1.08
	slowMemory     = 1.25
)

// newCalm finds out how fast cores can be.
func newCalm(look func(core int) (pace, error), cores []int, patience time.Duration) (*calm, error) {
	c := &calm{look: look, nap: 50 * time.Millisecond, patience: patience, seen: map[int]*paces{}}
	const looks = 100
	for range looks {
		if _, err := c.disturbance(cores); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// disturbance is how slow some cores are: at most 1 if the machine is calm.
func (c *calm) disturbance(cores []int) (d float64, err error) {
	for _, core := range cores {
		p, err := c.look(core)
		if err != nil {
			return 0, err
		}
		s := c.seen[core]
		if s == nil {
			s = &paces{}
			c.seen[core] = s
		}
		d = max(d, slower(p.arithmetic, &s.arithmetic)/slowArithmetic, slower(p.memory, &s.memory)/slowMemory)
	}
	return d, nil
}

// slower adds a time to those seen so far and tells how many times the best it is. The best is one that was reached a few times,
// and again and again while there are more: a core that once was faster than it ever is again would never be calm.
func slower(t time.Duration, seen *[]time.Duration) float64 {
	const few, oftenIn = 3, 200
	i, _ := slices.BinarySearch(*seen, t)
	*seen = slices.Insert(*seen, i, t)
	n := len(*seen)
	return float64(t) / float64((*seen)[min(few-1+n/oftenIn, n-1)])
}

// allowance is how long the next window may take longer than it must. Each gets twice its share of the patience that is left, for most
// need less.
func (c *calm) allowance() time.Duration {
	left := c.windows
	c.windows = max(c.windows-1, 0)
	return min(2*c.patience/time.Duration(max(left, 1)), c.patience)
}

// await waits until cores are calm, or the allowance is used up, and tells how disturbed they are then.
func (c *calm) await(cores []int, allowance *time.Duration) (d float64, err error) {
	for {
		began := time.Now()
		if d, err = c.disturbance(cores); err != nil || d <= 1 || *allowance <= 0 || c.patience <= 0 {
			return d, err
		}
		time.Sleep(c.nap)
		c.spend(began, allowance)
	}
}

// spend takes the time since began from an allowance and from all patience.
func (c *calm) spend(began time.Time, allowance *time.Duration) {
	took := time.Since(began)
	*allowance -= took
	c.patience = max(c.patience-took, 0)
}

// during measures once cores are calm, and again until they were calm to the end. It reports whether that came about.
func during[T any](c *calm, cores []int, measure func() (T, error)) (v T, ok bool, err error) {
	allowance, least := c.allowance(), 0.0
	for n := 0; ; n++ {
		before, err := c.await(cores, &allowance)
		if err != nil {
			return v, false, err
		}
		began := time.Now()
		got, err := measure()
		if err != nil {
			return v, false, err
		}
		after, err := c.disturbance(cores)
		if err != nil {
			return v, false, err
		}
		d := max(before, after)
		if n == 0 || d < least {
			v, least = got, d
		}
		if d <= 1 || allowance <= 0 || c.patience <= 0 {
			c.repeated += n
			return v, least <= 1, nil
		}
		c.spend(began, &allowance)
	}
}
