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

const usage = `usage: guest record FILE PART/PARTS PREFIX   takes IPVS through a share of the scenarios whose names begin so, and stores what it did
       guest merge FILE PREFIX FILES...      makes one of such files, and with a prefix of what FILE had besides; in no kernel
       guest play PLAN FILE                  takes IPVS through a plan
`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "guest:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 4 && args[0] == "record":
		var part, parts int
		if _, err := fmt.Sscanf(args[2], "%d/%d", &part, &parts); err != nil || parts < 1 {
			return fmt.Errorf("%q is no part: want one such as 0/2", args[2])
		}
		r, err := record(part, parts, args[3])
		if err != nil {
			return err
		}
		return ipvs.WriteFile(args[1], r)
	case len(args) >= 4 && args[0] == "merge":
		return merge(args[1], args[2] != "", args[3:])
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

func record(part, parts int, prefix string) (*ipvs.Recording, error) {
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
	for i, s := range ipvs.All() {
		if i%parts != part || !strings.HasPrefix(s.Name, prefix) || !built && s.Uses(ipvs.Twos) {
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

// merge writes what files have recorded into one, in the order of all scenarios, and what that had of others, if it is to keep it.
func merge(file string, keep bool, files []string) error {
	out, runs := ipvs.Recording{}, map[string]ipvs.Performance{}
	if _, err := os.Stat(file); keep && err == nil {
		files = append([]string{file}, files...)
	}
	for _, name := range files {
		r, err := ipvs.ReadFile[ipvs.Recording](name)
		if err != nil {
			return err
		}
		out.Kernel = r.Kernel
		for _, p := range r.Runs {
			runs[p.Scenario] = p
		}
	}
	for _, s := range ipvs.All() {
		if p, ok := runs[s.Name]; ok {
			out.Runs = append(out.Runs, p)
		}
	}
	return ipvs.WriteFile(file, &out)
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
