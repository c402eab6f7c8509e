package main

import "time"

// calm tells whether the machine is at its best. A virtual machine's neighbours take the other half of a core, or its
// share of the memory's bandwidth, for seconds at a time, of which no counter here tells: everything takes half as long again
// then, or twice as long. So a small piece of work is timed on the measured cores before and after each window, while nothing else
// runs there. A window with a slow one beside it is measured again, as long as patience lasts, and the one that was disturbed least
// counts; so it is with testpmd's as with Weir's.
type calm struct {
	look     func(core int) (pace, error)
	nap      time.Duration // between two looks at a machine that is not calm
	patience time.Duration // left
	best     map[int]pace  // of each core: they need not be alike
	repeated int           // windows that were measured again
}

// pace is how long the parts of the piece of work took.
type pace struct{ arithmetic, memory time.Duration }

// How far a calm machine's pace may fall behind the best, in parts. Memory's differs more from one time to the next.
const (
	slowArithmetic = 1.08
	slowMemory     = 1.25
)

// newCalm finds out how fast cores can be.
func newCalm(look func(core int) (pace, error), cores []int, patience time.Duration) (*calm, error) {
	c := &calm{look: look, nap: 50 * time.Millisecond, patience: patience, best: map[int]pace{}}
	const looks = 100
	for range looks {
		if _, err := c.disturbance(cores); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// disturbance is how slow some cores are: at most 1 if the machine is calm. What is better than the best so far is the best from
// now on.
func (c *calm) disturbance(cores []int) (d float64, err error) {
	for _, core := range cores {
		p, err := c.look(core)
		if err != nil {
			return 0, err
		}
		best := c.best[core]
		best.improve(p)
		c.best[core] = best
		d = max(d, float64(p.arithmetic)/float64(best.arithmetic)/slowArithmetic, float64(p.memory)/float64(best.memory)/slowMemory)
	}
	return d, nil
}

func (p *pace) improve(by pace) {
	if p.arithmetic == 0 || by.arithmetic < p.arithmetic {
		p.arithmetic = by.arithmetic
	}
	if p.memory == 0 || by.memory < p.memory {
		p.memory = by.memory
	}
}

// await waits until cores are calm, or patience is at an end, and tells how disturbed they are then.
func (c *calm) await(cores []int) (d float64, err error) {
	for {
		began := time.Now()
		if d, err = c.disturbance(cores); err != nil || d <= 1 || c.patience <= 0 {
			return d, err
		}
		time.Sleep(c.nap)
		c.patience -= time.Since(began)
	}
}

// during measures once cores are calm, and again until they were calm to the end. It reports whether that came about.
func during[T any](c *calm, cores []int, measure func() (T, error)) (v T, ok bool, err error) {
	least := 0.0
	for n := 0; ; n++ {
		before, err := c.await(cores)
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
		if d <= 1 || c.patience <= 0 {
			c.repeated += n
			return v, least <= 1, nil
		}
		c.patience -= time.Since(began)
	}
}
