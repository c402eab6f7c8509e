package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// weir is a running weir run.
type weir struct {
	p       *process
	http    http.Client
	file    string        // its configuration
	socket  string        // of its API
	startup time.Duration // until packets flow
}

// workerView is what the API tells of a worker.
type workerView struct {
	In          uint64 `json:"packets_in"`
	Out         uint64 `json:"packets_out"`
	Own         uint64 `json:"packets_own"`
	Dropped     uint64 `json:"packets_dropped"`
	Punted      uint64 `json:"packets_punted"`
	HandedOver  uint64 `json:"packets_handed_over"`
	Connections int    `json:"connections"`
	Gaps        gaps   `json:"poll_gaps"`
}

// startWeir starts it, with s and a socket for the API.
func startWeir(o *options, t *trial, s setup, env ...string) (*weir, error) {
	s.socket = filepath.Join(o.tmp, "api.sock")
	file := filepath.Join(o.tmp, "weir.yaml")
	if err := os.WriteFile(file, []byte(t.config(o, s)), 0o644); err != nil {
		return nil, err
	}
	began := time.Now()
	p, err := launch(append(t.env(o), env...), o.weir, "run", "-c", file)
	if err != nil {
		return nil, err
	}
	w := &weir{p: p, file: file, socket: s.socket}
	w.http.Timeout = 10 * time.Second
	w.http.Transport = &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", s.socket)
		},
	}
	_, err = p.await(0, time.Minute, func(s string) bool { return strings.Contains(s, "weir runs") })
	w.startup = time.Since(began)
	return w, err
}

// get asks the API.
func (w *weir) get(path string, into any) error {
	resp, err := w.http.Get("http://weir/v1/" + path)
	if err != nil {
		return w.p.failed("does not answer on its API (" + err.Error() + ")")
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("weir's API answers %s to %s", resp.Status, path)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// sample is the sum of all workers' figures at a time.
type sample struct {
	at time.Time
	workerView
}

func (w *weir) sample() (sample, error) {
	var all []workerView
	before := time.Now()
	if err := w.get("workers", &all); err != nil {
		return sample{}, err
	}
	// The figures were read somewhere between question and answer.
	s := sample{at: before.Add(time.Since(before) / 2)}
	for _, v := range all {
		s.In += v.In
		s.Out += v.Out
		s.Own += v.Own
		s.Dropped += v.Dropped
		s.Punted += v.Punted
		s.HandedOver += v.HandedOver
		s.Connections += v.Connections
		s.Gaps = s.Gaps.plus(v.Gaps)
	}
	return s, nil
}

// fill waits until there are as many connections as the traffic has.
func (w *weir) fill(connections int) error {
	deadline := time.Now().Add(time.Minute)
	for {
		s, err := w.sample()
		if err != nil {
			return err
		}
		if s.Connections >= connections {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("weir has %d connections after a minute, the traffic is of %d; drops: %s", s.Connections, connections, w.drops())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// drops are the reasons that are not 0, in words.
func (w *weir) drops() string {
	var all []struct {
		Reason  string
		Packets uint64
	}
	if err := w.get("drops", &all); err != nil {
		return err.Error()
	}
	var out []string
	for _, d := range all {
		if d.Packets > 0 {
			out = append(out, fmt.Sprintf("%s %d", d.Reason, d.Packets))
		}
	}
	return strings.Join(out, ", ")
}

// stretch is what a window of time has brought.
type stretch struct {
	mpps    float64 // forwarded
	lost    uint64  // packets dropped
	passed  uint64  // packets handed to another worker
	packets uint64
	gaps    gaps
}

func between(a, b sample) stretch {
	us := b.at.Sub(a.at).Seconds() * 1e6
	out := (b.Out - b.Own) - (a.Out - a.Own)
	return stretch{
		mpps: float64(out) / us, lost: b.Dropped - a.Dropped,
		passed: b.HandedOver - a.HandedOver, packets: b.In - a.In, gaps: b.Gaps.minus(a.Gaps),
	}
}

func (s *stretch) add(o stretch) {
	s.lost += o.lost
	s.passed += o.passed
	s.packets += o.packets
	s.gaps = s.gaps.plus(o.gaps)
}

// measure lets Weir, which is paused, forward for a while, of which the time of the window at the end counts.
func (w *weir) measure(settle, window time.Duration) (stretch, error) {
	if err := w.p.resume(); err != nil {
		return stretch{}, err
	}
	time.Sleep(settle)
	a, err := w.sample()
	if err != nil {
		return stretch{}, err
	}
	time.Sleep(window)
	b, err := w.sample()
	if err != nil {
		return stretch{}, err
	}
	return between(a, b), w.p.pause()
}

// end stops it and returns what it said last of its packets.
func (w *weir) end() (totals, error) {
	if err := w.p.end(func() error { return w.p.signal(syscall.SIGTERM) }); err != nil {
		return totals{}, err
	}
	return parseTotals(w.p.out.from(0))
}
