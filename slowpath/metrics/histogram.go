package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirlb/weir/slowpath/view"
)

// histogram marks a family whose values are sent with sendGaps.
const histogram prometheus.ValueType = -1

// Buckets of gaps, as powers of two of a nanosecond: from a microsecond to 17 milliseconds, one for each doubling.
const (
	firstGap = 10
	lastGap  = 24
)

// sendGaps gives a scrape the gaps as a histogram, coarser than they were counted.
func (f family) sendGaps(ch chan<- prometheus.Metric, g view.Gaps, labels ...string) {
	const nano = 1e-9
	buckets := map[float64]uint64{}
	for power := firstGap; power <= lastGap; power++ {
		bound := uint64(1) << power
		var n uint64
		for _, b := range g.Buckets {
			if b.LeNs <= bound {
				n += b.Count
			}
		}
		buckets[float64(bound)*nano] = n
	}
	m, err := prometheus.NewConstHistogram(f.desc, g.Count, float64(g.SumNs)*nano, buckets, labels...)
	if err != nil {
		m = prometheus.NewInvalidMetric(f.desc, err)
	}
	ch <- m
}
