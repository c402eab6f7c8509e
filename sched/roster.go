package sched

import (
	"cmp"
	"slices"
)

// roster is the servers of a scheduler that remembers some of them: by their IDs, as indices change.
// Its methods speak of candidates by their place among them, -1 being none.
type roster struct {
	candidates []candidate
	ids        []uint32 // of each candidate
	byID       []int32  // the candidates in the order of IDs
}

func newRoster(servers []Server) roster {
	r := roster{candidates: candidates(servers)}
	r.ids, r.byID = make([]uint32, len(r.candidates)), make([]int32, len(r.candidates))
	for i, c := range r.candidates {
		r.byID[i] = int32(i)
		if r.ids[i] = servers[c.index].ID; r.ids[i] == 0 {
			r.ids[i] = uint32(c.index) + 1
		}
	}
	slices.SortFunc(r.byID, func(a, b int32) int { return cmp.Compare(r.ids[a], r.ids[b]) })
	return r
}

// find looks up who has an ID and takes connections.
func (r *roster) find(id uint32) int {
	low, high := 0, len(r.byID)
	for low < high {
		if middle := int(uint(low+high) / 2); r.ids[r.byID[middle]] < id {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low < len(r.byID) && r.ids[r.byID[low]] == id {
		return int(r.byID[low])
	}
	return -1
}

// overloaded reports whether a server has more active connections than its weight while another one has fewer than
// half of its own.
func (r *roster) overloaded(i int) bool {
	c := &r.candidates[i]
	if c.load.Active.Load() <= c.weight {
		return false
	}
	for j := range r.candidates {
		if o := &r.candidates[j]; int64(o.load.Active.Load())*2 < int64(o.weight) {
			return true
		}
	}
	return false
}

// index is a candidate's in the slice given to New.
func (r *roster) index(i int) int {
	if i < 0 {
		return -1
	}
	return int(r.candidates[i].index)
}
