package sched

// maxTableServers is what a table's entries, ranks of 16 bits, can tell apart.
const maxTableServers = 1 << 16

// member is a server of a Maglev table.
type member struct {
	address string
	weight  int // 1 to MaxWeight; only the ratio to the others' matters
}

// maglev is a lookup table as in "Maglev: A Fast and Reliable Software Network Load Balancer" (NSDI
// 2016), section 3.4. Each entry holds the rank of its owner among the members. It is immutable.
type maglev struct{ table []uint16 }

// preference is a member's walk over the table: with a prime size and 0 < skip < size it comes to every
// entry once.
type preference struct{ entry, skip uint32 }

func newMaglev(size int, members []member) *maglev {
	prefs := make([]preference, len(members))
	weights := make([]int, len(members))
	for i, m := range members {
		prefs[i] = preference{
			entry: uint32(mhOffsetKey.sum(m.address) % uint64(size)),
			skip:  uint32(mhSkipKey.sum(m.address)%uint64(size-1)) + 1,
		}
		weights[i] = m.weight
	}
	return &maglev{fill(size, prefs, cycle(size, weights))}
}

// fill lets the members take turns, in the order of cycle over and over: whose turn it is takes the
// first entry of its walk that is free. It uses up prefs.
func fill(size int, prefs []preference, cycle []uint16) []uint16 {
	table := make([]uint16, size)
	taken := make([]uint64, (size+63)/64) // a bitmap, as it stays in the first-level cache
	for n := 0; n < size; {
		for _, member := range cycle[:min(len(cycle), size-n)] {
			p := &prefs[member]
			entry := p.entry
			for taken[entry/64]>>(entry%64)&1 != 0 {
				if entry += p.skip; entry >= uint32(size) {
					entry -= uint32(size)
				}
			}
			p.entry = entry
			taken[entry/64] |= 1 << (entry % 64)
			table[entry] = member
		}
		n += len(cycle)
	}
	return table
}

// cycle is the order of the members' turns: as many for each as its weight, evenly spread, or the first
// size of them. It starts with one turn for everybody, so that no member goes without an entry. Equal
// weights give the paper's round robin.
func cycle(size int, weights []int) []uint16 {
	total := 0
	for _, w := range weights {
		total += w
	}
	order := make([]uint16, min(total, size))
	queue := newTurns(weights)
	for i := range order {
		order[i] = queue.next()
	}
	return order
}

// turns is a queue of members, a binary heap: the turns of each come at the times 0, 1/weight, 2/weight
// and so on, and those of the same time in order of rank.
type turns []turn

// turn is at the time count/weight.
type turn struct {
	count  uint32 // at most the table's size
	weight uint32
	member uint16
}

func newTurns(weights []int) turns {
	q := make(turns, len(weights))
	for i, w := range weights {
		q[i] = turn{weight: uint32(w), member: uint16(i)}
	}
	return q
}

// next returns whose turn it is, and queues its next one.
func (q turns) next() uint16 {
	t := q[0]
	member := t.member
	t.count++
	hole := 0
	for {
		child := 2*hole + 1
		if child >= len(q) {
			break
		}
		if child+1 < len(q) && q[child+1].before(&q[child]) {
			child++
		}
		if t.before(&q[child]) {
			break
		}
		q[hole] = q[child]
		hole = child
	}
	q[hole] = t
	return member
}

// before compares the times crosswise, so exactly: which of two turns of the same time comes first decides about
// entries, and other programs must come to the same table.
func (t *turn) before(u *turn) bool {
	a, b := uint64(t.count)*uint64(u.weight), uint64(u.count)*uint64(t.weight)
	return a < b || a == b && t.member < u.member
}
