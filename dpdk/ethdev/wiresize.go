package ethdev

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// An interface of the kernel's may hand over frames of up to 64 KB, which fit no buffer: its own kernel has joined them
// (GRO, LRO), or the kernel at the other end of a veth pair has not split them (segmentation offload). Both end for as long as a
// device uses the interface. docs/decisions/0027-a-program-on-a-veth.md says why in this way.

// merging are the kernel's names of what joins received frames, and ethtool's.
var merging = []struct{ feature, name string }{{"rx-gro", "gro"}, {"rx-lro", "lro"}, {"rx-gro-hw", "rx-gro-hw"}}

// takeWireSized makes an interface hand over frames as they are on a wire, and remembers what it changed and could not change.
func (d *Device) takeWireSized(n netIf) {
	kernel, err := ethtool.NewEthtool()
	if err != nil {
		d.caveats = append(d.caveats, fmt.Errorf("whether interface %s joins received frames cannot be asked: %w", n, err))
		return
	}
	defer kernel.Close()
	before, err := kernel.Features(string(n))
	if err != nil {
		return // an interface that knows of no such thing
	}
	// A program on a veth may turn GRO on: it comes before GRO is turned off. It goes before GRO is turned on again, which is
	// not done if another Weir has the program still.
	var again map[string]bool
	d.undo = append(d.undo, func() {
		if len(again) > 0 && !isPass(programOf(n)) {
			restore(n, again)
		}
	})
	if d.listens() {
		d.splitAtPeer(n)
	}
	again = d.stopMerging(kernel, n, before)
}

// merged names what of merging is on.
func merged(features map[string]bool) (names []string) {
	for _, m := range merging {
		if features[m.feature] {
			names = append(names, m.name)
		}
	}
	return names
}

// stopMerging turns off what makes the kernel join received frames into larger ones than were sent. It returns what was on
// before, to be turned on again in the end.
func (d *Device) stopMerging(kernel *ethtool.Ethtool, n netIf, before map[string]bool) (again map[string]bool) {
	now, err := kernel.Features(string(n))
	left := merged(now)
	if err != nil || len(left) == 0 {
		return nil
	}
	off, again := map[string]bool{}, map[string]bool{}
	for _, m := range merging {
		if now[m.feature] {
			off[m.feature] = false
		}
		if before[m.feature] {
			again[m.feature] = true
		}
	}
	why := ""
	if err := kernel.Change(string(n), off); err != nil {
		why = ": " + err.Error()
	} else if now, err = kernel.Features(string(n)); err == nil {
		left = merged(now) // what is fixed stays as it was, and is no error
	}
	if len(left) > 0 {
		d.caveats = append(d.caveats, fmt.Errorf("interface %s has %s on, which cannot be turned off%s: frames that it joins are dropped as truncated",
			n, strings.Join(left, " and "), why))
	}
	for _, name := range merged(before) {
		if !slices.Contains(left, name) {
			d.changed = append(d.changed, name+" off")
		}
	}
	return again
}

// restore turns features on again, if the interface is still there.
func restore(n netIf, on map[string]bool) {
	if kernel, err := ethtool.NewEthtool(); err == nil {
		_ = kernel.Change(string(n), on)
		kernel.Close()
	}
}

// splitAtPeer makes the kernel at the other end of a veth pair split frames before it hands them over, by the size that their
// sender meant: it must while a program of XDP is attached to this end (veth_fix_features). The program lets everything pass; it is
// gone with the device, and also if this process is killed.
func (d *Device) splitAtPeer(n netIf) {
	l, err := netlink.LinkByName(string(n))
	if err != nil || l.Type() != "veth" {
		return
	}
	attached, err := attachOrHold(n, l.Attrs().Index)
	switch {
	case err == nil:
		d.changed = append(d.changed, "xdp")
		d.undo = append(d.undo, func() { _ = attached.Close() })
	case errors.Is(err, unix.EBUSY):
		// Somebody else's program in the driver does the same.
	default:
		d.caveats = append(d.caveats, fmt.Errorf("a program that makes the other end of the veth %s split its frames cannot be attached: %w: "+
			"those over the MTU are dropped as truncated, unless it is told there to split them: ethtool -K IFACE tso off gso off tx-udp-segmentation off tx-sctp-segmentation off",
			n, hint(err)))
	}
}

