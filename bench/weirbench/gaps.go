package main

import "slices"

// gaps is a histogram of the times between two polls of a worker.
type gaps struct {
	Buckets []gapBucket `json:"buckets"` // in order
}

// gapBucket counts gaps of at most LE nanoseconds, and of more than the bucket before has.
type gapBucket struct {
	LE    uint64 `json:"le_ns"`
	Count uint64 `json:"count"`
}

// merge combines two histograms, bucket by bucket.
func (g gaps) merge(o gaps, op func(a, b uint64) uint64) (out gaps) {
	counts := map[uint64][2]uint64{}
	for i, h := range []gaps{g, o} {
		for _, b := range h.Buckets {
			c := counts[b.LE]
			c[i] += b.Count
			counts[b.LE] = c
		}
	}
	for le, c := range counts {
		if n := op(c[0], c[1]); n > 0 {
			out.Buckets = append(out.Buckets, gapBucket{le, n})
		}
	}
	slices.SortFunc(out.Buckets, func(a, b gapBucket) int {
		if a.LE < b.LE {
			return -1
		}
		return 1
	})
	return out
}

func (g gaps) plus(o gaps) gaps {
	return g.merge(o, func(a, b uint64) uint64 { return a + b })
}

func (g gaps) minus(o gaps) gaps {
	return g.merge(o, func(a, b uint64) uint64 { return a - min(a, b) })
}

func (g gaps) total() (n uint64) {
	for _, b := range g.Buckets {
		n += b.Count
	}
	return n
}

// quantile is a bound in microseconds that the share q of all gaps keep to; 1 gives the longest's.
func (g gaps) quantile(q float64) float64 {
	rank := q * float64(g.total())
	seen := 0.0
	for _, b := range g.Buckets {
		seen += float64(b.Count)
		if seen >= rank {
			return float64(b.LE) / 1000
		}
	}
	return 0
}
