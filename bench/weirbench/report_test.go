package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestGapsOfAWindowAreWhatWasAddedInIt(t *testing.T) {
	before := gaps{[]gapBucket{{100, 5}, {1000, 1}}}
	after := gaps{[]gapBucket{{100, 25}, {200, 7}, {1000, 1}}}
	got := after.minus(before)
	if len(got.Buckets) != 2 || got.Buckets[0] != (gapBucket{100, 20}) || got.Buckets[1] != (gapBucket{200, 7}) || got.total() != 27 {
		t.Errorf("%+v", got)
	}
	if sum := got.plus(before); sum.total() != after.total() {
		t.Errorf("%+v", sum)
	}
}

func TestQuantilesOfGaps(t *testing.T) {
	g := gaps{[]gapBucket{{1000, 9998}, {50_000, 1}, {2_000_000, 1}}}
	if q := g.quantiles(); q != (quantiles{1, 1, 50, 2000}) {
		t.Errorf("%+v", q)
	}
	if q := (gaps{}).quantiles(); q != (quantiles{}) {
		t.Errorf("of none: %+v", q)
	}
}

func TestAResultIsMadeOfMedians(t *testing.T) {
	trial := &trial{mode: "dr", family: families[0], flows: 256, workers: 1, traffic: established}
	r := figures{weir: []float64{10, 8, 100}, io: []float64{50, 50, 1}, csum: []float64{20, 25, 16}}.result(trial)
	if r.Mpps != 10 || r.NsPacket != 100 || r.IO != 50 || r.Csum != 20 || r.RatioIO != 0.2 || r.RatioCsum != 0.5 || r.OwnNs != 80 {
		t.Errorf("%+v", r)
	}
	if math.Abs(r.Spread-9.2) > 1e-9 {
		t.Errorf("spread %v", r.Spread)
	}
}

func TestWhatTwoProgramsHaveIsComparedRoundByRound(t *testing.T) {
	trial := &trial{mode: "dr", family: families[0], flows: 256, workers: 1, traffic: established}
	r := figures{weir: []float64{10, 5, 6}, io: []float64{50, 25, 60}, csum: []float64{20, 10, 24}}.result(trial)
	if r.Mpps != 6 || r.Csum != 20 || r.RatioCsum != 0.5 || r.RatioIO != 0.2 || math.Abs(r.OwnNs-150) > 1e-9 {
		t.Errorf("%+v", r)
	}
}

func TestMedianOfAnEvenNumberIsBetweenTheMiddleTwo(t *testing.T) {
	if m := median([]float64{4, 1, 3, 2}); m != 2.5 {
		t.Errorf("%v", m)
	}
}

func TestAResultWithoutRoundsCanBeWritten(t *testing.T) {
	r := figures{}.result(&trial{family: families[0]})
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
}

// everything is a report with a row of everything.
func everything() *report {
	row := func(mode, family string, flows, workers int, kind traffic, mpps, own float64) result {
		return result{Mode: mode, Family: family, Flows: flows, Workers: workers, Traffic: kind, Mpps: mpps, OwnNs: own, NsPacket: 1000 / mpps, IO: 60, Csum: 20, RatioCsum: mpps / 20}
	}
	rep := &report{Machine: machine{CPU: "a <fast> one", Cores: 2}, Results: []result{
		row("nat", "v4", 256, 1, established, 16, 30), row("nat", "v4", 64<<10, 1, established, 15, 40),
		row("nat", "v4", 8<<20, 1, established, 9, 100), row("nat", "v6", 64<<10, 1, established, 10, 60),
		row("nat", "v4", 8<<20, 1, fresh, 4, 250), row("nat", "v4", 64<<10, 2, established, 30, 40),
		row("nat", "v4", 64<<10, 2, passed, 12, 80),
	}, Memory: &memory{77, 200, 500}, Live: &live{Lost: 3}, Gaps: quantiles{1, 2, 40, 900}, BareGaps: quantiles{1, 1, 30, 300}}
	rep.Goals = rep.judge()
	return rep
}

