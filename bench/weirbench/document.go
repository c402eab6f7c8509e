package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// What lies between these lines of performance.md is written by make bench; the rest is people's.
const (
	beginMark = "<!-- make bench writes from here -->"
	endMark   = "<!-- to here -->"
)

// document writes the charts, and the table into performance.md.
func (rep *report) document(dir string) error {
	charts := filepath.Join(dir, "charts")
	if err := os.MkdirAll(charts, 0o755); err != nil {
		return err
	}
	for name, c := range map[string]*chart{"mpps.svg": rep.mppsChart(), "own_ns.svg": rep.ownChart()} {
		if err := os.WriteFile(filepath.Join(charts, name), []byte(c.svg()), 0o644); err != nil {
			return err
		}
	}
	name := filepath.Join(dir, "performance.md")
	page, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(page) == 0 {
		page = []byte("# Performance\n\n" + beginMark + "\n" + endMark + "\n")
	}
	text, err := insert(string(page), rep.markdown())
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return os.WriteFile(name, []byte(text), 0o644)
}

// insert puts text between the marks of a page.
func insert(page, text string) (string, error) {
	before, rest, ok := strings.Cut(page, beginMark)
	_, after, ok2 := strings.Cut(rest, endMark)
	if !ok || !ok2 {
		return "", fmt.Errorf("the lines %q and %q, between which the results go, are missing", beginMark, endMark)
	}
	return before + beginMark + "\n\n" + text + "\n" + endMark + after, nil
}

// markdown is the results as tables.
func (rep *report) markdown() string {
	var b strings.Builder
	m := rep.Machine
	virtual := ""
	if m.Virtual {
		virtual = ", a virtual machine"
	}
	fmt.Fprintf(&b, "Measured on %s, %d cores%s, kernel %s, with %s: medians of %d rounds.\n\n", m.CPU, m.Cores, virtual, m.Kernel, rep.Version, rep.Rounds)
	b.WriteString("![Mpps over the number of connections](charts/mpps.svg)\n\n![Weir's own time per packet over the number of connections](charts/own_ns.svg)\n\n")
	b.WriteString("| mode | | flows | workers | traffic | Mpps | ns | testpmd io | testpmd csum | ratio io | ratio csum | own ns |\n")
	b.WriteString("|---|---|--:|--:|---|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, r := range rep.Results {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %d | %s | %.2f | %.1f | %.2f | %.2f | %.2f | %.2f | %.1f |\n",
			r.Mode, r.Family, flowsName(r.Flows), r.Workers, r.Traffic, r.Mpps, r.NsPacket, r.IO, r.Csum, r.RatioIO, r.RatioCsum, r.OwnNs)
	}
	if x := rep.Memory; x != nil {
		fmt.Fprintf(&b, "\nMemory of a connection: %.1f bytes in IPv4, %.1f in IPv6. Start-up with a table for 10 M connections: %.0f ms.\n", x.V4, x.V6, x.StartupMs)
	}
	if l := rep.Live; l != nil {
		fmt.Fprintf(&b, "\nAt half the load, %.0f seconds with a reload and a change of health each: %d packets lost; %.0f seconds without: %d. "+
			"All in all %d reloads, %d changes of health and %d scrapes; %d garbage collections while the gaps were measured.\n\n",
			l.Seconds, l.Lost, l.Seconds, l.LostQuiet, l.Reloads, l.Flaps, l.Scrapes, l.GCs)
		b.WriteString("| gaps between polls, µs | p50 | p99 | p99.99 | longest |\n|---|--:|--:|--:|--:|\n")
		fmt.Fprintf(&b, "| Weir | %.2f | %.2f | %.2f | %.1f |\n", rep.Gaps.P50, rep.Gaps.P99, rep.Gaps.P9999, rep.Gaps.Max)
		fmt.Fprintf(&b, "| a bare loop | %.2f | %.2f | %.2f | %.1f |\n", rep.BareGaps.P50, rep.BareGaps.P99, rep.BareGaps.P9999, rep.BareGaps.Max)
	}
	b.WriteString("\n| goal | | want | got | |\n|---|---|--:|--:|---|\n")
	for _, g := range rep.Goals {
		sign, mark := "at least", "met"
		if g.Most {
			sign = "at most"
		}
		if !g.Met {
			mark = "**missed**"
		}
		fmt.Fprintf(&b, "| %s | %s | %.4g | %.4g | %s |\n", g.Name, sign, g.Want, g.Got, mark)
	}
	return b.String()
}

var colours = map[string]string{"nat": "#c0392b", "tun": "#2471a3", "dr": "#1e8449", "fullnat": "#8e44ad"}

// over collects a figure of the established connections' rows, a line for each mode and family.
func (rep *report) over(figure func(result) float64) (points []string, lines []series) {
	var flows []int
	for _, r := range rep.Results {
		if r.Traffic == established && r.Workers == 1 && !slices.Contains(flows, r.Flows) {
			flows = append(flows, r.Flows)
		}
	}
	slices.Sort(flows)
	for _, n := range flows {
		points = append(points, flowsName(n))
	}
	at := map[string]int{}
	for _, r := range rep.Results {
		if r.Traffic != established || r.Workers != 1 {
			continue
		}
		name := r.Mode + " " + r.Family
		if _, there := at[name]; !there {
			at[name] = len(lines)
			lines = append(lines, series{name: name, colour: colours[r.Mode], dashed: r.Family == "v6", values: make([]float64, len(flows))})
		}
		lines[at[name]].values[slices.Index(flows, r.Flows)] = figure(r)
	}
	return points, lines
}

func (rep *report) mppsChart() *chart {
	points, lines := rep.over(func(r result) float64 { return r.Mpps })
	_, csum := rep.over(func(r result) float64 { return r.Csum })
	for _, s := range csum {
		if s.name == "dr v4" {
			s.name, s.colour = "testpmd csum v4", "#777"
			lines = append(lines, s)
		}
	}
	return &chart{title: "Packets forwarded by one worker", x: "connections", y: "million packets a second", points: points, series: lines}
}

func (rep *report) ownChart() *chart {
	points, lines := rep.over(func(r result) float64 { return r.OwnNs })
	return &chart{title: "Weir's own time per packet", x: "connections", y: "ns beyond testpmd io", points: points, series: lines}
}
