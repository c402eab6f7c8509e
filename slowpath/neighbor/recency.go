package neighbor

// evictions is how many neighbours make room at once: removing one record costs as much as removing many.
const evictions = MaxLearned / 16

// classify puts an entry into the list that the bound on strangers is about, or takes it out.
func (t *Table) classify(e *entry) {
	bounded := e.wanted == 0 && !e.configured
	switch {
	case bounded && e.recent == nil:
		e.recent = t.learned.PushFront(e)
	case !bounded && e.recent != nil:
		t.learned.Remove(e.recent)
		e.recent = nil
	}
}

// noteUse takes the workers' mark from a record.
func (t *Table) noteUse(e *entry) {
	if t.hops.TakeUsed(e.id) {
		t.use(e)
	}
}

func (t *Table) use(e *entry) {
	e.used = t.now
	if e.recent != nil {
		t.learned.MoveToFront(e.recent)
	}
}

// evict forgets the learned neighbours that have not been used for longest. One that workers have used since
// it was last looked at gets a second chance. It reports whether there is room.
func (t *Table) evict() bool {
	evicted := 0
	for range min(2*evictions, t.learned.Len()) {
		if evicted == evictions {
			break
		}
		e := t.learned.Back().Value.(*entry)
		if t.hops.TakeUsed(e.id) {
			t.use(e)
			continue
		}
		t.forget(e)
		evicted++
	}
	t.flushRemoved()
	return evicted > 0
}
