package conf

import (
	"os"
	"strings"
	"testing"
)

// rows returns the cells of the document's table rows by the first, which is a name in backquotes.
func rows(t *testing.T, doc string) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, line := range strings.Split(doc, "\n") {
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		name, ok := strings.CutPrefix(cells[0], "`")
		if !ok || !strings.HasPrefix(line, "|") {
			continue
		}
		name = strings.TrimSuffix(name, "`")
		if out[name] != nil {
			t.Errorf("%s has two rows", name)
		}
		out[name] = cells[1:]
	}
	return out
}

func TestEveryKeyIsDocumentedWithItsDefault(t *testing.T) {
	data, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	have := rows(t, string(data))
	want := map[string]bool{}
	for _, k := range knownKeys("", rootFields) {
		if k.holds == keys || k.holds == entries {
			if !strings.Contains(string(data), "\n## "+k.path) && !strings.Contains(string(data), "`"+k.path) {
				t.Errorf("nothing is about %s", k.path)
			}
			if have[k.path] == nil {
				continue
			}
		}
		want[k.path] = true
		row := have[k.path]
		if row == nil {
			t.Errorf("%s has no row", k.path)
			continue
		}
		def := "none"
		switch {
		case k.required:
			def = "required"
		case k.def != "":
			def = "`" + k.def + "`"
		}
		if len(row) != 3 || row[0] != def {
			t.Errorf("%s: %q, its default is %s", k.path, row, def)
		}
	}
	for _, k := range single {
		variable := nameOfVariable(k.path)
		want[variable] = true
		if row := have[variable]; len(row) != 1 || !strings.HasPrefix(row[0], "`"+k.path+"`") {
			t.Errorf("%s: %q", variable, row)
		}
	}
	for name := range have {
		if !want[name] {
			t.Errorf("%s is documented, but there is no such key or variable", name)
		}
	}
}

func TestConfigurationShownInTheDocument(t *testing.T) {
	data, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "```yaml\n")
	example, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("there is no example")
	}
	mustLoad(t, example)
}

func TestConfigurationShownInTheReadme(t *testing.T) {
	data, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "```yaml\n")
	example, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("there is no example")
	}
	mustLoad(t, example)
}
