package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/internal/ipvs"
	"github.com/weirlb/weir/slowpath/replay"
)

// exchange is a packet and what the two did with it.
type exchange struct {
	in          ipvs.Frame
	view        view
	packet      *packet
	linux, weir []ipvs.Frame
	reasons     []string // why Weir did not forward it, or answered
}

// incoming are the packets as they come in: to the port with the name of the capture's interface, otherwise to the first, to that
// port's MAC, and from the station that leads back to who sent them.
func incoming(cfg *conf.Config, n *ipvs.Network, packets []*packet) (out []*exchange) {
	for _, c := range packets {
		port := &n.Ports[0]
		for i := range n.Ports {
			if n.Ports[i].Name == c.iface {
				port = &n.Ports[i]
			}
		}
		frame := append(slices.Clone(port.MAC[:]), c.frame[6:]...)
		if from, ok := way(cfg, c.view.src); ok {
			copy(frame[6:], from[:])
		}
		out = append(out, &exchange{in: ipvs.Frame{Port: port.Name, Data: frame}, view: look(frame[14:]), packet: c})
	}
	return out
}

// playLinux takes a kernel's IPVS through it.
func playLinux(p *ipvs.Plan, dir string) (*ipvs.Outcome, error) {
	lab := os.Getenv("IPVSLAB")
	if lab == "" {
		return nil, errors.New("IPVSLAB is not set: run scripts/ipvslab compare")
	}
	plan, outcome := filepath.Join(dir, "plan"), filepath.Join(dir, "outcome")
	if err := ipvs.WriteFile(plan, p); err != nil {
		return nil, err
	}
	if said, err := exec.Command(lab, "play", plan, outcome).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("scripts/ipvslab play: %w\n%s", err, said)
	}
	return ipvs.ReadFile[ipvs.Outcome](outcome)
}

// playWeir takes Weir through it, as weir replay does, and returns its connections at the end.
func playWeir(cfg *conf.Config, name func(service int) string, all []*exchange) (t ipvs.Table, err error) {
	small := *cfg
	// There are no more connections and clients than packets.
	small.Dataplane.MaxConnections = min(cfg.Dataplane.MaxConnections, 2*len(all)+1024)
	small.Dataplane.MaxTemplates = min(cfg.Dataplane.MaxTemplates, 2*len(all)+1024)
	w, err := ipvs.NewWeir(&small, name)
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	before := w.Summary()
	for _, x := range all {
		if x.weir, err = w.Play(x.packet.at, x.in.Port, x.in.Data); err != nil {
			return t, fmt.Errorf("packet %d: %w", x.packet.number, err)
		}
		after := w.Summary()
		x.reasons = reasons(before, after)
		before = after
	}
	return w.Table()
}

// reasons are those that have counted a packet between two summaries.
func reasons(before, after *replay.Summary) (out []string) {
	for _, c := range [][2]map[string]uint64{{before.Drops, after.Drops}, {before.Punts, after.Punts}, {before.Answers, after.Answers}} {
		for name := range maps.Keys(c[1]) {
			if c[1][name] != c[0][name] {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return out
}

// faults is what is wrong with a plan, as an error.
func faults(file string, all []ipvs.Fault) error {
	var b strings.Builder
	for _, f := range all {
		if f.Line > 0 {
			fmt.Fprintf(&b, "\n%s:%d: IPVS does not take this line: %s", file, f.Line, f.Said)
		} else {
			fmt.Fprintf(&b, "\nIPVS: %s", f.Said)
		}
	}
	return errors.New(strings.TrimPrefix(b.String(), "\n"))
}
