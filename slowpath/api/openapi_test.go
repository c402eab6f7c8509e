package api

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	yaml "go.yaml.in/yaml/v3"

	api "github.com/weirlb/weir/docs/api"
	"github.com/weirlb/weir/slowpath/api/apitest"
	"github.com/weirlb/weir/slowpath/view"
	"github.com/weirlb/weir/slowpath/view/viewtest"
)

// operations are the methods and paths of openapi.yaml.
func operations(t *testing.T) (out []string) {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]yaml.Node
	}
	if err := yaml.Unmarshal(api.Description, &doc); err != nil {
		t.Fatal(err)
	}
	for path, ops := range doc.Paths {
		for method := range ops {
			if method != "parameters" {
				out = append(out, strings.ToUpper(method)+" "+path)
			}
		}
	}
	slices.Sort(out)
	return out
}

func TestTheDescriptionHasWhatTheServerHas(t *testing.T) {
	var have []string
	for _, r := range (&handler{src: viewtest.Sample()}).routes() {
		have = append(have, r.method+" "+r.path)
	}
	slices.Sort(have)
	if want := operations(t); !slices.Equal(have, want) {
		t.Errorf("the server has\n%s\ndocs/api/openapi.yaml has\n%s", strings.Join(have, "\n"), strings.Join(want, "\n"))
	}
}

// asked is a request and the status that it is to be answered with.
type asked struct {
	method, path, body string
	status             int
	header             [2]string
}

// everyAnswer asks for every answer that the API can give to whoever has no TLS, and some.
var everyAnswer = []asked{
	{"GET", "/v1/services", "", 200, [2]string{}},
	{"GET", "/v1/backends", "", 200, [2]string{}},
	{"GET", "/v1/backends/web", "", 200, [2]string{}},
	{"GET", "/v1/backends/none", "", 404, [2]string{}},
	{"POST", "/v1/backends/web", `{"address": "10.0.0.99:80"}`, 201, [2]string{"If-Match", `"5eed-7"`}},
	{"POST", "/v1/backends/web", `{"address": "10.0.0.99"}`, 400, [2]string{}},
	{"POST", "/v1/backends/web", `{"address": "10.0.0.99:80", "weight": 2}`, 412, [2]string{"If-Match", `"5eed-6"`}},
	{"POST", "/v1/backends/web", strings.Repeat(" ", maxBody) + `{"address": "10.0.0.99:80"}`, 413, [2]string{}},
	{"POST", "/v1/backends/none", `{"address": "10.0.0.99:80"}`, 404, [2]string{}},
	{"GET", "/v1/backends/web/10.0.0.11:8080", "", 200, [2]string{}},
	{"GET", "/v1/backends/web/10.0.0.11", "", 400, [2]string{}},
	{"GET", "/v1/backends/web/10.0.0.99:80", "", 404, [2]string{}},
	{"PUT", "/v1/backends/web/10.0.0.11:8080", `{"weight": 5}`, 200, [2]string{}},
	{"PUT", "/v1/backends/web/10.0.0.11:8080", `{"weight": 70000}`, 400, [2]string{}},
	{"PUT", "/v1/backends/web/10.0.0.11:8080", `{"weight": 5}`, 412, [2]string{"If-Match", `W/"5eed-7"`}},
	{"DELETE", "/v1/backends/web/10.0.0.11:8080", "", 200, [2]string{}},
	{"POST", "/v1/backends/web/10.0.0.11:8080/drain", "", 200, [2]string{}},
	{"DELETE", "/v1/backends/web/10.0.0.11:8080/drain", "", 200, [2]string{}},
	{"GET", "/v1/connections", "", 200, [2]string{}},
	{"GET", "/v1/connections?service=web&limit=1", "", 200, [2]string{}},
	{"GET", "/v1/connections?limit=x", "", 400, [2]string{}},
	{"GET", "/v1/connections?service=none", "", 404, [2]string{}},
	{"GET", "/v1/persistence?service=web", "", 200, [2]string{}},
	{"GET", "/v1/persistence?limit=x", "", 400, [2]string{}},
	{"GET", "/v1/persistence?service=none", "", 404, [2]string{}},
	{"GET", "/v1/workers", "", 200, [2]string{}},
	{"GET", "/v1/ports", "", 200, [2]string{}},
	{"GET", "/v1/neighbors", "", 200, [2]string{}},
	{"GET", "/v1/drops", "", 200, [2]string{}},
	{"GET", "/v1/drops?by=port", "", 200, [2]string{}},
	{"GET", "/v1/drops?by=service", "", 200, [2]string{}},
	{"GET", "/v1/drops?by=colour", "", 400, [2]string{}},
	{"GET", "/v1/daemon", "", 200, [2]string{}},
	{"GET", "/v1/explain?packet=" + url.QueryEscape(viewtest.Explanation().Packet), "", 200, [2]string{}},
	{"GET", "/v1/explain?packet=x", "", 400, [2]string{}},
	{"GET", "/v1/config", "", 200, [2]string{}},
	{"GET", "/v1/config?effective=true", "", 200, [2]string{}},
	{"GET", "/v1/config?effective=perhaps", "", 400, [2]string{}},
	{"GET", "/v1/config", "", 304, [2]string{"If-None-Match", `W/"5eed-6", W/"5eed-7"`}},
	{"GET", "/v1/config", "", 400, [2]string{"If-None-Match", "5eed-7"}},
	{"POST", "/v1/config/save", "", 200, [2]string{}},
	{"POST", "/v1/config/save?force=perhaps", "", 400, [2]string{}},
	{"POST", "/v1/reload", "", 200, [2]string{"If-Match", "*"}},
	{"POST", "/v1/reload?dry_run=true&keep_runtime=true", "", 200, [2]string{}},
	{"POST", "/v1/reload", "", 400, [2]string{"If-Match", "5eed-7"}},
	{"DELETE", "/v1/captures/3", "", 200, [2]string{}},
	{"DELETE", "/v1/captures/x", "", 400, [2]string{}},
	{"GET", "/v1/capture?rate=x", "", 400, [2]string{}},
	{"GET", "/v1/capture", "", 200, [2]string{}},
	{"GET", "/v1/events?type=none", "", 400, [2]string{}},
	{"GET", "/v1/openapi.yaml", "", 200, [2]string{}},
}

