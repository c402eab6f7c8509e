package main

import (
	"fmt"
	"os"
	"strings"
)

// memory is what connections cost.
type memory struct {
	V4 float64 `json:"bytes_per_connection_v4"`
	V6 float64 `json:"bytes_per_connection_v6"`
	// StartupMs is how long Weir takes until packets flow, with a table for 10 million connections.
	StartupMs float64 `json:"startup_10m_ms"`
}

// memory measures the whole process: with a table full of nat connections, both directions included, and with next to
// none.
func (o *options) memory() (m memory, err error) {
	const full, few = 8 << 20, 1024
	for _, f := range families {
		large, err := o.resident(&trial{mode: "nat", family: f, flows: full, capacity: full, workers: 1, traffic: established})
		if err != nil {
			return m, err
		}
		small, err := o.resident(&trial{mode: "nat", family: f, flows: few, capacity: few, workers: 1, traffic: established, madeUp: true})
		if err != nil {
			return m, err
		}
		each := float64(large-small) / (full - few)
		if f.v6 {
			m.V6 = each
		} else {
			m.V4 = each
		}
	}
	t := &trial{mode: "nat", family: families[0], flows: few, capacity: 10_000_000, workers: 1, traffic: established, madeUp: true}
	if err := o.pages.want(t.weirMB()); err != nil {
		return m, err
	}
	w, err := startWeir(o, t, setup{})
	if err != nil {
		return m, err
	}
	m.StartupMs = float64(w.startup.Microseconds()) / 1000
	return m, o.finish(t, w)
}

// resident is the memory of a Weir that has all connections of a trial, in bytes.
func (o *options) resident(t *trial) (bytes int, err error) {
	if err := o.pages.want(t.weirMB()); err != nil {
		return 0, err
	}
	w, err := startWeir(o, t, setup{})
	if err != nil {
		return 0, err
	}
	if err := w.fill(t.flows); err != nil {
		return 0, err
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	return parseResident(string(status)), o.finish(t, w)
}

// parseResident adds up what /proc/PID/status says of ordinary and huge pages, in bytes.
func parseResident(status string) (bytes int) {
	for line := range strings.Lines(status) {
		var kB int
		for _, key := range []string{"RssAnon:", "HugetlbPages:"} {
			if _, err := fmt.Sscanf(line, key+" %d kB", &kB); err == nil {
				bytes += kB << 10
			}
		}
	}
	return bytes
}
