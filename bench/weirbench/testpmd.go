package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// testpmd is a running dpdk-testpmd that forwards from its one port to the same, on one core.
type testpmd struct {
	p       *process
	forward string // the mode it is in
}

const prompt = "testpmd> "

// startTestpmd starts it on a device with the burst, descriptors and buffers that Weir uses.
func startTestpmd(o *options, t *trial) (*testpmd, error) {
	lcores := fmt.Sprintf("0@%d", o.mainCore)
	for i, core := range o.cores(t) {
		lcores += fmt.Sprintf(",%d@%d", i+1, core)
	}
	args := []string{
		"-oL", "dpdk-testpmd", "--lcores", lcores, "--main-lcore", "0",
		"--in-memory", "--no-pci", "--iova-mode", "va", "--no-telemetry", "--vdev", t.device(), "--",
		"-i", fmt.Sprintf("--nb-cores=%d", t.workers), fmt.Sprintf("--burst=%d", burst),
		fmt.Sprintf("--rxd=%d", descriptors), fmt.Sprintf("--txd=%d", descriptors), "--mbcache=512", "--port-topology=loop",
		fmt.Sprintf("--rxq=%d", t.workers), fmt.Sprintf("--txq=%d", t.workers),
		fmt.Sprintf("--total-num-mbufs=%d", t.buffers()),
	}
	// Without stdbuf it would keep what it has to say in a buffer.
	p, err := launch(t.env(o), "stdbuf", args...)
	if err != nil {
		return nil, err
	}
	m := &testpmd{p: p}
	if _, err := p.await(0, time.Minute, func(s string) bool { return strings.Contains(s, prompt) }); err != nil {
		return nil, err
	}
	return m, nil
}

// do gives a command and returns what is written until one of the marks appears in it.
func (m *testpmd) do(command, mark string) (string, error) {
	n := m.p.out.len()
	if _, err := fmt.Fprintln(m.p.in, command); err != nil {
		return "", m.p.failed("takes no commands")
	}
	return m.p.await(n, time.Minute, func(s string) bool { return strings.Contains(s, mark) })
}

// start begins forwarding in a mode.
func (m *testpmd) start(mode string) error {
	if _, err := m.do("set fwd "+mode, "packet forwarding mode"); err != nil {
		return err
	}
	m.forward = mode
	_, err := m.do("start", "packets/burst=")
	return err
}

// stop ends it; its thread then waits without taking processor time.
func (m *testpmd) stop() error {
	_, err := m.do("stop", "Done.")
	return err
}

// statistics asks for the port's figures and the rate since the last time they were asked for.
func (m *testpmd) statistics() (portStats, error) {
	text, err := m.do("show port stats 0", "Tx-pps:")
	if err != nil {
		return portStats{}, err
	}
	return parsePortStats(text)
}

// measure forwards for a while in a mode, of which the time of the window at the end counts.
func (m *testpmd) measure(mode string, settle, window time.Duration) (mpps float64, err error) {
	if err := m.start(mode); err != nil {
		return 0, err
	}
	time.Sleep(settle)
	if _, err := m.statistics(); err != nil {
		return 0, err
	}
	time.Sleep(window)
	s, err := m.statistics()
	if err != nil {
		return 0, err
	}
	return float64(s.pps) / 1e6, m.stop()
}

func (m *testpmd) end() error {
	return m.p.end(func() error { _, err := fmt.Fprintln(m.p.in, "quit"); return err })
}

// portStats is what testpmd tells of a port.
type portStats struct {
	packets, missed uint64
	pps             uint64 // received, between the last two looks, by its own clock
}

var portFigure = regexp.MustCompile(`(RX-packets|RX-missed|Rx-pps):\s+(\d+)`)

// parsePortStats reads the answer to "show port stats".
func parsePortStats(text string) (s portStats, err error) {
	into := map[string]*uint64{"RX-packets": &s.packets, "RX-missed": &s.missed, "Rx-pps": &s.pps}
	for _, m := range portFigure.FindAllStringSubmatch(text, -1) {
		p := into[m[1]]
		if p == nil {
			continue
		}
		if *p, err = strconv.ParseUint(m[2], 10, 64); err != nil {
			return s, fmt.Errorf("testpmd says %s %s: %w", m[1], m[2], err)
		}
		delete(into, m[1])
	}
	if len(into) > 0 {
		return s, fmt.Errorf("testpmd's statistics lack figures of RX-packets, RX-missed and Rx-pps: %q", text)
	}
	return s, nil
}
