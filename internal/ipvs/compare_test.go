package ipvs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// stored is a recording of what Linux did, for machines where its kernel cannot be booted.
const stored = "testdata/linux.gz"

// live says in the environment that the kernel is to be booted: make test-ipvs.
const live = "WEIR_IPVS"

var errNoKernel = errors.New("the kernel of User Mode Linux is missing: scripts/ipvslab prepare")

// recorded is what IPVS did, by scenario.
var recorded = sync.OnceValues(func() (map[string][]Recorded, error) {
	file := stored
	if os.Getenv(live) != "" {
		dir, err := os.MkdirTemp("", "weir-ipvs")
		if err != nil {
			return nil, err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		file = filepath.Join(dir, "linux.gz")
		if err := exec.Command("../../scripts/ipvslab", "prepared").Run(); err != nil {
			return nil, errNoKernel
		}
		if said, err := exec.Command("../../scripts/ipvslab", "record", file).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("scripts/ipvslab record: %w\n%s", err, said)
		}
	}
	all, err := read(file)
	if err != nil || file == stored {
		return all, err
	}
	return all, complete(all)
})

func read(file string) (map[string][]Recorded, error) {
	r, err := ReadFile[Recording](file)
	if err != nil {
		return nil, err
	}
	all := map[string][]Recorded{}
	for _, p := range r.Runs {
		all[p.Scenario] = p.Events
	}
	return all, nil
}

// complete adds what a kernel without twos could not be asked, from what is stored, and says so.
func complete(all map[string][]Recorded) error {
	old, err := read(stored)
	if err != nil {
		return err
	}
	missing := 0
	for _, s := range All() {
		if _, ok := all[s.Name]; !ok && s.Uses(Twos) {
			all[s.Name] = old[s.Name]
			missing++
		}
	}
	if missing > 0 {
		fmt.Printf("NOT RUN: twos in the kernel, which could not be built when it was fetched: %d scenarios are compared with what is recorded\n", missing)
	}
	return nil
}

// perform is what IPVS and Weir do in a scenario.
func perform(t *testing.T, s *Scenario) (linux []Recorded, weir []Event) {
	t.Helper()
	all, err := recorded()
	if errors.Is(err, errNoKernel) && os.Getenv("CI") != "true" {
		t.Skipf("SKIPPED, NOT TESTED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	linux, ok := all[s.Name]
	if !ok {
		t.Fatalf("%s has nothing about this scenario: make ipvs-record", stored)
	}
	if weir, err = s.Run(newPerformer(t, s)); err != nil {
		t.Fatal(err)
	}
	if len(linux) != len(weir) {
		t.Fatalf("%s has %d steps of the scenario's %d: make ipvs-record", stored, len(linux), len(weir))
	}
	if s.Whole {
		linux = slices.Clone(linux) // others may look at it, too
		behindLinux, behindWeir := newReceiver(), newReceiver()
		for i := range linux {
			linux[i].Out, weir[i].Out = behindLinux.receive(linux[i].Out), behindWeir.receive(weir[i].Out)
		}
	}
	return linux, weir
}

func TestWeirDoesWhatIPVSDoes(t *testing.T) {
	for _, s := range Scenarios() {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			linux, weir := perform(t, &s)
			bad := 0
			for i := range linux {
				d := diff(&linux[i], &weir[i])
				if d == "" {
					continue
				}
				t.Errorf("step %d: %s", weir[i].Step, d)
				if bad++; bad == 3 {
					t.Fatal("what comes after this is not shown")
				}
			}
		})
	}
}

// diff tells how two events differ in what is not meant to; empty: they do not.
func diff(linux *Recorded, weir *Event) string {
	var b strings.Builder
	switch {
	case linux.In != weir.In.Sum():
		return fmt.Sprintf("another packet came in: if this is the first difference, %s is of other scenarios: make ipvs-record", stored)
	case linux.Table != nil && weir.Table != nil:
		return DiffTables(linux.Table, weir.Table)
	case slices.EqualFunc(Normal(weir.In, linux.Out), Normal(weir.In, weir.Out), equalFrames):
		return ""
	}
	fmt.Fprintf(&b, "a packet by %s\n%s", weir.In.Port, Describe(weir.In.Data))
	for _, x := range []struct {
		who string
		out []Frame
	}{{"IPVS", linux.Out}, {"Weir", weir.Out}} {
		fmt.Fprintf(&b, "    %s sent %d\n", x.who, len(x.out))
		for _, f := range x.out {
			fmt.Fprintf(&b, "    by %s\n%s", f.Port, Describe(f.Data))
		}
	}
	return b.String()
}
