package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/weirlb/weir/internal/ipvs"
)

// lag is by how much the kernel's clock may stay behind the packets': less than any time-out of IPVS's, and more than a tick.
const lag = 250 * time.Millisecond

// slowness is by which factor the kernel's own time passes slower, so that it is the packets' only, however long it takes to play them.
const slowness = 1000

// step is how far the clock leaps at once where a service is persistent: the timers of its clients start themselves anew, once a
// minute, and do so from where a leap ends. Beyond a while, nothing is left that would.
const (
	step  = 5 * time.Second
	while = time.Hour
)

// ticks is how much the clock goes on for what a leap has led to, of which the kernel does some with the next tick.
const ticks = 20 * time.Millisecond

// play takes the kernel through a plan.
func play(p *ipvs.Plan) (*ipvs.Outcome, error) {
	o := &ipvs.Outcome{Plan: p.Sum()}
	var err error
	if o.Kernel, err = release(); err != nil {
		return nil, err
	}
	k, err := newKernel(&p.Network)
	if err != nil {
		return nil, err
	}
	defer k.close()
	for _, s := range p.Sysctls {
		if err := os.WriteFile(filepath.Join("/proc/sys/net/ipv4/vs", filepath.Base(s.Name)), []byte(s.Value), 0o644); err != nil {
			o.Faults = append(o.Faults, ipvs.Fault{Said: err.Error()})
		}
	}
	o.Faults = append(o.Faults, restore(p.Lines)...)
	if len(o.Faults) > 0 {
		return o, nil
	}
	if o.Out, err = k.playAll(p.Packets); err != nil {
		return nil, err
	}
	o.Table, err = k.Table()
	return o, err
}

func (k *kernel) playAll(all []ipvs.Incoming) (out [][]ipvs.Frame, err error) {
	services, err := os.ReadFile("/proc/net/ip_vs")
	if err != nil {
		return nil, err
	}
	most := stride
	if bytes.Contains(services, []byte("persistent")) {
		most = step
	}
	begin := coarse()
	if err := slow(slowness); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, slow(1)) }()
	for i := range all {
		c := &all[i]
		leaps, err := pass(begin+c.At, most)
		if err != nil {
			return nil, err
		}
		if i%100 == 0 || leaps > 0 {
			if err := report(fmt.Sprintf("packet %d", i+1)); err != nil {
				return nil, err
			}
		}
		frames, err := k.play(c)
		if err != nil {
			return nil, fmt.Errorf("packet %d: %w", i+1, err)
		}
		out = append(out, frames)
	}
	return out, nil
}

// pass lets time pass until a time of the kernel's clock is no more than lag away, by leaps of so much at most. It returns their number.
func pass(until, most time.Duration) (leaps int, err error) {
	from := coarse()
	for behind := until - from; behind > lag; behind = until - coarse() {
		if coarse()-from > while {
			most = stride
		}
		if err := leap(min(behind, most)); err != nil {
			return leaps, err
		}
		leaps++
	}
	if leaps > 0 {
		err = leap(ticks)
	}
	return leaps, err
}

// play lets a packet come in with its mark.
func (k *kernel) play(c *ipvs.Incoming) ([]ipvs.Frame, error) {
	for i := range k.taps {
		if k.taps[i].name == c.Frame.Port {
			if err := k.marks[i].set(c.Mark); err != nil {
				return nil, err
			}
		}
	}
	return k.Send(c.Frame.Port, c.Frame.Data)
}

// restore hands ipvsadm the lines of a file, and tells which it does not take. All at once is quicker, but does not tell which.
func restore(lines []ipvs.Line) []ipvs.Fault {
	if len(lines) == 0 || ipvsadm(lines) == nil {
		return nil
	}
	if said, err := exec.Command("ipvsadm", "-C").CombinedOutput(); err != nil {
		return []ipvs.Fault{{Said: fmt.Sprintf("ipvsadm -C: %v: %s", err, said)}}
	}
	var faults []ipvs.Fault
	for _, l := range lines {
		if err := ipvsadm([]ipvs.Line{l}); err != nil {
			faults = append(faults, ipvs.Fault{Line: l.Number, Said: err.Error()})
		}
	}
	return faults
}

// ipvsadm is one that is handed lines; an error is what it says of them.
func ipvsadm(lines []ipvs.Line) error {
	var text strings.Builder
	for _, l := range lines {
		text.WriteString(l.Text + "\n")
	}
	c := exec.Command("ipvsadm", "-R")
	c.Stdin = strings.NewReader(text.String())
	said, err := c.CombinedOutput()
	if first, _, _ := strings.Cut(strings.TrimSpace(string(said)), "\n"); first != "" {
		return errors.New(first)
	}
	return err
}
