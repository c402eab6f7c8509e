package conf

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const editPorts = "ports: [{name: wan, device: net_null0, addresses: [203.0.113.2/24, 10.0.0.1/24, \"fd00::1/64\"]}]\n"

func editable(t *testing.T, services string) *Config {
	t.Helper()
	cfg, err := Parse("weir.yaml", []byte(editPorts+services))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestEditsKeepAllThatTheyAreNotAbout(t *testing.T) {
	const block = `# what the world sees
services:
  - name: web     # the shop
    address: 203.0.113.10:80
    protocol: tcp
    mode: nat

    backends:
      # rack 1
      - address: 10.0.0.11:8080   # the old one
        weight: 3                 # it has more cores
      - weight: 1
        address: "10.0.0.12:8080"

      # rack 2
      - address: 10.0.0.13:8080
# that is all
`
	const flow = `services:
  - {name: web, address: "203.0.113.10:80", protocol: tcp, mode: nat, backends: [{address: "10.0.0.11:8080"}, {weight: 2, address: 10.0.0.12:8080}]} # one line
`
	const rows = `services:
  - name: web
    address: 203.0.113.10:80
    protocol: tcp
    mode: dr
    backends:
    - {address: 10.0.0.11}
    - {address: 10.0.0.12, weight: 1_000} # big
    - { weight: 7, # odd
        address: "10.0.0.13:80"
      }`
	for name, c := range map[string]struct {
		text  string
		edits []Edit
		from  []string // pairs
	}{
		"a weight":                     {block, []Edit{{"web", ap("10.0.0.11:8080"), false, 5}}, []string{"weight: 3 ", "weight: 5 "}},
		"a weight before its address":  {block, []Edit{{"web", ap("10.0.0.12:8080"), false, 10}}, []string{"- weight: 1\n", "- weight: 10\n"}},
		"a weight that is not written": {block, []Edit{{"web", ap("10.0.0.13:8080"), false, 0}}, []string{"10.0.0.13:8080\n", "10.0.0.13:8080\n        weight: 0\n"}},
		"a new entry": {
			block, []Edit{{"web", ap("10.0.0.14:80"), false, 4}},
			[]string{"10.0.0.13:8080\n", "10.0.0.13:8080\n      - address: 10.0.0.14:80\n        weight: 4\n"},
		},
		"an entry goes": {
			block, []Edit{{Service: "web", Backend: ap("10.0.0.11:8080"), Remove: true}},
			[]string{"      - address: 10.0.0.11:8080   # the old one\n        weight: 3                 # it has more cores\n", ""},
		},
		"the last entry goes": {block, []Edit{{Service: "web", Backend: ap("10.0.0.13:8080"), Remove: true}}, []string{"      - address: 10.0.0.13:8080\n", ""}},
		"several": {
			block,
			[]Edit{{"web", ap("10.0.0.14:80"), false, 4}, {"web", ap("10.0.0.14:80"), false, 6}, {Service: "web", Backend: ap("10.0.0.13:8080"), Remove: true}, {"web", ap("10.0.0.11:8080"), false, 0}},
			[]string{"      - address: 10.0.0.13:8080\n", "      - address: 10.0.0.14:80\n        weight: 6\n", "weight: 3 ", "weight: 0 "},
		},
		"in a line: a weight":       {flow, []Edit{{"web", ap("10.0.0.11:8080"), false, 5}}, []string{`"10.0.0.11:8080"`, `"10.0.0.11:8080", weight: 5`}},
		"in a line: another weight": {flow, []Edit{{"web", ap("10.0.0.12:8080"), false, 5}}, []string{"weight: 2", "weight: 5"}},
		"in a line: a new entry":    {flow, []Edit{{"web", ap("10.0.0.13:80"), false, 1}}, []string{"12:8080}]", "12:8080}, {address: 10.0.0.13:80, weight: 1}]"}},
		"in a line: the first goes": {flow, []Edit{{Service: "web", Backend: ap("10.0.0.11:8080"), Remove: true}}, []string{`{address: "10.0.0.11:8080"}, `, ""}},
		"in a line: the last goes":  {flow, []Edit{{Service: "web", Backend: ap("10.0.0.12:8080"), Remove: true}}, []string{`, {weight: 2, address: 10.0.0.12:8080}`, ""}},
		"rows: a weight":            {rows, []Edit{{"web", ap("10.0.0.11:80"), false, 5}}, []string{"10.0.0.11}", "10.0.0.11, weight: 5}"}},
		"rows: a written number":    {rows, []Edit{{"web", ap("10.0.0.12:80"), false, 5}}, []string{"1_000", "5"}},
		"rows: an entry of lines":   {rows, []Edit{{"web", ap("10.0.0.13:80"), false, 5}}, []string{"weight: 7", "weight: 5"}},
		"rows: a new entry at the end of the file": {
			rows, []Edit{{"web", ap("10.0.0.14:80"), false, 1}},
			[]string{"\n      }", "\n      }\n    - {address: 10.0.0.14:80, weight: 1}"},
		},
		"rows: an entry goes": {rows, []Edit{{Service: "web", Backend: ap("10.0.0.12:80"), Remove: true}}, []string{"    - {address: 10.0.0.12, weight: 1_000} # big\n", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			for newline, text := range map[string]string{"LF": c.text, "CRLF": strings.ReplaceAll(c.text, "\n", "\r\n")} {
				got, err := editable(t, text).Edited(c.edits)
				if err != nil {
					t.Fatalf("%s: %v", newline, err)
				}
				want := edits(c.from).of(t, editPorts+c.text)
				if diff := cmp.Diff(want, strings.ReplaceAll(string(got.Text), "\r\n", "\n")); diff != "" {
					t.Errorf("%s: the text differs (- want, + got):\n%s", newline, diff)
				}
				if newline == "CRLF" && strings.Count(string(got.Text), "\r\n") != strings.Count(want, "\n")-strings.Count(editPorts, "\n") {
					t.Errorf("lines end in different ways: %q", got.Text)
				}
			}
		})
	}
}

func TestTheOnlyBackendCanGoAndAnotherCome(t *testing.T) {
	for before, after := range map[string]string{
		"    backends:\n      - address: 10.0.0.11:80 # one\n        weight: 3\n": "    backends: []\n",
		"    backends: [{address: 10.0.0.11:80, weight: 3}]\n":                    "    backends: []\n",
	} {
		const service = "services:\n  - name: web\n    address: 203.0.113.10:80\n    protocol: tcp\n    mode: nat\n"
		cfg, err := editable(t, service+before).Edited([]Edit{{Service: "web", Backend: ap("10.0.0.11:80"), Remove: true}})
		if err != nil {
			t.Fatal(err)
		}
		if got := string(cfg.Text); got != editPorts+service+after {
			t.Errorf("got %s", got)
		}
		cfg, err = cfg.Edited([]Edit{{"web", ap("10.0.0.12:80"), false, 4}})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(cfg.Text), "backends: [{address: 10.0.0.12:80, weight: 4}]\n") {
			t.Errorf("got %s", cfg.Text)
		}
	}
}

