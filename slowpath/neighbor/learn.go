package neighbor

import (
	"net/netip"

	"github.com/weirlb/weir/fastpath/nexthop"
)

// publish gives a MAC to the workers and sends what waited for it.
func (t *Table) publish(e *entry, mac [6]byte) {
	changed := e.mac != mac
	e.mac = mac
	if changed {
		t.tell(e)
	}
	t.hops.Set(e.id, mac, nexthop.Reachable)
	t.sendQueue(e)
}

// tell passes on that a neighbour has another MAC, or none.
func (t *Table) tell(e *entry) {
	if t.OnState != nil && e.wanted != 0 {
		t.OnState(int(e.key.Port), e.addr, e.mac)
	}
}

// confirm takes a neighbour's answer to a solicitation: two ways are known to work.
func (t *Table) confirm(e *entry, mac [6]byte) {
	if e.state == static {
		return
	}
	e.state, e.since, e.tries = reachable, t.now, 0
	t.timers.set(e, t.now.Add(e.refreshAfter()))
	t.publish(e, mac)
}

// hear takes what a neighbour says of itself without having been asked. A new MAC is used at once, and
// verified. The same MAC again proves nothing: it only shows that frames come from there, not that any
// arrive (RFC 4861 section 7.3.1).
func (t *Table) hear(e *entry, mac [6]byte) {
	if e.state == static || e.usable() && e.mac == mac {
		return
	}
	e.state, e.since, e.tries = stale, t.now, 0
	t.verify(e)
	t.publish(e, mac)
}

// verify makes the next Tick look at a neighbour, but not so that it is solicited more often than allowed.
func (t *Table) verify(e *entry) {
	due := e.asked.Add(RetryInterval)
	if due.Before(t.now) {
		due = t.now
	}
	t.timers.set(e, due)
}

// known finds the entry of an address on a port; nil if there is none.
func (t *Table) known(port int, addr netip.Addr) *entry {
	k, err := t.keyOf(port, addr)
	if err != nil {
		return nil
	}
	return t.entries[k]
}

// meet takes what a station says of itself that has asked for one of our addresses: it will get an answer,
// and most likely packets. A stranger is remembered while there is room, if it is on the port's link; it
// displaces nobody.
func (t *Table) meet(port int, addr netip.Addr, mac [6]byte) {
	k, err := t.keyOf(port, addr)
	if err != nil {
		return
	}
	e := t.entries[k]
	if e == nil {
		if t.makeUp != nil || t.learned.Len() >= MaxLearned || !t.links[port].onLink(addr) {
			return
		}
		if e, err = t.learn(k); err != nil {
			return
		}
	}
	t.hear(e, mac)
}
