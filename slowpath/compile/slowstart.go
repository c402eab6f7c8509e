package compile

import (
	"time"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/sched"
)

// standing is what must be known of a backend in the last snapshot to make the next one.
type standing struct {
	accepts bool      // it took connections
	weight  int       // the last one that was not 0; 0: none yet
	began   time.Time // when its slow start did; zero: it is not starting
	share   uint8     // of its weight that it counts with, in percent; 0: it is not starting
}

// change is a standing that counts from the commit on.
type change struct {
	at *standing
	to standing
}

const (
	// slowSteps is how many times the share of a backend grows over its slow start: each is a new snapshot.
	slowSteps = 10
	// firstShare is what a backend counts with before the first step, in percent.
	firstShare = 5
)

// Share is the part of its weight that a backend counts with in the last snapshot, in percent: less than 100 while it
// starts slowly.
func (p *Place) Share() int {
	if p.standing == nil || p.standing.share == 0 {
		return 100
	}
	return int(p.standing.share)
}

// servers is the service's backends as its scheduler is to see them.
func (c *Compiler) servers(s *conf.Service, places []*Place, status func(*conf.Service, *conf.Backend) Status) []sched.Server {
	out := make([]sched.Server, len(s.Backends))
	settled := false // somebody has taken connections and goes on: a backend that joins can start slowly
	for i := range s.Backends {
		b := &s.Backends[i]
		p := places[i]
		st := status(s, b)
		v := sched.Server{
			Address: b.Address.String(), ID: p.Gen, Weight: st.Weight, Down: !st.Up, Last: p.standing.weight, Load: p.Load,
			Bounded: b.UpperThreshold > 0,
		}
		if st.Weight > 0 {
			v.Last = st.Weight
		}
		if v.Down {
			v.Weight = 0
		}
		settled = settled || p.standing.accepts && v.Weight > 0
		out[i] = v
	}
	for i := range out {
		c.start(&out[i], places[i].standing, s.SlowStart, settled)
	}
	return out
}

// start finds out how far a backend is in its slow start. It begins when the backend takes connections and did not
// in the snapshot before.
func (c *Compiler) start(v *sched.Server, was *standing, period time.Duration, settled bool) {
	is := standing{accepts: v.Weight > 0, weight: v.Last, began: was.began}
	switch {
	case !is.accepts || period == 0:
		is.began = time.Time{}
	case !was.accepts && settled:
		is.began = c.now
	}
	if !is.began.IsZero() {
		step := int64(slowSteps) * int64(max(0, c.now.Sub(is.began))) / int64(period)
		if step >= slowSteps {
			is.began = time.Time{}
		} else {
			is.share = uint8(max(firstShare, 100*step/slowSteps))
			c.dueAt(is.began.Add(period * time.Duration(step+1) / slowSteps))
		}
	}
	v.Share = is.share
	if is != *was {
		c.changed = append(c.changed, change{was, is})
	}
}

func (c *Compiler) dueAt(t time.Time) {
	if c.due.IsZero() || t.Before(c.due) {
		c.due = t
	}
}

// stand makes the standings of this compilation those that the next one goes on from.
func (c *Compiler) stand() {
	for _, ch := range c.changed {
		*ch.at = ch.to
	}
	c.changed = nil
}
