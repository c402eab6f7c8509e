package sched

import (
	"encoding/binary"
	"math/bits"
	"sort"
)

func init() {
	Register("random", "Weighted random: any server, as often as its weight says. For very many short connections, and where "+
		"several balancers must not fall into step.", newRandom, SlowByWeight())
}

// random returns 64 random bits. The state counts, so that its start and any other value are as good; the
// client makes workers, which all start alike, differ.
func (st *State) random(k *Key) uint64 {
	n := uint64(uint32(st.Pos))<<32 | uint64(uint32(st.Weight))
	n += 0x9e3779b97f4a7c15
	st.Pos, st.Weight = int32(n>>32), int32(n)
	n += mix(binary.LittleEndian.Uint64(k.Src[0:]) + mix(binary.LittleEndian.Uint64(k.Src[8:])^uint64(k.SrcPort)<<48))
	return mix(n)
}

// mix is SplitMix64's finish (Steele, Lea and Flood, 2014).
func mix(n uint64) uint64 {
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

// below turns 64 random bits into a number from 0 to n-1.
func below(n, random uint64) uint64 {
	hi, _ := bits.Mul64(random, n)
	return hi
}

// lottery draws among servers with a chance in proportion to their weights.
type lottery struct {
	candidates []candidate
	upTo       []uint64 // by candidate: the sum of the weights up to and with its own
	total      uint64
	bounded    bool // candidates can be full
}

func newLottery(servers []Server) lottery {
	l := lottery{candidates: candidates(servers), bounded: boundsOf(servers) != nil}
	l.upTo = make([]uint64, len(l.candidates))
	for i := range l.candidates {
		l.total += uint64(l.candidates[i].weight)
		l.upTo[i] = l.total
	}
	return l
}

// holder finds who holds a ticket, 1 to total.
func (l *lottery) holder(ticket uint64) *candidate {
	i := sort.Search(len(l.upTo), func(i int) bool { return l.upTo[i] >= ticket })
	return &l.candidates[min(i, len(l.candidates)-1)]
}

// draw returns nil if all are full.
func (l *lottery) draw(random uint64) *candidate {
	c := l.holder(1 + below(l.total, random))
	if l.bounded && c.full() {
		return l.among(random, 1)
	}
	return c
}

// among draws among those that are not full, with tickets from the first on; nil if all are.
func (l *lottery) among(random, first uint64) *candidate {
	total := uint64(0)
	for i := range l.candidates {
		if c := &l.candidates[i]; !c.full() {
			total += uint64(c.weight)
		}
	}
	if total == 0 {
		return nil
	}
	ticket := first + below(total+1-first, mix(random)) // random itself has led to one that is full
	var last *candidate                                 // others may have filled up in the meantime
	for i := range l.candidates {
		c := &l.candidates[i]
		if c.full() {
			continue
		}
		if last = c; ticket <= uint64(c.weight) {
			break
		}
		ticket -= uint64(c.weight)
	}
	return last
}

type weightedRandom struct{ lottery }

func newRandom(servers []Server, _ Options) (Scheduler, error) {
	return &weightedRandom{newLottery(servers)}, nil
}

func (s *weightedRandom) Pick(k *Key, st *State) int {
	if s.total == 0 {
		return -1
	}
	c := s.draw(st.random(k))
	if c == nil {
		return -1
	}
	return int(c.index)
}
