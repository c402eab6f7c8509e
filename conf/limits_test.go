//go:build !race

package conf

import (
	"fmt"
	"strings"
	"testing"
)

// One goroutine reads hundred thousands of entries: the race detector would find nothing in that, and take a minute.

func manyServices(n int) string {
	var b strings.Builder
	b.WriteString("ports: [{name: wan, device: net_null0, addresses: [10.0.0.1/8]}]\nservices:\n")
	for i := range n {
		fmt.Fprintf(&b, "- {name: s%d, address: 203.%d.%d.%d:80, protocol: tcp, mode: nat, backends: [{address: 10.%d.%d.2:80}]}\n",
			i, i>>16, i>>8&255, i&255, 1+i>>8&127, i&255)
	}
	return b.String()
}

func TestManyServices(t *testing.T) {
	const n = 20_000
	cfg := mustLoad(t, manyServices(n))
	if last := cfg.Services[n-1]; len(cfg.Services) != n || last.Name != "s19999" || last.Line != n+2 || len(last.Backends) != 1 {
		t.Errorf("%d services, the last is %+v", len(cfg.Services), last)
	}
}

func TestTenMillionBackendsAreAFewThousandLines(t *testing.T) {
	cfg := mustLoad(t, manyOfAGroup(10_000, 1000))
	if n := len(cfg.Services); n != 10_000 || len(cfg.Services[n-1].Backends) != 1000 {
		t.Errorf("%d services", n)
	}
}

func BenchmarkHundredThousandServices(b *testing.B) {
	text := manyServices(100_000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := loadText(text); err != nil {
			b.Fatal(err)
		}
	}
}

func TestServicesAreBounded(t *testing.T) {
	text := "ports: [{name: wan, device: net_null0}]\nservices: [" + strings.Repeat("x,", maxServices+1) + "]\n"
	_, err := loadText(text)
	if want := "weir.yaml:2: services: has 131073 entries: at most 131072 are supported\n"; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%.500v", err)
	}
}

func TestBackendsOfAllServicesAreCountedTogether(t *testing.T) {
	p := &problems{file: "weir.yaml"}
	const n = maxBackends / maxListed
	root := document(p, []byte("services:\n"+strings.Repeat("- {name: a}\n", n+1)))
	part := make([]Backend, maxListed) // whose addresses could not be read
	cfg := &Config{}
	for i := range n {
		cfg.Services = append(cfg.Services, Service{Name: fmt.Sprint("s", i), Backends: part})
	}
	check(root, cfg)
	if err := p.found(); err != nil {
		t.Fatal(err)
	}
	cfg.Services = append(cfg.Services, Service{Name: "c", Backends: part[:1]})
	check(root, cfg)
	want := "weir.yaml:18: services[16]: makes more than 16777216 backends of all services together: that is the most"
	if err := p.found(); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestMoreBackendsThanAnMhTableTellsApart(t *testing.T) {
	p := &problems{file: "weir.yaml"}
	root := document(p, []byte("services:\n- name: a\n  backends: [...]\n"))
	check(root, &Config{Services: []Service{{Name: "a", Scheduler: "mh", Backends: make([]Backend, 1<<16+1)}}})
	want := "weir.yaml:3: services[0].backends: 65537 servers are too many for an mh table of 4093 entries: it takes 4093: set mh_table_size to a larger prime"
	if err := p.found(); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestPortsAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("ports:\n")
	for i := range maxPorts + 1 {
		fmt.Fprintf(&b, "  - {name: p%d, device: net_null%d}\n", i, i)
	}
	expectErrors(t, b.String(), "1: ports: has 33 entries: at most 32 are supported")
}

// A few lines of aliases stand for 10^10 values.
func TestAliasBombIsDefused(t *testing.T) {
	var b strings.Builder
	b.WriteString("ports: [{name: wan, device: net_null0, addresses: [10.0.0.1/8]}]\n")
	b.WriteString("services:\n  - &s {name: web, address: 203.0.113.1:80, protocol: tcp, mode: nat, backends: &b [&x {address: 10.0.0.2:80}" +
		strings.Repeat(", *x", 99_999) + "]}\n")
	b.WriteString(strings.Repeat("  - *s\n", 99_999))
	p := &problems{file: "weir.yaml", visited: maxValues - 1_000_000} // the last million is enough to see
	parse(p, []byte(b.String()))
	err := p.found()
	want := "weir.yaml: the file has more than 8388608 values, aliases counted in full: what follows was not read"
	if err == nil || err.Error() != want {
		t.Errorf("%.2000v", err)
	}
}

func TestErrorsAreBounded(t *testing.T) {
	text := "ports: [{name: wan, device: net_null0, addresses: [10.0.0.1/8]}]\nservices:\n" +
		"  - &s {name: web, address: 203.0.113.1:80, protocol: tcp, mode: nat, backends: [{address: 10.0.0.2:80}]}\n" +
		strings.Repeat("  - *s\n", 5000)
	_, err := loadText(text)
	errs, _ := err.(Errors)
	if len(errs) != maxErrors+1 {
		t.Fatalf("%d errors", len(errs))
	}
	if last := errs[maxErrors]; last.Msg != "there are more errors than these 1000: mend them and check again" || last.Line != 0 {
		t.Error(last)
	}
}

func TestNestedAliasesStayWhereTheyAre(t *testing.T) {
	text := "ports: [{name: wan, device: net_null0}]\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 12; i++ {
		text += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	_, err := loadText(text + "services: *a11\n")
	if errs, _ := err.(Errors); len(errs) != 12+10 {
		t.Errorf("%v", err)
	}
}

func TestAliasWithinItsAnchor(t *testing.T) {
	expectErrors(t, "ports: &a [*a]\n", "1: ports[0]: must be a section with keys, is a list")
}

func TestDeepNesting(t *testing.T) {
	_, err := loadText("ports: " + strings.Repeat("[", 1_000_000))
	if errs, _ := err.(Errors); len(errs) != 1 || errs[0].Line != 1 {
		t.Errorf("%v", err)
	}
}

func TestLongTextsAreCutInErrors(t *testing.T) {
	long := strings.Repeat("é", 500)
	_, err := loadText(edits{"idle: spin", "idle: " + long, "rss: false", long + ": 1"}.of(t, base))
	if errs, _ := err.(Errors); len(errs) != 2 || len(err.Error()) > 600 {
		t.Errorf("%d bytes: %.2000v", len(err.Error()), err)
	}
}
