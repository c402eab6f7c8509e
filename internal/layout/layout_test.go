package layout

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/weirlb/weir/"

// rules say what the packages below a folder may import of this module besides their own folder; test files are
// free. The longest matching folder counts.
var rules = map[string][]string{
	"cmd":                  {"conf", "dpdk", "fastpath", "sched", "slowpath"},
	"slowpath":             {"conf", "fastpath", "sched", "slowpath"},
	"conf":                 {"sched"},
	"conf/lvs":             {"conf"},
	"sched":                {},
	"fastpath":             {"fastpath", "sched"},
	"fastpath/port":        {"fastpath/rss"},
	"fastpath/rss":         {"fastpath/packet"},
	"fastpath/nexthop":     {},
	"fastpath/reason":      {},
	"fastpath/offheap":     {},
	"fastpath/prefetch":    {},
	"fastpath/packet":      {"fastpath/reason"},
	"fastpath/conn":        {"fastpath/offheap", "fastpath/prefetch"},
	"fastpath/filter":      {},
	"fastpath/memport":     {"fastpath/port"},
	"fastpath/ring":        {"fastpath/nexthop", "fastpath/port", "fastpath/reason"},
	"dpdk":                 {"dpdk", "fastpath/port", "fastpath/rss"},
	"internal":             {"conf", "fastpath", "internal", "slowpath"},
	"scripts":              {"internal"},
	"slowpath/neighbor":    {"fastpath/nexthop", "fastpath/packet", "fastpath/reason", "slowpath/view"},
	"slowpath/view":        {"fastpath/reason", "slowpath/view"},
	"slowpath/tap":         {"fastpath/packet"},
	"slowpath/health":      {"conf"},
	"slowpath/hook":        {},
	"slowpath/capture":     {"fastpath", "slowpath/view"},
	"slowpath/api":         {"docs/api", "slowpath/view"},
	"slowpath/watch":       {"slowpath/view"},
	"slowpath/api/apitest": {"docs/api"},
	"slowpath/metrics":     {"slowpath/view"},
	"fastpath/pkttest":     {"fastpath/reason"},
	"slowpath/node":        {"conf", "fastpath", "slowpath/compile", "slowpath/neighbor", "slowpath/view"},
	"slowpath/compile":     {"conf", "fastpath", "sched"},
	"slowpath/replay":      {"conf", "fastpath", "slowpath/compile", "slowpath/node"},
	"slowpath/explain":     {"conf", "fastpath", "sched", "slowpath/compile", "slowpath/neighbor", "slowpath/node", "slowpath/replay", "slowpath/view"},
	"slowpath/daemon":      {"conf", "fastpath", "slowpath"},
	"docs/api":             {},
	"bench":                {"conf", "fastpath", "sched"},
	"slowpath/preflight":   {"conf"},
	"fastpath/persist":     {"fastpath/conn", "fastpath/offheap"},
}

func allowed(pkg string) ([]string, bool) {
	for p := pkg; p != "."; p = path.Dir(p) {
		if a, ok := rules[p]; ok {
			return a, true
		}
	}
	return nil, false
}

func within(pkg, folder string) bool { return pkg == folder || strings.HasPrefix(pkg, folder+"/") }

type source struct {
	dir     string // of the package, from the root
	path    string
	imports []string
	file    *ast.File
}

func sources(t *testing.T) (out []source) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && name != root || d.Name() == "testdata" || d.Name() == "bin") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		s := source{dir: path.Dir(rel), path: rel, file: f}
		for _, i := range f.Imports {
			p, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			s.imports = append(s.imports, p)
		}
		out = append(out, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 50 {
		t.Fatalf("only %d Go files found: the walk is wrong", len(out))
	}
	return out
}

func TestDependenceRunsOneWay(t *testing.T) {
	for _, s := range sources(t) {
		if strings.HasSuffix(s.path, "_test.go") {
			continue
		}
		may, ok := allowed(s.dir)
		if !ok {
			t.Errorf("%s: no rule says what %s may import", s.path, s.dir)
			continue
		}
		for _, i := range s.imports {
			pkg, ours := strings.CutPrefix(i, module)
			if !ours || within(pkg, s.dir) {
				continue
			}
			fine := false
			for _, m := range may {
				fine = fine || within(pkg, m)
			}
			if !fine {
				t.Errorf("%s imports %s; %s may import only %v", s.path, pkg, s.dir, may)
			}
		}
	}
}

func TestCgoStandsOnlyUnderDpdk(t *testing.T) {
	for _, s := range sources(t) {
		for _, i := range s.imports {
			if i == "C" && !within(s.dir, "dpdk") {
				t.Errorf("%s imports C", s.path)
			}
		}
	}
}

func TestEveryPackageHasADocComment(t *testing.T) {
	documented, seen := map[string]bool{}, map[string]bool{}
	for _, s := range sources(t) {
		if strings.HasSuffix(s.path, "_test.go") {
			continue
		}
		seen[s.dir] = true
		documented[s.dir] = documented[s.dir] || s.file.Doc != nil
	}
	for dir := range seen {
		if !documented[dir] {
			t.Errorf("package %s has no doc comment", dir)
		}
	}
}

func TestNoPackageIsNamedUtilOrCommon(t *testing.T) {
	for _, s := range sources(t) {
		switch path.Base(s.dir) {
		case "util", "utils", "common", "helpers", "misc":
			t.Errorf("%s: name the package by its idea", s.dir)
		}
	}
}

func TestFilesStaySmall(t *testing.T) {
	const most = 400
	for _, s := range sources(t) {
		if strings.HasSuffix(s.path, "_test.go") {
			continue
		}
		b, err := os.ReadFile(filepath.Join("../..", s.path))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(b), "\n"); n > most {
			t.Errorf("%s has %d lines, more than %d: split it by idea", s.path, n, most)
		}
	}
}
