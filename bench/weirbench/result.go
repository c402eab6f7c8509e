package main

import "slices"

// result is a row of latest.json; figures are medians of the rounds, those of two programs of what each round has.
type result struct {
	Mode      string  `json:"mode"`
	Family    string  `json:"family"`
	Flows     int     `json:"flows"`
	Workers   int     `json:"workers"`
	Traffic   traffic `json:"traffic"`
	Mpps      float64 `json:"mpps"`
	NsPacket  float64 `json:"ns_per_packet"`
	IO        float64 `json:"testpmd_io_mpps"`
	Csum      float64 `json:"testpmd_csum_mpps"`
	RatioIO   float64 `json:"ratio_io"`
	RatioCsum float64 `json:"ratio_csum"`
	OwnNs     float64 `json:"own_ns"`  // Weir's time per packet less testpmd io's
	Spread    float64 `json:"spread"`  // of Weir's rounds: (largest - smallest) / median
	Dropped   uint64  `json:"dropped"` // packets, while Weir was measured
	// Disturbed is how many of the windows were measured although the machine was not calm, of three a round.
	Disturbed int `json:"disturbed_windows"`
}

func (f figures) result(t *trial) result {
	r := result{
		Mode: t.mode, Family: t.family.name, Flows: t.flows, Workers: t.workers, Traffic: t.traffic,
		Mpps: median(f.weir), IO: median(f.io), Csum: median(f.csum), Dropped: f.dropped, Disturbed: f.disturbed,
	}
	if r.Mpps > 0 {
		r.NsPacket = 1000 / r.Mpps
		r.Spread = (slices.Max(f.weir) - slices.Min(f.weir)) / r.Mpps
	}
	r.RatioIO, r.RatioCsum = pairs(f.weir, f.io, ratio), pairs(f.weir, f.csum, ratio)
	r.OwnNs = pairs(f.weir, f.io, func(weir, io float64) float64 { return ratio(1000, weir) - ratio(1000, io) })
	return r
}

// pairs is the median of what the two figures of every round give: a machine that is slower in one round than in another is so for
// both. It is 0 if one is missing everywhere.
func pairs(a, b []float64, of func(a, b float64) float64) float64 {
	var all []float64
	for i := range min(len(a), len(b)) {
		if a[i] > 0 && b[i] > 0 {
			all = append(all, of(a[i], b[i]))
		}
	}
	return median(all)
}
