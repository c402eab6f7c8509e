package conf

import (
	"slices"

	"github.com/weirlb/weir/sched"
)

func (c *checker) services() {
	names := first[string]{}
	backends := 0
	for i := range c.cfg.Services {
		s := &c.cfg.Services[i]
		if j, ok := names.again(s.Name, i); ok && s.Name != "" {
			c.service(i).field("name").errorf("is the name of the service on line %d already: choose another", c.cfg.Services[j].Line)
		}
		c.endpoints(i, s)
		c.match(i, s)
		c.scheduler(i, s)
		c.timeouts(i, s)
		c.persistence(i, s)
		c.sloppy(i, s)
		c.mssClamp(i, s)
		c.limits(i, s)
		c.onePacket(i, s)
		c.onEmpty(i, s)
		c.tunnel(i, s)
		c.fullnat(i, s)
		c.health(i, s)
		c.quorum(i, s)
		if s.OnChange != nil {
			c.command(c.service(i).field("on_change").field("command"), s.OnChange.Command)
		}
		before := backends
		if backends += len(s.Backends); before <= maxBackends && backends > maxBackends {
			c.service(i).errorf("makes more than %d backends of all services together: that is the most", maxBackends)
		}
		c.backends(i, s)
		c.sorry(i, s)
		c.healthPort(i, s)
		c.useless(i, s)
	}
	c.overlaps()
	c.groups()
}

func (c *checker) serviceNamed(i int) string {
	return named("service", c.cfg.Services[i].Name, c.cfg.Services[i].Line)
}

// flags checks that each is given once, and is for the service's scheduler.
func (c *checker) flags(i int, s *Service) {
	at, seen := c.service(i).field("scheduler_flags"), first[string]{}
	taken := sched.Flags(s.Scheduler)
	for j, f := range s.SchedulerFlags {
		if f == "" || s.Scheduler == "" {
			continue // its error is reported
		}
		if _, again := seen.again(f, j); again {
			at.item(j).errorf("%s is given twice", f)
		}
		if !slices.Contains(taken, f) {
			hint := "it takes none"
			if len(taken) > 0 {
				hint = "it takes " + allOf(taken)
			}
			at.item(j).errorf("%s is not a flag of scheduler %s: %s", f, s.Scheduler, hint)
		}
	}
}

func (c *checker) scheduler(i int, s *Service) {
	c.flags(i, s)
	at := c.service(i).field("mh_table_size")
	size := s.MhTableSize
	if s.Scheduler != "mh" {
		if at.exists() && s.Scheduler != "" {
			at.errorf("has a meaning only for scheduler mh, this one is %s: remove the key", s.Scheduler)
		}
		return
	}
	if size == 0 {
		if at.exists() {
			return // its error is reported
		}
		at, size = c.service(i).field("backends"), sched.DefaultTableSize
	}
	if err := sched.CheckTableSize(size, len(s.Backends)); err != nil {
		hint := ""
		if s.MhTableSize == 0 {
			hint = ": set mh_table_size to a larger prime"
		}
		at.errorf("%v%s", err, hint)
	}
}

// quorum checks that it can be had and lost.
func (c *checker) quorum(i int, s *Service) {
	at := c.service(i).field("quorum")
	if !at.exists() {
		return
	}
	q, key, unit, most := &s.Quorum, "backends", "number of backends", len(s.Backends)
	if at.field("weight").exists() {
		if v := at.field("backends"); v.exists() {
			v.errorf("cannot be given together with weight: the quorum is one or the other")
			return
		}
		key, unit, most = "weight", "weight of all backends", 0
		for j := range s.Backends {
			most += s.Backends[j].Weight
		}
	}
	need := q.Backends
	if key == "weight" {
		need = q.Weight
	}
	switch {
	case need == 0: // its error is reported
	case q.Hysteresis >= need:
		at.field("hysteresis").errorf("must be less than the quorum, which is %d, is %d: the quorum could never be lost", need, q.Hysteresis)
	case len(s.Backends) > 0 && need+q.Hysteresis > most:
		at.field(key).errorf("can never be gained: it takes %d, with the hysteresis, and the %s is %d", need+q.Hysteresis, unit, most)
	}
}
