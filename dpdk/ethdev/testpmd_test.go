package ethdev

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirlb/weir/dpdk/internal/dpdktest"
)

var rxRate = regexp.MustCompile(`Rx-pps:\s+(\d+)`)

// runTestpmd has dpdk-testpmd forward on benchCore for some seconds, with bursts, memory and buffers
// laid out as Weir's, and returns its best second in million frames.
func runTestpmd(b *testing.B, device string) (mpps float64) {
	b.Helper()
	memory := []string{"--in-memory"}
	buffers := []string{"--total-num-mbufs=16384", "--mbcache=512"}
	if !dpdktest.EAL().Memory().HugePages {
		memory = []string{"--no-huge", "--no-shconf"}
		buffers = append(buffers, "--mp-alloc=anon", "--no-iova-contig")
	}
	args := append(memory, "-l", fmt.Sprintf("0,%d", benchCore), "-m", strconv.Itoa(dpdktest.MemoryMB/2), "--no-pci", "--no-telemetry", "--vdev", device, "--")
	args = append(args, buffers...)
	args = append(args, "--forward-mode=io", "--burst=64", "--stats-period=1", "--no-mlockall")
	cmd := exec.Command("dpdk-testpmd", args...)
	stdin, err := cmd.StdinPipe() // testpmd ends at the end of its input
	if err != nil {
		b.Fatal(err)
	}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Start()
	need(b, err == nil, fmt.Sprintf("dpdk-testpmd that can be run: %v", err))
	stop := time.AfterFunc(4*time.Second, func() { stdin.Close() })
	defer stop.Stop()
	if err := cmd.Wait(); err != nil {
		b.Fatalf("dpdk-testpmd: %v\n%s", err, out.String())
	}
	for _, m := range rxRate.FindAllStringSubmatch(out.String(), -1) {
		pps, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			b.Fatal(err)
		}
		mpps = max(mpps, pps/1e6)
	}
	return mpps
}
