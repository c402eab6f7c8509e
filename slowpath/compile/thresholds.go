package compile

import "github.com/weirlb/weir/sched"

// bound is what a load's thresholds are to be from the commit on. Loads outlive snapshots, so they have them, not those.
type bound struct {
	load         *sched.Load
	upper, lower int
}

// setBounds gives the loads the thresholds of this compilation.
func (c *Compiler) setBounds() {
	for _, b := range c.bounds {
		b.load.SetThresholds(b.upper, b.lower)
	}
	c.bounds = nil
}
