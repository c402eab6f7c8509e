package main

import (
	"bufio"
	"os"
	"strings"
	"testing"

	"github.com/google/gopacket/pcapgo"
)

func readPcap(t *testing.T, name string) (frames [][]byte) {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, err := pcapgo.NewReader(bufio.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	for {
		b, _, err := r.ReadPacketData()
		if err != nil {
			return frames
		}
		frames = append(frames, b)
	}
}

const portStatistics = `show port stats 0

  ######################## NIC statistics for port 0  ########################
  RX-packets: 47541504   RX-missed: 17         RX-bytes:  3042656256
  RX-errors: 0
  RX-nombuf:  0         
  TX-packets: 47233856   TX-errors: 0          TX-bytes:  3022966784

  Throughput (since last show)
  Rx-pps:     32300185          Rx-bps:  16537694920
  Tx-pps:     32300186          Tx-bps:  16537694920
  ############################################################################
`

func TestTestpmdsStatisticsAreRead(t *testing.T) {
	s, err := parsePortStats(portStatistics)
	if want := (portStats{packets: 47541504, missed: 17, pps: 32300185}); err != nil || s != want {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestIncompleteStatisticsAreAnError(t *testing.T) {
	for _, text := range []string{"", strings.ReplaceAll(portStatistics, "Rx-pps", "pps"), "RX-packets: 99999999999999999999999"} {
		if s, err := parsePortStats(text); err == nil {
			t.Errorf("%q gives %+v", text, s)
		}
	}
}

const lastWords = `time=2026-01-02T03:04:05.678Z level=INFO msg=stopping reason="terminated signal received"
time=2026-01-02T03:04:05.679Z level=INFO msg="workers stopped" packets_in=100 packets_out=90 packets_own=2 packets_dropped=5 packets_punted=4 packets_waiting=3
`

func TestWeirsTotalsAreRead(t *testing.T) {
	got, err := parseTotals(lastWords)
	if want := (totals{in: 100, out: 90, own: 2, dropped: 5, punted: 4, waiting: 3}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if err := got.balance(); err != nil {
		t.Error(err)
	}
}

func TestALostPacketIsNoticed(t *testing.T) {
	got, err := parseTotals(strings.Replace(lastWords, "packets_out=90", "packets_out=89", 1))
	if err != nil {
		t.Fatal(err)
	}
	if got.balance() == nil {
		t.Error("89 + 5 + 4 + 3 - 2 packets balance 100")
	}
}

func TestAWeirThatSaysNothingIsAnError(t *testing.T) {
	if _, err := parseTotals("weir runs"); err == nil {
		t.Error("no error")
	}
}

func TestMemoryIsReadFromTheKernelsStatus(t *testing.T) {
	status := "Name:\tweir\nVmRSS:\t  900 kB\nRssAnon:\t     100 kB\nHugetlbPages:\t    2048 kB\nThreads:\t9\n"
	if got := parseResident(status); got != 2148<<10 {
		t.Errorf("%d bytes", got)
	}
}

func TestFlowsArePowersOfTwoWithUnits(t *testing.T) {
	for text, want := range map[string]int{"256": 256, "64K": 65536, "1M": 1 << 20, "8M": 8 << 20, "16M": 16 << 20} {
		if n, err := parseFlows(text); err != nil || n != want {
			t.Errorf("%s: %d, %v", text, n, err)
		}
		if got := flowsName(want); got != text {
			t.Errorf("%d is called %s", want, got)
		}
	}
	for _, text := range []string{"", "K", "8", "100", "3M", "32M", "1KK", "-1M", "1G"} {
		if n, err := parseFlows(text); err == nil {
			t.Errorf("%q is %d", text, n)
		}
	}
}
