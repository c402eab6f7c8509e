package conn

// Dump copies the live connections, for weir show. It may run beside the table's worker: an entry that
// changes under its hands may come out half old, half new, or not at all, which the reader has to
// live with; f gets a copy. It stops when f returns false.
func (t *Table) Dump(f func(*Entry) bool) {
	for i := range t.entries {
		e := t.entries[i]
		if e.Proto != 0 && !f(&e) {
			return
		}
	}
}
