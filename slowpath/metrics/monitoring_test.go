package metrics

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirlb/weir/fastpath/reason"
	"github.com/weirlb/weir/slowpath/view/viewtest"
)

const monitoring = "../../docs/monitoring/"

// exports is every name and label that a scrape has.
func exports(t *testing.T) (names map[string]map[string]bool) {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(NewCollector(viewtest.Sample(), all))
	gathered, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	names = map[string]map[string]bool{}
	for _, f := range gathered {
		labels := map[string]bool{"instance": true, "job": true, "le": true}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = true
			}
		}
		suffixes := []string{""}
		if f.GetType().String() == "HISTOGRAM" {
			suffixes = []string{"_bucket", "_sum", "_count"}
		}
		for _, s := range suffixes {
			names[f.GetName()+s] = labels
		}
	}
	return names
}

var (
	metric  = regexp.MustCompile(`\b(weir_[a-z_]+)(\{[^}]*\})?`)
	matcher = regexp.MustCompile(`([a-z_]+) *(?:=~|!~|!=|=) *"([^"]*)"`)
)

// expectExported looks for the metrics of an expression, their labels, and the reasons that they name.
func expectExported(t *testing.T, where, expr string) {
	t.Helper()
	names := exports(t)
	for _, m := range metric.FindAllStringSubmatch(expr, -1) {
		labels, ok := names[m[1]]
		if !ok {
			t.Errorf("%s: there is no metric %s", where, m[1])
			continue
		}
		for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
			if !labels[l[1]] {
				t.Errorf("%s: %s has no label %s", where, m[1], l[1])
			}
			if l[1] != "reason" {
				continue
			}
			for name := range strings.SplitSeq(l[2], "|") {
				if !reasonNamed(name) {
					t.Errorf("%s: there is no reason %s", where, name)
				}
			}
		}
	}
}

func reasonNamed(pattern string) bool {
	form := regexp.MustCompile("^(?:" + pattern + ")$")
	for r := reason.Unset; r < reason.Count; r++ {
		if form.MatchString(r.String()) {
			return true
		}
	}
	return false
}

// expressions are all "expr" of a decoded document, with the names of what they belong to.
func expressions(v any, name string, visit func(name, expr string)) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range []string{"title", "name"} {
			if s, ok := v[key].(string); ok {
				name += "/" + s
			}
		}
		for key, inner := range v {
			if s, ok := inner.(string); ok && (key == "expr" || key == "query") {
				visit(name, s)
			}
			expressions(inner, name, visit)
		}
	case []any:
		for _, inner := range v {
			expressions(inner, name, visit)
		}
	}
}

func TestTheDashboardShowsMetricsThatThereAre(t *testing.T) {
	data, err := os.ReadFile(monitoring + "dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var board any
	if err := json.Unmarshal(data, &board); err != nil {
		t.Fatal(err)
	}
	shown := 0
	expressions(board, "", func(name, expr string) {
		shown++
		expectExported(t, name, expr)
	})
	if shown < 30 {
		t.Errorf("it shows %d expressions", shown)
	}
}

func TestTheAlertsAreAboutMetricsThatThereAre(t *testing.T) {
	for _, file := range []string{"alerts.yaml", "alerts_test.yaml"} {
		data, err := os.ReadFile(monitoring + file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			expectExported(t, file, line)
		}
	}
}

func TestPrometheusTakesTheAlerts(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatal("promtool is missing (scripts/setup test)")
	default:
		t.Skip("SKIPPED, NOT TESTED: promtool is missing (scripts/setup test)")
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yaml"}, {"test", "rules", "alerts_test.yaml"}} {
		cmd := exec.Command(promtool, args...)
		cmd.Dir = monitoring
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

func TestMetricsKeepPrometheusRules(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("promtool is missing (scripts/setup test)")
		}
		t.Skip("SKIPPED, NOT TESTED: promtool is missing (scripts/setup test)")
	}
	s, err := Serve("127.0.0.1:0", viewtest.Sample(), all, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, body := get(t, s, "/metrics")
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(body)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}
