package compile

// places hands out small indices and takes them back for use anew once no worker can know them any more.
type places struct {
	size  uint32 // indices given out so far are all below
	free  []uint32
	limbo []limbo
}

// limbo is an index that is not in the snapshot of generation since any more.
type limbo struct {
	index uint32
	since uint64
}

func (p *places) clone() places {
	return places{
		size:  p.size,
		free:  append([]uint32(nil), p.free...),
		limbo: append([]limbo(nil), p.limbo...),
	}
}

// take gives out an index, and tells whether somebody had it before.
func (p *places) take() (index uint32, used bool) {
	if n := len(p.free); n > 0 {
		i := p.free[n-1]
		p.free = p.free[:n-1]
		return i, true
	}
	p.size++
	return p.size - 1, false
}

// always says so of any index.
func always(uint32) bool { return true }

func (p *places) giveUp(index uint32, since uint64) {
	p.limbo = append(p.limbo, limbo{index, since})
}

// settle frees what every worker has left behind, as all use acked or later, if nothing else has it in use.
func (p *places) settle(acked uint64, unused func(index uint32) bool) {
	kept := p.limbo[:0]
	for _, l := range p.limbo {
		if l.since <= acked && unused(l.index) {
			p.free = append(p.free, l.index)
		} else {
			kept = append(kept, l)
		}
	}
	p.limbo = kept
}
