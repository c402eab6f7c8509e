package compile

import (
	"time"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/sched"
)

// standing is what must be known of a backend in the last snapshot to make the next one.
type standing struct {
	began   int64 // when its slow start did, in nanoseconds since 1970; 0: it is not starting
	weight  int32 // the last one that was not 0; 0: none yet
	now     int32 // the one that it counted with; 0: it took no connections
	share   uint8 // of its weight that it counts with, in percent; 0: it is not starting
	down    bool
	bounded bool // by thresholds
	ill     bool // down whatever the sorry server does
}

// change is a standing that counts from the commit on.
type change struct {
	at *Place
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
	if p.share == 0 {
		return 100
	}
	return int(p.share)
}

// servers is the service's backends as its scheduler is to see them; none takes anything while the sorry server takes all.
func (c *section) servers(s *conf.Service, places []*Place, sorry bool) []sched.Server {
	out := c.room(len(s.Backends))
	c.ill = c.ill[:0]
	addresses := sched.ReadsAddresses(s.Scheduler)
	settled := false // somebody has taken connections and goes on: a backend that joins can start slowly
	for i := range s.Backends {
		b := &s.Backends[i]
		p := places[i]
		st := c.status(s, b)
		ill := !st.Up
		st.Up = st.Up && !sorry
		v := sched.Server{
			ID: p.Gen, Weight: st.Weight, Down: !st.Up, Last: int(p.weight), Load: p.Load,
			Bounded: b.UpperThreshold > 0,
		}
		if addresses {
			v.Address = b.Address.String()
		}
		if st.Weight > 0 {
			v.Last = st.Weight
		}
		if v.Down {
			v.Weight = 0
		}
		settled = settled || p.now > 0 && v.Weight > 0
		out[i] = v
		c.ill = append(c.ill, ill)
	}
	starts := false
	for i := range out {
		c.start(&out[i], places[i], s.SlowStart, settled, c.ill[i])
		starts = starts || out[i].Share > 0
	}
	if starts {
		c.starting = append(c.starting, s)
	}
	return out
}

// start finds out how far a backend is in its slow start. It begins when the backend takes connections and did not
// in the snapshot before. A fresh one has no life before this compilation.
func (c *section) start(v *sched.Server, at *Place, period time.Duration, settled, ill bool) {
	was := at.standing
	is := standing{began: was.began, weight: int32(v.Last), now: int32(v.Weight), down: v.Down, bounded: v.Bounded, ill: ill}
	switch {
	case is.now == 0 || period == 0:
		is.began = 0
	case was.now == 0 && settled:
		is.began = c.now.UnixNano()
	}
	if is.began != 0 {
		step := int64(slowSteps) * max(0, c.now.UnixNano()-is.began) / int64(period)
		if step >= slowSteps {
			is.began = 0
		} else {
			is.share = uint8(max(firstShare, 100*step/slowSteps))
			c.dueAt(time.Unix(0, is.began).Add(period * time.Duration(step+1) / slowSteps))
		}
	}
	v.Share = is.share
	switch {
	case is == was:
	case at.Gen > c.known:
		at.standing = is
	default:
		c.changed = append(c.changed, change{at, is})
	}
}

func (c *section) dueAt(t time.Time) {
	if c.due.IsZero() || t.Before(c.due) {
		c.due = t
	}
}

// stand makes the standings of this compilation those that the next one goes on from.
func (c *Compiler) stand() {
	for _, ch := range c.changed {
		ch.at.standing = ch.to
	}
	for _, ch := range c.sorries {
		ch.at.sorry = ch.to
	}
	c.changed, c.sorries = nil, nil
}