func TestGoalsAreHeldAgainstWhatWasMeasured(t *testing.T) {
	want := map[string]bool{
		"nat v4 256: ratio_csum":                                         true,
		"nat v4 64K: ratio_csum":                                         true,
		"nat v4 64K: own_ns, times that of 256 flows":                    true,
		"nat v4 8M: own_ns, times that of 256 flows":                     true,
		"nat v6 64K: Mpps, times v4's":                                   false,
		"nat v4: new connections, M/s":                                   false,
		"nat v4: own_ns of a new connection, times an established's":     true,
		"nat v4: two workers, times one":                                 true,
		"nat v4: every packet handed over, times none":                   false,
		"bytes of table per IPv4 connection":                             true,
		"bytes of table per IPv6 connection":                             false,
		"start-up with a table for 10 M connections, ms":                 true,
		"longest gap but for 1 in 10 000, µs":                            true,
		"the same, times a bare loop's":                                  true,
		"packets lost during reloads at half the load, more than before": false,
		"runs whose counters do not balance":                             true,
	}
	got := everything().Goals
	for _, g := range got {
		met, known := want[g.Name]
		if !known || met != g.Met {
			t.Errorf("%v: known %t, met %t", g, known, g.Met)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d goals, want %d", len(got), len(want))
	}
}

func TestATableHasARowForEveryResult(t *testing.T) {
	var b bytes.Buffer
	rep := everything()
	printHeader(&b)
	for _, r := range rep.Results {
		r.print(&b)
	}
	rep.printRest(&b)
	for _, text := range []string{"64B-moved", "new", "8M", "MISSED", "bare loop", "77.0 bytes"} {
		if !strings.Contains(b.String(), text) {
			t.Errorf("%q is missing:\n%s", text, b.String())
		}
	}
}

func TestLatestJSONHasTheFieldsThatAreDocumented(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	if err := everything().save(dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "latest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Machine map[string]any
		Results []map[string]any
		Memory  map[string]float64
		Gaps    map[string]float64
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{
		"mode", "family", "flows", "workers", "traffic", "mpps", "ns_per_packet", "testpmd_io_mpps", "testpmd_csum_mpps", "ratio_io",
		"ratio_csum", "own_ns",
	} {
		if _, there := got.Results[0][key]; !there {
			t.Errorf("a result has no %s", key)
		}
	}
	for _, key := range []string{"bytes_per_connection_v4", "bytes_per_connection_v6"} {
		if got.Memory[key] == 0 {
			t.Errorf("memory has no %s", key)
		}
	}
	for _, key := range []string{"p50_us", "p99_us", "p9999_us", "max_us"} {
		if got.Gaps[key] == 0 {
			t.Errorf("gaps has no %s", key)
		}
	}
}

func TestChartsAreWellFormedAndTheirNamesApart(t *testing.T) {
	rep := everything()
	for _, c := range []*chart{rep.mppsChart(), rep.ownChart(), {title: "nothing & <none>"}} {
		d := xml.NewDecoder(strings.NewReader(c.svg()))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", c.title, err)
			}
		}
	}
	c := &chart{points: []string{"1"}, series: []series{{values: []float64{5}}, {values: []float64{5}}, {values: []float64{5.01}}, {values: []float64{9}}}}
	at := c.labelHeights(10)
	for i := range at {
		for j := range i {
			if math.Abs(at[i]-at[j]) < labelSpace-0.1 {
				t.Errorf("names %d and %d are at %.1f and %.1f", i, j, at[i], at[j])
			}
		}
	}
}

func TestAPageKeepsWhatPeopleWrote(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "performance.md")
	page := "# Title\n\nBefore.\n\n" + beginMark + "\nold\n" + endMark + "\n\nBehind.\n"
	if err := os.WriteFile(name, []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
	rep := everything()
	for range 2 {
		if err := rep.document(dir); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	got := string(b)
	if !strings.HasPrefix(got, "# Title\n\nBefore.\n\n"+beginMark) || !strings.HasSuffix(got, endMark+"\n\nBehind.\n") ||
		strings.Contains(got, "old") || strings.Count(got, "| `nat` | v4 | 8M |") != 2 {
		t.Errorf("%s", got)
	}
	for _, chart := range []string{"mpps.svg", "own_ns.svg"} {
		if _, err := os.Stat(filepath.Join(dir, "charts", chart)); err != nil || !strings.Contains(got, "charts/"+chart) {
			t.Errorf("%s: %v", chart, err)
		}
	}
}

func TestAPageWithoutMarksIsLeftAlone(t *testing.T) {
	if _, err := insert("# Mine\n", "text"); err == nil {
		t.Error("no error")
	}
}
