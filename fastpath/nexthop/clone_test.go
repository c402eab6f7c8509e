package nexthop

import "testing"

func TestACloneHasTheSameRecordsAndStaysAsItIs(t *testing.T) {
	tab := NewTable()
	var ids []ID
	for i := range 3000 {
		ids = append(ids, ensure(t, tab, key(i)))
		tab.Set(ids[i], [6]byte{2, byte(i)}, Reachable)
	}
	c := tab.Clone()
	for i, id := range ids {
		k := key(i)
		if c.Lookup(&k) != id || c.Load(id) != tab.Load(id) || c.Key(id) != k {
			t.Fatalf("record %d of the clone is %x for %+v", id, c.Load(id), c.Key(id))
		}
	}
	c.Use(ids[0])
	if tab.TakeUsed(ids[0]) {
		t.Error("a use of the clone counts as one of the table")
	}
	was := c.Load(ids[1])
	tab.Set(ids[1], [6]byte{}, Failed)
	tab.Remove(ids[2])
	if k := key(2); c.Load(ids[1]) != was || c.Lookup(&k) != ids[2] || c.Len() != len(ids) {
		t.Error("the clone changes with the table")
	}
}
