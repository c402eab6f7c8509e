// Command guest runs inside a kernel of its own, as root and alone: there it takes the kernel's IPVS through all
// scenarios, or through a plan, and stores what it did. scripts/ipvslab boots that kernel.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/weirlb/weir/internal/ipvs"
)

const usage = `usage: guest record FILE [PREFIX]   takes IPVS through the scenarios whose names begin so, and stores what it did
       guest play PLAN FILE         takes it through a plan
`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "guest:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) >= 2 && args[0] == "record":
		prefix := ""
		if len(args) > 2 {
			prefix = args[2]
		}
		r, err := record(prefix)
		if err == nil && prefix != "" {
			err = complete(r, args[1])
		}
		if err != nil {
			return err
		}
		return ipvs.WriteFile(args[1], r)
	case len(args) == 3 && args[0] == "play":
		p, err := ipvs.ReadFile[ipvs.Plan](args[1])
		if err != nil {
			return err
		}
		o, err := play(p)
		if err != nil {
			return err
		}
		return ipvs.WriteFile(args[2], o)
	}
	fmt.Fprint(os.Stderr, usage)
	os.Exit(2)
	return nil
}

// release is the kernel's.
func release() (string, error) {
	var u unix.Utsname
	err := unix.Uname(&u)
	return unix.ByteSliceToString(u.Release[:]), err
}

func record(prefix string) (*ipvs.Recording, error) {
	r := &ipvs.Recording{}
	var err error
	if r.Kernel, err = release(); err != nil {
		return nil, err
	}
	n := ipvs.Around()
	k, err := newKernel(&n)
	if err != nil {
		return nil, err
	}
	defer k.close()
	if err := k.marks[0].set(ipvs.Mark); err != nil { // all that comes in by ipvs.Wan
		return nil, err
	}
	_, err = os.Stat("/sys/module/ip_vs_" + ipvs.Twos)
	built := err == nil
	for _, s := range ipvs.All() {
		if !strings.HasPrefix(s.Name, prefix) || !built && s.Uses(ipvs.Twos) {
			continue
		}
		if err := report(s.Name); err != nil {
			return nil, err
		}
		events, err := k.perform(&s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		r.Runs = append(r.Runs, ipvs.Performance{Scenario: s.Name, Events: ipvs.Record(events)})
	}
	return r, nil
}

// complete adds what a file has recorded of other scenarios, if there is one, in the order of all.
func complete(r *ipvs.Recording, file string) error {
	old, err := ipvs.ReadFile[ipvs.Recording](file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	runs := map[string]ipvs.Performance{}
	for _, p := range append(old.Runs, r.Runs...) {
		runs[p.Scenario] = p
	}
	r.Runs = nil
	for _, s := range ipvs.All() {
		if p, ok := runs[s.Name]; ok {
			r.Runs = append(r.Runs, p)
		}
	}
	return nil
}

// report tells scripts/ipvslab which scenario is under way, in case it does not come to an end.
func report(name string) error {
	f, err := os.Create(os.Getenv("IPVSLAB_REPORT"))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, name)
	return errors.Join(err, f.Sync(), f.Close())
}