func TestIPv6BackendsAreWrittenInQuotes(t *testing.T) {
	cfg := editable(t, "services: [{name: web, address: \"[2001:db8::10]:80\", protocol: tcp, mode: nat, backends: [{address: \"[fd00::11]:80\"}]}]\n")
	got, err := cfg.Edited([]Edit{{"web", ap("[fd00::12]:80"), false, 2}})
	if err != nil || !strings.Contains(string(got.Text), `, {address: "[fd00::12]:80", weight: 2}]`) {
		t.Errorf("%v: %s", err, got.Text)
	}
}

const shared = `services:
  - name: a
    address: 203.0.113.10:80
    protocol: tcp
    mode: nat
    backends: &pool
      - &first {address: 10.0.0.11:80, weight: 3} # the best
      - {address: 10.0.0.12:80}
  - name: b
    address: 203.0.113.10:81
    protocol: tcp
    mode: nat
    backends: *pool
  - name: c
    address: 203.0.113.10:82
    protocol: tcp
    mode: nat
    backends:
      - *first
      - {address: 10.0.0.12:80, weight: 2}
`

func TestBackendsBehindAnAliasAreWrittenOutBeforeTheyChange(t *testing.T) {
	got, err := editable(t, shared).Edited([]Edit{
		{"b", ap("10.0.0.12:80"), false, 9}, {"b", ap("10.0.0.13:80"), false, 1}, {"c", ap("10.0.0.11:80"), false, 0},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := edits{
		"backends: *pool", "backends: [{address: '10.0.0.11:80', weight: 3}, {address: '10.0.0.12:80', weight: 9}, {address: 10.0.0.13:80, weight: 1}]",
		"- *first", "- {address: '10.0.0.11:80', weight: 0}",
	}.of(t, editPorts+shared)
	if diff := cmp.Diff(want, string(got.Text)); diff != "" {
		t.Error(diff)
	}
}

// TestAChangeThatOthersWouldShareIsRefused: a's list is also b's.
func TestAChangeThatOthersWouldShareIsRefused(t *testing.T) {
	cfg := editable(t, shared)
	for _, e := range []Edit{
		{"a", ap("10.0.0.12:80"), false, 9}, {"a", ap("10.0.0.11:80"), false, 9}, {"a", ap("10.0.0.13:80"), false, 9},
		{Service: "a", Backend: ap("10.0.0.12:80"), Remove: true},
	} {
		if got, err := cfg.Edited([]Edit{e}); err == nil {
			t.Errorf("%+v gives\n%s", e, got.Text)
		}
	}
}

func TestEditsThatMakeNoSenseAreRefused(t *testing.T) {
	cfg := editable(t, "services: [{name: web, address: \"203.0.113.10:80\", protocol: tcp, mode: nat, backends: [{address: \"10.0.0.11:80\"}]}]\n")
	for want, e := range map[string]Edit{
		"there is no service shop":    {Service: "shop", Backend: ap("10.0.0.11:80")},
		"has no backend 10.0.0.12:80": {Service: "web", Backend: ap("10.0.0.12:80"), Remove: true},
		"must be 0 to 65535":          {Service: "web", Backend: ap("10.0.0.11:80"), Weight: 65536},
		"the service's own address":   {Service: "web", Backend: ap("203.0.113.10:80"), Weight: 1},
		"is IPv6, but the service":    {Service: "web", Backend: ap("[fd00::11]:80"), Weight: 1},
		"is on no network of a port":  {Service: "web", Backend: ap("192.0.2.1:80"), Weight: 1},
		"Weir's own address":          {Service: "web", Backend: ap("10.0.0.1:80"), Weight: 1},
	} {
		if _, err := cfg.Edited([]Edit{e}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", e, err, want)
		}
	}
}
