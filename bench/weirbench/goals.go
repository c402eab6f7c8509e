package main

import "fmt"

// goal is what a figure must reach, and whether it does.
type goal struct {
	Name string  `json:"name"`
	Want float64 `json:"want"`
	Most bool    `json:"at_most"` // Want is an upper bound
	Got  float64 `json:"got"`
	Met  bool    `json:"met"`
}

func least(name string, got, want float64) goal { return goal{name, want, false, got, got >= want} }
func most(name string, got, want float64) goal  { return goal{name, want, true, got, got <= want} }

func (g goal) String() string {
	sign, mark := "≥", "met"
	if g.Most {
		sign = "≤"
	}
	if !g.Met {
		mark = "MISSED"
	}
	return fmt.Sprintf("%-58s %s %-8.4g %10.4g  %s", g.Name, sign, g.Want, g.Got, mark)
}

// leastCsum is the least ratio_csum in IPv4, by mode and flows.
var leastCsum = map[string]map[int]float64{
	"nat": {256: 0.80, 64 << 10: 0.65, 1 << 20: 0.50},
	"dr":  {256: 0.95, 64 << 10: 0.75, 1 << 20: 0.55},
	"tun": {256: 0.85, 64 << 10: 0.70, 1 << 20: 0.50},
}

// Bounds of how IPv6 compares with IPv4, and of how own_ns grows from fewestFlows on.
var (
	leastV6     = map[int]float64{256: 0.85, 64 << 10: 0.85, 1 << 20: 0.80, 8 << 20: 0.80}
	mostGrowth  = map[int]float64{64 << 10: 1.7, 1 << 20: 3, 8 << 20: 3.5}
	fewestFlows = 256
)

// find returns the row of some figures.
func (rep *report) find(mode, family string, flows, workers int, kind traffic) (result, bool) {
	for _, r := range rep.Results {
		if r.Mode == mode && r.Family == family && r.Flows == flows && r.Workers == workers && r.Traffic == kind {
			return r, true
		}
	}
	return result{}, false
}

// judge compares every figure that was measured with its goal.
func (rep *report) judge() (out []goal) {
	for _, r := range rep.Results {
		if r.Traffic == established && r.Workers == 1 {
			out = append(out, rep.judgeEstablished(r)...)
		}
	}
	for _, r := range rep.Results {
		name := r.Mode + " " + r.Family
		switch {
		case r.Traffic == fresh:
			out = append(out, least(name+": new connections, M/s", r.Mpps, 5))
			if e, ok := rep.find(r.Mode, r.Family, r.Flows, 1, established); ok && e.OwnNs > 0 {
				out = append(out, most(name+": own_ns of a new connection, times an established's", r.OwnNs/e.OwnNs, 3))
			}
		case r.Workers == 2 && r.Traffic == established:
			if e, ok := rep.find(r.Mode, r.Family, r.Flows, 1, established); ok {
				out = append(out, least(name+": two workers, times one", r.Mpps/e.Mpps, 1.9))
			}
		case r.Workers == 2 && r.Traffic == passed:
			if e, ok := rep.find(r.Mode, r.Family, r.Flows, 2, established); ok {
				out = append(out, least(name+": every packet handed over, times none", r.Mpps/e.Mpps, 0.6))
			}
		}
	}
	if m := rep.Memory; m != nil {
		out = append(out, most("bytes of table per IPv4 connection", m.V4, 96), most("bytes of table per IPv6 connection", m.V6, 160),
			most("start-up with a table for 10 M connections, ms", m.StartupMs, 2000))
	}
	if rep.Live != nil {
		out = append(out, most("longest gap but for 1 in 10 000, µs", rep.Gaps.P9999, 50),
			most("the same, times a bare loop's", ratio(rep.Gaps.P9999, rep.BareGaps.P9999), 2),
			most("packets lost during reloads at half the load, more than before", lost(*rep.Live), 0))
	}
	return append(out, most("runs whose counters do not balance", float64(len(rep.Unbalanced)), 0))
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

func (rep *report) judgeEstablished(r result) (out []goal) {
	name := fmt.Sprintf("%s %s %s", r.Mode, r.Family, flowsName(r.Flows))
	if want, ok := leastCsum[r.Mode][r.Flows]; ok && r.Family == "v4" {
		out = append(out, least(name+": ratio_csum", r.RatioCsum, want))
	}
	if want, ok := leastV6[r.Flows]; ok && r.Family == "v6" {
		if v4, ok := rep.find(r.Mode, "v4", r.Flows, 1, established); ok {
			out = append(out, least(name+": Mpps, times v4's", ratio(r.Mpps, v4.Mpps), want))
		}
	}
	if want, ok := mostGrowth[r.Flows]; ok {
		if few, ok := rep.find(r.Mode, r.Family, fewestFlows, 1, established); ok && r.IO > 0 && few.IO > 0 {
			out = append(out, most(fmt.Sprintf("%s: own_ns, times that of %d flows", name, fewestFlows), ratio(r.OwnNs, few.OwnNs), want))
		}
	}
	return out
}

// lost is what changes cost: the machine itself loses packets now and then.
func lost(l live) float64 { return float64(l.Lost) - float64(l.LostQuiet) }
