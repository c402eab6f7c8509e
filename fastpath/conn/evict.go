package conn

// evictLook is how many entries are weighed for an eviction.
const evictLook = 32

// worth orders connections by what their loss would cost; the lowest goes first, keep never.
func (e *Entry) worth(now Tick) int {
	const keep = 100
	switch {
	case !now.Before(e.Expires):
		return 0
	case e.State == UDPFlow:
		// One packet that nobody answered may be anything; a conversation is kept.
		if e.Flags&(Replied|Several) != 0 {
			return keep
		}
		return 4
	case e.State == Closed || e.State == SCTPClosed || e.State == SCTPRejected:
		return 1
	case e.State == TimeWait:
		return 2
	case e.State == SynRecv || e.State == SynSent || e.State == None || e.State >= SCTPInit1 && e.State <= SCTPCookieEchoed:
		return 3 // half open: what a flood of SYNs or INITs is made of
	case e.State == LastAck || e.State == FinWait || e.State == CloseWait || e.State >= SCTPShutdownSent && e.State <= SCTPShutdownAckSent:
		return 5
	}
	return keep
}

// Victim chooses the connection to delete for a new one when the table is full: the least worthy
// of the next few under the sweep's hand; among equals the one that would end first. It is never an
// established TCP or SCTP connection or a UDP one with more than one packet: then there is none, and the
// new one has to go.
func (t *Table) Victim(now Tick) *Entry {
	var best *Entry
	bestWorth := 100
	for range min(evictLook, int(t.fresh)) {
		if t.hand >= t.fresh {
			t.hand = 1
		}
		e := &t.entries[t.hand]
		t.hand++
		if e.Proto == 0 {
			continue
		}
		w := e.worth(now)
		if w < bestWorth || w == bestWorth && best != nil && e.Expires.Before(best.Expires) {
			best, bestWorth = e, w
		}
	}
	return best
}
