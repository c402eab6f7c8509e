package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirlb/weir/slowpath/view"
)

// histogram marks a family whose values are sent with sendDurations.
const histogram prometheus.ValueType = -1

// bounds are the upper ends of a histogram's buckets: powers of two of a nanosecond, every step-th from first to last.
type bounds struct{ first, last, step int }

var (
	gapBuckets   = bounds{10, 24, 1} // a microsecond to 17 ms
	setupBuckets = bounds{16, 34, 2} // 66 µs to 17 s: few, as there is a histogram for each service
)

// sendDurations gives a scrape times as a histogram, coarser than they were counted.
func (f family) sendDurations(ch chan<- prometheus.Metric, of bounds, d view.Durations, labels ...string) {
	const nano = 1e-9
	buckets := map[float64]uint64{}
	for power := of.first; power <= of.last; power += of.step {
		bound := uint64(1) << power
		var n uint64
		for _, b := range d.Buckets {
			if b.LeNs <= bound {
				n += b.Count
			}
		}
		buckets[float64(bound)*nano] = n
	}
	m, err := prometheus.NewConstHistogram(f.desc, d.Count, float64(d.SumNs)*nano, buckets, labels...)
	if err != nil {
		m = prometheus.NewInvalidMetric(f.desc, err)
	}
	ch <- m
}
