package layout

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTheIndexOfDecisionsHasEachByANumberOfItsOwn(t *testing.T) {
	files, err := filepath.Glob("../../docs/decisions/[0-9]*.md")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	index, numbers := read(t, "docs/decisions/README.md"), map[string]string{}
	for _, f := range files {
		name := filepath.Base(f)
		number, _, _ := strings.Cut(name, "-")
		if other := numbers[number]; other != "" {
			t.Errorf("%s and %s have one number", other, name)
		}
		numbers[number] = name
		number = strings.TrimLeft(number, "0")
		title, _, _ := strings.Cut(read(t, "docs/decisions/"+name), "\n")
		title, ok := strings.CutPrefix(title, "# "+number+". ")
		if row := "| " + number + " | [" + title + "](" + name + ") |"; !ok || !strings.Contains(index, row) {
			t.Errorf("docs/decisions/README.md lacks the row %s", row)
		}
	}
}

func TestTheArchitecturesTableHasEveryPackage(t *testing.T) {
	text, known := read(t, "docs/architecture.md"), map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| (`.*?) \\|").FindAllStringSubmatch(text, -1) {
		for _, p := range strings.Split(m[1], ", ") {
			known[strings.Trim(p, "`")] = true
		}
	}
	for _, s := range sources(t) {
		if !known[s.dir] && s.dir != "slowpath/view/viewtest" && s.dir != "slowpath/api/apitest" { // with their parents
			t.Errorf("docs/architecture.md: %s is not in the table of packages", s.dir)
			known[s.dir] = true
		}
	}
	for p := range known {
		if strings.Contains(p, "/") && !strings.ContainsAny(p, "{…") {
			if _, err := os.Stat(filepath.Join("../..", p)); err != nil {
				t.Errorf("docs/architecture.md: there is no package %s", p)
			}
		}
	}
}

func TestTheReadmeLeadsToEveryPage(t *testing.T) {
	readme := read(t, "README.md")
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal(pages, err)
	}
	for _, p := range append(pages, "api/README.md", "decisions/README.md") {
		p = "docs/" + strings.TrimPrefix(filepath.ToSlash(p), "../../docs/")
		if !strings.Contains(readme, "]("+p+")") {
			t.Errorf("README.md: no link to %s", p)
		}
	}
}

func TestLinksBetweenPagesLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s#]+)(#[^)\s]*)?\)`)
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md", "bench/*.md", "bench/*/*.md"} {
		found, err := filepath.Glob("../../" + pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	for _, p := range pages {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(b), -1) {
			if strings.Contains(m[1], "://") || strings.Contains(m[1], "…") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(p), m[1])); err != nil {
				t.Errorf("%s: a link to %s, which is not there", strings.TrimPrefix(p, "../../"), m[1])
			}
		}
	}
}