func TestEveryAnswerIsAsTheDescriptionSays(t *testing.T) {
	o, ops := apitest.NewOracle(t), operations(t)
	path, _ := serve(t, viewtest.Sample(), &recorder{})
	client := Dial(path).http
	answered := map[string]bool{}
	for _, a := range everyAnswer {
		t.Run(fmt.Sprintf("%s %.60s %d", a.method, a.path, a.status), func(t *testing.T) {
			r, err := http.NewRequest(a.method, "http://weir"+a.path, strings.NewReader(a.body))
			if err != nil {
				t.Fatal(err)
			}
			if a.header[0] != "" {
				r.Header.Set(a.header[0], a.header[1])
			}
			resp, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != a.status {
				t.Fatalf("it is answered with %s: %s", resp.Status, body)
			}
			i := slices.IndexFunc(ops, func(op string) bool {
				method, pattern, _ := strings.Cut(op, " ")
				return method == a.method && fits(pattern, a.path)
			})
			_, pattern, _ := strings.Cut(ops[i], " ")
			if err := o.Judge(a.method, pattern, resp, body); err != nil {
				t.Errorf("%v\nof %s", err, body)
			}
			answered[ops[i]] = answered[ops[i]] || a.status < 300
		})
	}
	for _, op := range ops {
		if !answered[op] && op != "GET /v1/events" {
			t.Errorf("nothing asks for %s", op)
		}
	}
}

// fits reports whether a request's path is one of a pattern.
func fits(pattern, path string) bool {
	path, _, _ = strings.Cut(path, "?")
	p, q := strings.Split(pattern, "/"), strings.Split(path, "/")
	return slices.EqualFunc(p, q, func(p, q string) bool { return p == q || strings.HasPrefix(p, "{") && q != "save" })
}

func TestEveryEventIsAsTheDescriptionSays(t *testing.T) {
	o := apitest.NewOracle(t)
	rec := &recorder{}
	path, _ := serve(t, viewtest.Sample(), rec)
	resp, err := Dial(path).http.Get("http://weir/v1/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	weight := 3
	for _, e := range []view.Event{
		{Type: view.EventReload, Text: "x", State: "applied", Changes: []string{"+ x"}, Revision: "a-1", By: "uid 0"},
		{Type: view.EventWeight, Text: "x", Service: "web", Backend: "10.0.0.11:80", Weight: &weight},
		{Type: view.EventNeighbor, Text: "x", Port: "wan", Address: "203.0.113.1", State: "failed"},
		{Type: view.EventStopping, Text: "x"},
	} {
		rec.hub().Publish(e)
	}
	rec.hub().Close()
	n := 0
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); n++ {
		if err := o.Judge("GET", "/v1/events", resp, lines.Bytes()); err != nil {
			t.Errorf("%v\nof %s", err, lines.Bytes())
		}
	}
	if n != 5 {
		t.Errorf("%d events came", n)
	}
}
