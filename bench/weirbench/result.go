package main

import "slices"

// result is a row of latest.json; figures are medians of the rounds.
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
	if r.IO > 0 {
		r.RatioIO = r.Mpps / r.IO
	}
	if r.IO > 0 && r.Mpps > 0 {
		r.OwnNs = r.NsPacket - 1000/r.IO
	}
	if r.Csum > 0 {
		r.RatioCsum = r.Mpps / r.Csum
	}
	return r
}
