package neighbor

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/weirlb/weir/fastpath/nexthop"
)

// Mark begins a new set of wanted neighbours and returns its number, for Release.
func (t *Table) Mark() uint64 {
	t.epoch++
	return t.epoch
}

// Resolve returns the record of a neighbour that is wanted from now on: it is resolved by the next Tick,
// refreshed, and asked for again and again if it does not answer, until Release. It fails for an address
// that no single station can have, and if there are nexthop.MaxRecords neighbours.
func (t *Table) Resolve(now time.Time, port int, addr netip.Addr) (nexthop.ID, error) {
	t.advance(now)
	k, err := t.keyOf(port, addr)
	if err != nil {
		return 0, err
	}
	e := t.entries[k]
	if e == nil {
		if e, err = t.add(k); err != nil {
			return 0, err
		}
	}
	if e.wanted == 0 && e.state != static {
		t.verify(e)
	}
	e.wanted = t.epoch
	t.classify(e)
	return e.id, nil
}

// Release ends the want of neighbours that were last resolved before the Mark that returned epoch. They
// stay known as long as they are in use, but may be forgotten: no worker may use a snapshot that names
// them any more.
func (t *Table) Release(epoch uint64) {
	var gone []*entry
	for _, e := range t.entries {
		if e.wanted != 0 && e.wanted < epoch {
			gone = append(gone, e)
		}
	}
	slices.SortFunc(gone, byAge)
	for _, e := range gone {
		e.wanted, e.used = 0, t.now
		t.classify(e)
	}
}

// SetStatic makes list the static neighbours; of two for one address the later counts. One that was static
// before and is no more keeps its MAC until the network says otherwise. An error names the neighbour that
// cannot be; nothing has changed then, unless it is that there are nexthop.MaxRecords already.
func (t *Table) SetStatic(now time.Time, list []Static) error {
	t.advance(now)
	macs := make(map[nexthop.Key][6]byte, len(list))
	var keys []nexthop.Key
	for _, s := range list {
		k, err := t.keyOf(s.Port, s.Address)
		if err != nil {
			return fmt.Errorf("static %w", err)
		}
		if !unicast(s.MAC) {
			return fmt.Errorf("static neighbor %s on port %s: no single station can have the MAC %s", s.Address, t.links[s.Port].name, show(s.MAC))
		}
		macs[k] = s.MAC
		keys = append(keys, k)
	}
	var gone []*entry
	for k, e := range t.entries {
		if _, kept := macs[k]; e.configured && !kept {
			gone = append(gone, e)
		}
	}
	slices.SortFunc(gone, byAge)
	for _, e := range gone {
		t.unfix(e)
	}
	for _, k := range keys {
		if err := t.configure(k, macs[k]); err != nil {
			return fmt.Errorf("static %w", err)
		}
	}
	return nil
}

func (t *Table) configure(k nexthop.Key, mac [6]byte) error {
	e := t.entries[k]
	if e == nil {
		var err error
		if e, err = t.add(k); err != nil {
			return err
		}
	}
	if e.configured && e.mac == mac {
		return nil
	}
	e.configured = true
	t.classify(e)
	t.fix(e, mac)
	return nil
}

// fix makes an entry static.
func (t *Table) fix(e *entry, mac [6]byte) {
	e.state, e.since, e.tries = static, t.now, 0
	t.timers.stop(e)
	t.publish(e, mac)
}

// unfix lets the network, or MakeUp, decide about an entry again.
func (t *Table) unfix(e *entry) {
	e.configured, e.used = false, t.now
	t.classify(e)
	if t.makeUp != nil {
		t.fix(e, t.makeUp(int(e.key.Port), e.addr))
		return
	}
	e.state, e.since = stale, t.now
	t.verify(e)
}
