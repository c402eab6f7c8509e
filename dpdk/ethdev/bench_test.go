package ethdev

import (
	"fmt"
	"testing"

	"github.com/weirlb/weir/dpdk/internal/dpdktest"
	"github.com/weirlb/weir/fastpath/port"
)

// benchCore is where benchmarks run, so that DPDK's own program can be measured on the same.
const benchCore = 1

// forward sends everything it receives back out, and returns the number of frames.
func forward(q *Queue) int {
	b := q.Burst()
	q.Exchange(port.BurstSize)
	n := b.NRX
	copy(b.TX[b.NTX:], b.RX[:n])
	b.NTX += n
	return int(n)
}

// measureForward reports how many million frames a second pass through a device that always has
// some.
func measureForward(b *testing.B, device string) (mpps float64) {
	asWorker(b, benchCore)
	q := device1(b, "%s", device).Queue(0)
	frames := 0
	for b.Loop() {
		frames += forward(q)
	}
	mpps = float64(frames) / b.Elapsed().Seconds() / 1e6
	b.ReportMetric(mpps, "Mpps")
	return mpps
}

func BenchmarkForward(b *testing.B) {
	b.Run("null", func(b *testing.B) {
		measureForward(b, dpdktest.Name("net_null"))
	})
	b.Run("pcap", func(b *testing.B) {
		measureForward(b, infinitePcap(b))
	})
}

// infinitePcap is a device that repeats 256 frames of 60 bytes for ever, and drops what it is sent.
func infinitePcap(b *testing.B) string {
	var frames [][]byte
	for i := range 256 {
		frames = append(frames, testFrame(60, i))
	}
	return fmt.Sprintf("%s,rx_pcap=%s,infinite_rx=1", dpdktest.Name("net_pcap"), writePcap(b, frames))
}

// BenchmarkAgainstTestpmd runs DPDK's own forwarder and Weir's queue by turns on the same core and
// device, and reports the best of each and their ratio. Noise only ever slows one down.
func BenchmarkAgainstTestpmd(b *testing.B) {
	for _, tc := range []struct {
		name   string
		device func(b *testing.B) string
	}{
		{"null", func(*testing.B) string { return dpdktest.Name("net_null") }},
		{"pcap", infinitePcap},
	} {
		b.Run(tc.name, func(b *testing.B) {
			var weir, theirs float64
			for range 3 {
				theirs = max(theirs, runTestpmd(b, tc.device(b)))
				r := testing.Benchmark(func(b *testing.B) { measureForward(b, tc.device(b)) })
				weir = max(weir, r.Extra["Mpps"])
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(weir, "Mpps")
			b.ReportMetric(theirs, "testpmd-Mpps")
			b.ReportMetric(weir/theirs, "ratio")
		})
	}
}
