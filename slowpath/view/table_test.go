package view_test

import (
	"bytes"
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirlb/weir/slowpath/view"
	"github.com/weirlb/weir/slowpath/view/viewtest"
)

var update = flag.Bool("update", false, "write testdata/*.txt and *.json anew")

var now = time.Unix(viewtest.Now, 0)

// lists is what each weir show would print of the sample.
func lists() map[string]any {
	s := viewtest.Sample()
	return map[string]any{
		"services":    s.Services(),
		"backends":    s.Backends(),
		"connections": s.Connections("", 0),
		"persistence": s.Persistence("", 0),
		"workers":     s.Workers(),
		"ports":       s.Ports(),
		"neighbors":   s.Neighbors(),
		"drops":       s.Drops(),
		"drops-port":  s.PortDrops(), "drops-service": s.ServiceDrops(),
	}
}

func expectGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s (go test -update writes it anew):\ngot\n%s\nwant\n%s", path, got, want)
	}
}

func TestTables(t *testing.T) {
	for name, list := range lists() {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := view.WriteTableAt(&b, list, now); err != nil {
				t.Fatal(err)
			}
			expectGolden(t, name+".txt", b.Bytes())
		})
	}
}

func TestJSON(t *testing.T) {
	for name, list := range lists() {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := view.WriteJSON(&b, list); err != nil {
				t.Fatal(err)
			}
			expectGolden(t, name+".json", b.Bytes())
		})
	}
}

func TestExplanation(t *testing.T) {
	var text, js bytes.Buffer
	if err := view.WriteExplanation(&text, viewtest.Explanation()); err != nil {
		t.Fatal(err)
	}
	expectGolden(t, "explanation.txt", text.Bytes())
	if err := view.WriteJSON(&js, viewtest.Explanation()); err != nil {
		t.Fatal(err)
	}
	expectGolden(t, "explanation.json", js.Bytes())
}

// docs/operations.md shows what the commands print: it must not fall behind.
func TestOperationsManualShowsTheTablesAsTheyAre(t *testing.T) {
	manual, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(slices.Collect(maps.Keys(lists())), "explanation") {
		table, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(manual, table) {
			t.Errorf("docs/operations.md does not show %s as in testdata/%s.txt", name, name)
		}
	}
}

func TestEmptyListIsAHeader(t *testing.T) {
	var b bytes.Buffer
	if err := view.WriteTable(&b, []view.Neighbor{}); err != nil {
		t.Fatal(err)
	}
	if want := "PORT  ADDRESS  MAC  STATE  AGE  QUEUED\n"; b.String() != want {
		t.Errorf("got %q", b.String())
	}
}

func TestSharesOfManyBackendsAreAbridged(t *testing.T) {
	even := make([]view.Share, 10)
	for i := range even {
		even[i].Share = 0.1
	}
	even[3].Share, even[7].Share = 0.08, 0.12
	for want, shares := range map[string][]view.Share{
		"-": nil, "- ": {{}, {}}, "25.0% 75.0%": {{Share: 0.25}, {Share: 0.75}}, "8.0% to 12.0% of 10": even,
	} {
		var b bytes.Buffer
		if err := view.WriteTable(&b, []view.Service{{Name: "web", Shares: shares}}); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(b.String(), "  "+strings.TrimSpace(want)+"\n") {
			t.Errorf("%v: got %q, want %q", shares, b.String(), want)
		}
	}
}

func TestNamesCannotSteerTheTerminal(t *testing.T) {
	var b bytes.Buffer
	if err := view.WriteTable(&b, []view.Backend{{Service: "web\x1b[2J", Health: "a\nb"}}); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsRune(b.String(), '\x1b') || strings.Count(b.String(), "\n") != 2 {
		t.Errorf("got %q", b.String())
	}
}

func TestTableOfSomethingElseIsAnError(t *testing.T) {
	if err := view.WriteTable(&bytes.Buffer{}, []string{"x"}); err == nil || !strings.Contains(err.Error(), "[]string") {
		t.Errorf("got %v", err)
	}
}

type fullDisk struct{}

var errFull = errors.New("no space left")

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestErrorsOfTheOutputAreTold(t *testing.T) {
	drops := viewtest.Sample().Drops()
	if err := view.WriteTable(fullDisk{}, drops); !errors.Is(err, errFull) {
		t.Errorf("table: %v", err)
	}
	if err := view.WriteJSON(fullDisk{}, drops); !errors.Is(err, errFull) {
		t.Errorf("json: %v", err)
	}
}

func TestTableDoesNotChangeTheList(t *testing.T) {
	drops := viewtest.Sample().Drops()
	if err := view.WriteTable(&bytes.Buffer{}, drops); err != nil {
		t.Fatal(err)
	}
	if len(drops) != 4 || drops[0].Reason != "truncated" {
		t.Errorf("%+v", drops)
	}
}
