package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// report is latest.json.
type report struct {
	Machine    machine   `json:"machine"`
	Version    string    `json:"weir"`
	Time       string    `json:"time"`
	Rounds     int       `json:"rounds"`
	WindowMs   int64     `json:"window_ms"`
	Repeated   int       `json:"repeated_windows"` // because the machine was not calm
	Results    []result  `json:"results"`
	Memory     *memory   `json:"memory,omitempty"`
	Gaps       quantiles `json:"gaps"`
	BareGaps   quantiles `json:"bare_gaps"` // of a loop that only looks at the clock, as often
	Live       *live     `json:"live,omitempty"`
	Goals      []goal    `json:"goals"`
	Failed     []string  `json:"failed,omitempty"`     // runs that came to nothing
	Unbalanced []string  `json:"unbalanced,omitempty"` // runs whose counters do not add up
}

// machine is what the figures were measured on.
type machine struct {
	CPU     string `json:"cpu"`
	Cores   int    `json:"cores"`
	Core    int    `json:"measured_core"`
	Kernel  string `json:"kernel"`
	Virtual bool   `json:"virtual"`
}

func thisMachine(core int) (m machine) {
	m.Core = core
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		key, value, _ := strings.Cut(line, ":")
		switch strings.TrimSpace(key) {
		case "model name":
			m.Cores++
			m.CPU = strings.TrimSpace(value)
		case "flags":
			m.Virtual = strings.Contains(value, " hypervisor")
		}
	}
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	m.Kernel = strings.TrimSpace(string(release))
	return m
}

const columns = "%-5s %-3s %6s %3s %-9s %8s %8s %8s %8s %9s %10s %8s %7s\n"

func printHeader(w io.Writer) {
	fmt.Fprintf(w, columns, "MODE", "IP", "FLOWS", "W", "TRAFFIC", "MPPS", "NS", "IO-MPPS", "CSUM", "RATIO-IO", "RATIO-CSUM", "OWN-NS", "SPREAD")
}

func (r result) print(w io.Writer) {
	note := ""
	if r.Dropped > 0 {
		note = fmt.Sprintf("  (%d packets dropped)", r.Dropped)
	}
	if r.Disturbed > 0 {
		note += fmt.Sprintf("  (disturbed windows: %d)", r.Disturbed)
	}
	fmt.Fprintf(w, strings.TrimSuffix(columns, "\n")+"%s\n", r.Mode, r.Family, flowsName(r.Flows), fmt.Sprint(r.Workers), r.Traffic,
		number(r.Mpps, 2), number(r.NsPacket, 1), number(r.IO, 2), number(r.Csum, 2), number(r.RatioIO, 2), number(r.RatioCsum, 2),
		number(r.OwnNs, 1), number(100*r.Spread, 0)+"%", note)
}

func number(v float64, digits int) string { return fmt.Sprintf("%.*f", digits, v) }

// printRest is what follows the rows: everything that is not one of them.
func (rep *report) printRest(w io.Writer) {
	if m := rep.Memory; m != nil {
		fmt.Fprintf(w, "\nA connection takes %.1f bytes in IPv4 and %.1f in IPv6. Start-up with a table for 10 M: %.0f ms.\n", m.V4, m.V6, m.StartupMs)
	}
	if l := rep.Live; l != nil {
		fmt.Fprintf(w, "\nAt half the load (%.2f Mpps), %.0f seconds with a reload and a change of health each and %.0f without, in turn:\n"+
			"%d packets were lost with changes, %d without. With those that were measured again: %d reloads, %d changes of health, %d scrapes,\n"+
			"and %d garbage collections in the run for the gaps between polls, µs:\n",
			l.LoadMpps, l.Seconds, l.Seconds, l.Lost, l.LostQuiet, l.Reloads, l.Flaps, l.Scrapes, l.GCs)
		fmt.Fprintf(w, "%-10s %9s %9s %9s %9s\n", "", "P50", "P99", "P99.99", "MAX")
		for _, row := range []struct {
			name string
			q    quantiles
		}{{"weir", rep.Gaps}, {"bare loop", rep.BareGaps}} {
			fmt.Fprintf(w, "%-10s %9.2f %9.2f %9.2f %9.2f\n", row.name, row.q.P50, row.q.P99, row.q.P9999, row.q.Max)
		}
	}
	if rep.Repeated > 0 {
		fmt.Fprintf(w, "\n%d windows were measured again, as the machine was not calm.\n", rep.Repeated)
	}
	fmt.Fprintf(w, "\n%-58s %-10s %10s\n", "GOAL", "  WANT", "GOT")
	for _, g := range rep.Goals {
		fmt.Fprintln(w, g)
	}
	for _, u := range rep.Unbalanced {
		fmt.Fprintln(w, "\n"+u)
	}
	for _, f := range rep.Failed {
		fmt.Fprintln(w, "\nFAILED, see above: "+f)
	}
}

// save writes latest.json.
func (rep *report) save(dir string) error {
	rep.Time = time.Now().UTC().Format(time.RFC3339)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	b, err := json.MarshalIndent(rep, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "latest.json"), append(b, '\n'), 0o644)
}
