package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// The kernels at the other ends of Weir's wires have their offloads as they come: they would send segments of 64 KB and
// half-made checksums. Bulk data gets through all the same, in every mode and both directions, and no frame is cut off.
func TestBulkDataOverVethPairsAsTheyCome(t *testing.T) {
	l := needLab(t)
	const size = 100 << 20
	for _, rs := range []string{"rs1", "rs2"} {
		file := l.file(rs, "www", "put", "100m")
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Remove(file) })
		if err := os.Truncate(file, size); err != nil {
			t.Fatal(err)
		}
		l.background(t, rs, "iperf3", "-s")
	}
	services, urls := "", map[string]string{}
	for _, mode := range []string{"nat", "tun", "dr", "fullnat"} {
		for _, family := range []string{"4", "6"} {
			web, url := service(mode, family, "")
			urls[mode+family] = url
			// The same for iperf3, whose ends all use port 5201.
			bulk := strings.NewReplacer(mode+family, mode+family+"-iperf", ":8080", ":5201", ":80\"", ":5201\"", "scheduler: rr", "scheduler: sh").Replace(web)
			services += web + bulk
		}
	}
	d := l.start(t, "", "services:\n"+services)
	for _, p := range []string{"wan", "lan"} {
		if row := d.row("ports", "name", p); !slices.Contains(row["changed"].([]any), any("xdp")) {
			t.Errorf("port %s: %v", p, row["changed"])
		}
	}
	for name, url := range urls {
		t.Run(name, func(t *testing.T) {
			out := l.do(t, "client", "curl", "-gsS", "--max-time", "60", "-o", "/dev/null", "-w", "%{size_download}", url+"put/100m")
			if out != fmt.Sprint(size) {
				t.Errorf("curl got %s bytes of %d", out, size)
			}
			host := strings.Trim(strings.TrimSuffix(strings.TrimPrefix(url, "http://"), ":80/"), "[]")
			for _, direction := range [][]string{nil, {"-R"}} {
				l.do(t, "client", append([]string{"timeout", "60", "iperf3", "-c", host, "-n", fmt.Sprint(size)}, direction...)...)
			}
		})
	}
	for _, r := range d.show("drops") {
		if r["reason"] == "truncated" && r["packets"] != 0.0 {
			t.Errorf("%v frames were cut off", r["packets"])
		}
	}
	d.accounted()
}
