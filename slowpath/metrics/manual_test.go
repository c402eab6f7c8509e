package metrics

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirlb/weir/slowpath/view/viewtest"
)

// expectInManual looks for a table in docs/operations.md, which must not fall behind.
func expectInManual(t *testing.T, table string) {
	t.Helper()
	manual, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(manual), table) {
		t.Errorf("docs/operations.md lacks this table:\n%s", table)
	}
}

func TestOperationsManualListsEveryMetric(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(NewCollector(viewtest.Sample()))
	gathered, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	table := "| metric | type | labels | meaning |\n|---|---|---|---|\n"
	for _, f := range gathered {
		labels := map[string]bool{}
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels[l.GetName()] = true
		}
		names := strings.Join(slices.Sorted(maps.Keys(labels)), ", ")
		kind := strings.ToLower(f.GetType().String())
		table += fmt.Sprintf("| `%s` | %s | %s | %s |\n", f.GetName(), kind, names, f.GetHelp())
	}
	expectInManual(t, table)
}
