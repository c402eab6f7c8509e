package sched

import "math/bits"

// maxTableServers is what a table's entries, ranks of 16 bits, can tell apart.
const maxTableServers = 1 << 16

// member is a server of a Maglev table.
type member struct {
	id    uint32 // its address and port as LVS adds them up, see mhID
	turns int    // in a row, at least 1
}

// maglev is a lookup table as in "Maglev: A Fast and Reliable Software Network Load Balancer" (NSDI
// 2016), section 3.4. Each entry holds the rank of its owner among the members. It is immutable.
type maglev struct{ table []uint16 }

// preference is a member's walk over the table: with a prime size and 0 < skip < size it comes to every
// entry once.
type preference struct{ entry, skip uint32 }

func newMaglev(size int, members []member) *maglev {
	prefs := make([]preference, len(members))
	turns := make([]int, len(members))
	for i, m := range members {
		prefs[i] = preference{
			entry: mhOffsetKey.sum32(m.id) % uint32(size),
			skip:  mhSkipKey.sum32(m.id)%uint32(size-1) + 1,
		}
		turns[i] = m.turns
	}
	return &maglev{fill(size, prefs, turns)}
}

// fill lets the members take turns, each so many in a row, over and over: whose turn it is takes the
// first entry of its walk that is free. It uses up prefs.
func fill(size int, prefs []preference, turns []int) []uint16 {
	table := make([]uint16, size)
	taken := make([]uint64, (size+63)/64) // a bitmap, as it stays in the first-level cache
	for n := 0; n < size; {
		for i := range prefs {
			p := &prefs[i]
			for range min(turns[i], size-n) {
				entry := p.entry
				for taken[entry/64]>>(entry%64)&1 != 0 {
					if entry += p.skip; entry >= uint32(size) {
						entry -= uint32(size)
					}
				}
				p.entry = entry
				taken[entry/64] |= 1 << (entry % 64)
				table[entry] = uint16(i)
				n++
			}
		}
	}
	return table
}

// turnsOf is how many turns servers of these weights, all positive, have in a row in a table: their ratio, cut down to few
// bits, as LVS does, and further than that if otherwise the servers at the end would come to no turn, as in LVS.
func turnsOf(size int, weights []int) []int {
	divisor, heaviest := 0, 0
	for _, w := range weights {
		divisor, heaviest = gcd(divisor, w), max(heaviest, w)
	}
	turns := make([]int, len(weights))
	if divisor == 0 {
		return turns
	}
	for shift := max(0, bits.Len(uint(heaviest/divisor))-bits.Len(uint(size))/2); ; shift++ {
		sum := 0
		for i, w := range weights {
			turns[i] = max(1, w/divisor>>shift)
			sum += turns[i]
		}
		if sum <= max(size, len(weights)) {
			return turns
		}
	}
}