// hint says what a refusal to attach a program commonly means.
func hint(err error) error {
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w (it takes CAP_BPF, before Linux 5.8 CAP_SYS_ADMIN)", unix.EPERM) // the library suspects another limit
	case errors.Is(err, unix.ENOSPC):
		return fmt.Errorf("%w (the other end has more transmit queues than this one receive queues: ethtool -L)", err)
	case errors.Is(err, unix.ERANGE):
		return fmt.Errorf("%w (the other end's MTU is too large for XDP in this kernel)", err)
	case errors.Is(err, unix.EEXIST):
		return fmt.Errorf("%w (the interface has a program of XDP's generic mode, which does not make the other end split)", err)
	}
	return err
}

const passName = "weir_pass"

// passAll is the program: XDP_PASS.
var passAll = asm.Instructions{asm.Mov.Imm(asm.R0, xdpPass), asm.Return()}

// From linux/bpf.h.
const (
	xdpPass     = 2
	xdpHasFrags = 1 << 5 // frames in several pieces, and so any MTU: since Linux 5.18
)

// attachPass attaches the program in the interface's driver: the generic mode leaves the other end as it is.
func attachPass(index int) (link.Link, error) { return attach(index, passName, link.XDPDriverMode) }

func attach(index int, name string, mode link.XDPAttachFlags) (link.Link, error) {
	spec := &ebpf.ProgramSpec{Name: name, Type: ebpf.XDP, License: "Apache-2.0", Flags: xdpHasFrags, Instructions: passAll}
	prog, err := ebpf.NewProgram(spec)
	if errors.Is(err, unix.EINVAL) {
		spec.Flags = 0
		prog, err = ebpf.NewProgram(spec)
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = prog.Close() }() // the attachment has it
	return link.AttachXDP(link.XDPOptions{Program: prog, Interface: index, Flags: mode})
}

// attachOrHold is attachPass where another Weir may have the interface, such as one that has not ended yet when the next starts.
func attachOrHold(n netIf, index int) (link.Link, error) {
	attached, err := attachPass(index)
	if !errors.Is(err, unix.EBUSY) {
		return attached, err
	}
	there := programOf(n)
	if there == 0 {
		return attachPass(index) // it has just gone
	}
	if held := holdPass(there); held != nil {
		return held, nil
	}
	return nil, err
}

// holdPass is another Weir's attachment of its program, which ends when both have closed it. It is nil if the program is somebody
// else's, and without CAP_SYS_ADMIN.
func holdPass(id ebpf.ProgramID) link.Link {
	if !isPass(id) {
		return nil
	}
	links := new(link.Iterator)
	defer links.Close()
	for links.Next() {
		if info, err := links.Link.Info(); err == nil && info.Program == id {
			return links.Take()
		}
	}
	return nil
}

// programOf is the program that is attached to an interface, 0 without one.
func programOf(n netIf) ebpf.ProgramID {
	l, err := netlink.LinkByName(string(n))
	if err != nil || l.Attrs().Xdp == nil {
		return 0
	}
	return ebpf.ProgramID(l.Attrs().Xdp.ProgId)
}

// isPass reports whether a program is a Weir's, as far as this process may ask: it takes CAP_SYS_ADMIN.
func isPass(id ebpf.ProgramID) bool {
	prog, err := ebpf.NewProgramFromID(id)
	if err != nil {
		return false
	}
	defer func() { _ = prog.Close() }()
	info, err := prog.Info()
	return err == nil && info.Name == passName
}
