package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirlb/weir/sched"
)

func TestEverySchedulerIsMeasured(t *testing.T) {
	manual, err := os.ReadFile("../../docs/schedulers.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(manual), begin)
	shown, _, ok := strings.Cut(rest, end)
	if !ok {
		t.Fatal("docs/schedulers.md has no place for the tables")
	}
	for _, name := range sched.Names() {
		if !strings.Contains(shown, "| `"+name+"` |") {
			t.Errorf("docs/schedulers.md has no row for %s: make bench-sched", name)
		}
	}
}

func TestTablesDoNotDependOnTheRun(t *testing.T) {
	if a, b := tables(3000), tables(3000); a != b {
		t.Errorf("first\n%s\nthen\n%s", a, b)
	}
}

func TestOnlyWhatIsBetweenTheMarkersChanges(t *testing.T) {
	file := filepath.Join(t.TempDir(), "manual.md")
	if err := os.WriteFile(file, []byte("before\n"+begin+"old\n"+end+"after\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := write(file, "new\n"); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if want := "before\n" + begin + "new\n" + end + "after\n"; err != nil || string(got) != want {
		t.Errorf("%v, %q, want %q", err, got, want)
	}
	if err := os.WriteFile(file, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := write(file, "new\n"); err == nil || !strings.Contains(err.Error(), "lacks the lines") {
		t.Errorf("without markers: %v", err)
	}
}

func TestBalanceComparesWithTheWeights(t *testing.T) {
	for _, tt := range []struct {
		numbers, weights []int
		want             float64
	}{{[]int{5, 5}, []int{1, 1}, 1}, {[]int{10, 0}, []int{1, 1}, 2}, {[]int{30, 10}, []int{3, 1}, 1}, {[]int{10, 10}, []int{3, 1}, 2}} {
		if got := worst(tt.numbers, tt.weights); got != tt.want {
			t.Errorf("%v with weights %v: %v, want %v", tt.numbers, tt.weights, got, tt.want)
		}
	}
}
