package api

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/weirlb/weir/slowpath/view"
	"github.com/weirlb/weir/slowpath/view/viewtest"
	"github.com/weirlb/weir/slowpath/watch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a Controller that remembers what it was asked, and compares revisions with the sample's.
type recorder struct {
	mu      sync.Mutex
	calls   []string
	changes []string
	err     error
	taken   sample
	events  *watch.Hub
}

const revision = "5eed-7"

// asked notes a call.
func (r *recorder) asked(m Match, format string, args ...any) ([]string, string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !m.Holds(revision) {
		return nil, "", ErrStale{revision}
	}
	r.calls = append(r.calls, fmt.Sprintf(format, args...))
	return r.changes, "5eed-8", r.err
}

func (r *recorder) Reload(o ReloadOptions) (view.Reload, string, error) {
	changes, revision, err := r.asked(o.Match, "reload dry %t keep %t", o.DryRun, o.KeepRuntime)
	return view.Reload{Changes: changes, DryRun: o.DryRun}, revision, err
}

func (r *recorder) Save(o ChangeOptions, force bool) ([]string, string, error) {
	return r.asked(o.Match, "save force %t", force)
}

func (r *recorder) SetWeight(o ChangeOptions, service string, backend netip.AddrPort, weight int) ([]string, string, error) {
	return r.asked(o.Match, "%s %v %d", service, backend, weight)
}

func (r *recorder) Drain(o ChangeOptions, service string, backend netip.AddrPort, undo bool) ([]string, string, error) {
	return r.asked(o.Match, "drain %s %v undo %t", service, backend, undo)
}

func (r *recorder) AddBackend(o ChangeOptions, service string, backend netip.AddrPort, weight int) ([]string, string, error) {
	return r.asked(o.Match, "add %s %v %d", service, backend, weight)
}

func (r *recorder) RemoveBackend(o ChangeOptions, service string, backend netip.AddrPort) ([]string, string, error) {
	return r.asked(o.Match, "remove %s %v", service, backend)
}

func (r *recorder) hub() *watch.Hub {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.events == nil {
		r.events = watch.NewHub()
	}
	return r.events
}

func (r *recorder) Watch() (Watcher, error) {
	w, err := r.hub().Watch()
	if err != nil {
		return nil, err
	}
	return w, nil
}

func (r *recorder) Capture(q view.CaptureRequest) (Capture, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, fmt.Sprintf("capture %+v", q))
	if r.err != nil {
		return nil, r.err
	}
	return &r.taken, nil
}

func (r *recorder) EndCapture(id int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, fmt.Sprintf("end capture %d", id))
	return r.err
}

func (r *recorder) expect(t *testing.T, want ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.calls, want) {
		t.Errorf("the controller was asked %q, want %q", r.calls, want)
	}
}

// serve runs the API of the sample daemon until the test ends.
func serve(t *testing.T, src *viewtest.Source, ctl Controller) (path string, s *Server) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "weir.sock")
	s, err := Serve(Options{Socket: path}, src, ctl)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if r, ok := ctl.(*recorder); ok {
			r.hub().Close()
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return path, s
}

// request makes one raw request and returns the status and the body.
func request(t *testing.T, socket, method, path, body string) (int, string) {
	t.Helper()
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			return net.Dial("unix", socket)
		},
	}
	r, err := http.NewRequest(method, "http://weir"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if kind := resp.Header.Get("Content-Type"); kind != "application/json" {
		t.Errorf("%s %s answers %s", method, path, kind)
	}
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSuffix(string(answer), "\n")
}

func TestClientGetsEveryListAsTheSourceHasIt(t *testing.T) {
	src := viewtest.Sample()
	path, _ := serve(t, src, &recorder{})
	want := map[string]any{
		"services": src.ServiceList, "backends": src.BackendList, "connections": src.ConnectionList, "persistence": src.TemplateList,
		"workers": src.WorkerList, "ports": src.PortList, "neighbors": src.NeighborList, "drops": src.DropList,
	}
	for _, list := range Lists {
		got, err := Dial(path).Show(t.Context(), list, Filter{})
		if err != nil || !reflect.DeepEqual(got, want[list]) {
			t.Errorf("%s: %v\ngot  %+v\nwant %+v", list, err, got, want[list])
		}
	}
	if d, err := Dial(path).Daemon(t.Context()); err != nil || d != src.Process {
		t.Errorf("daemon: %+v, %v", d, err)
	}
}

func TestAPacketIsExplained(t *testing.T) {
	path, _ := serve(t, viewtest.Sample(), &recorder{})
	want := viewtest.Explanation()
	if got, err := Dial(path).Explain(t.Context(), want.Packet); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\ngot  %+v\nwant %+v", err, got, want)
	}
	if _, err := Dial(path).Explain(t.Context(), "tcp & udp"); err == nil || err.Error() != `"tcp & udp" is no packet` {
		t.Errorf("got %v", err)
	}
	if status, _ := request(t, path, "GET", "/v1/explain", ""); status != 400 {
		t.Errorf("no packet: %d", status)
	}
}

func TestDropsByWorkerPortAndService(t *testing.T) {
	src := viewtest.Sample()
	path, _ := serve(t, src, &recorder{})
	for by, want := range map[string]any{"": src.DropList, "worker": src.DropList, "port": src.PortDropList, "service": src.ServiceDropList} {
		got, err := Dial(path).Show(t.Context(), "drops", Filter{By: by})
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("by %q: %v\ngot  %+v\nwant %+v", by, err, got, want)
		}
	}
	for _, wrong := range []struct{ list, by, want string }{
		{"drops", "client", `by worker, port or service, not by "client"`}, {"ports", "port", "not for ports"},
	} {
		if _, err := Dial(path).Show(t.Context(), wrong.list, Filter{By: wrong.by}); err == nil || !strings.Contains(err.Error(), wrong.want) {
			t.Errorf("%s by %s: %v", wrong.list, wrong.by, err)
		}
	}
}

func TestNothingToListIsAnEmptyArray(t *testing.T) {
	path, _ := serve(t, &viewtest.Source{}, &recorder{})
	for _, list := range Lists {
		if status, body := request(t, path, "GET", "/v1/"+list, ""); status != 200 || body != "[]" {
			t.Errorf("%s: %d %s", list, status, body)
		}
	}
}

func TestConnectionsByServiceAndLimit(t *testing.T) {
	src := viewtest.Sample()
	path, _ := serve(t, src, &recorder{})
	cases := []struct {
		filter Filter
		want   any
	}{
		{Filter{Service: "dns6"}, src.ConnectionList[3:]},
		{Filter{Limit: 1}, src.ConnectionList[:1]},
		{Filter{Service: "web", Limit: 5}, src.ConnectionList[:2]},
	}
	for _, c := range cases {
		got, err := Dial(path).Show(t.Context(), "connections", c.filter)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v: %v, %+v", c.filter, err, got)
		}
	}
}

func TestConnectionsAreLimitedUnlessAsked(t *testing.T) {
	src := viewtest.Sample()
	for len(src.ConnectionList) < 2*DefaultLimit {
		src.ConnectionList = append(src.ConnectionList, src.ConnectionList[0])
	}
	path, _ := serve(t, src, &recorder{})
	for query, want := range map[string]int{"": DefaultLimit, "?limit=0": 2 * DefaultLimit, "?limit=1500": 1500} {
		_, body := request(t, path, "GET", "/v1/connections"+query, "")
		if n := strings.Count(body, `"client"`); n != want {
			t.Errorf("%q: %d connections, want %d", query, n, want)
		}
	}
}

func TestWrongRequestsAreAnsweredWithASentence(t *testing.T) {
	const weight = "/v1/backends/web/10.0.0.11:8080"
	cases := []struct {
		name, method, path, body string
		status                   int
		want                     string
	}{
		{"unknown path", "GET", "/v1/nonsense", "", 404, "the API has no /v1/nonsense"},
		{"wrong method", "DELETE", "/v1/services", "", 405, "/v1/services takes GET, not DELETE"},
		{"reload by GET", "GET", "/v1/reload", "", 405, "/v1/reload takes POST, not GET"},
		{"unknown service", "GET", "/v1/connections?service=ftp", "", 404, `there is no service "ftp": there are web, dns6`},
		{"negative limit", "GET", "/v1/connections?limit=-1", "", 400, `limit "-1" is not a number from 0 (all) on`},
		{"unknown filter", "GET", "/v1/connections?client=x", "", 400, `there is no parameter "client" here: known are service, limit`},
		{"drops by what there is not", "GET", "/v1/drops?by=client", "", 400, `by worker, port or service, not by "client"`},
		{"drops of a port", "GET", "/v1/drops?port=wan", "", 400, `there is no parameter "port" here: known are by`},
		{"backend of an unknown service", "POST", "/v1/backends/ftp/10.0.0.11:8080/drain", "", 404, "there are web, dns6"},
		{"unknown backend", "POST", "/v1/backends/dns6/10.0.0.11:8080/drain", "", 404,
			"service dns6 has no backend 10.0.0.11:8080: there are [2001:db8:0:1::53]:53"},
		{"no port", "POST", "/v1/backends/web/10.0.0.11/drain", "", 400, `"10.0.0.11" is not an address and port`},
		{"no body", "PUT", weight, "", 400, `the body must be {"weight": N}`},
		{"no weight", "PUT", weight, "{}", 400, "weight must be a number from 0 to 65535"},
		{"negative weight", "PUT", weight, `{"weight": -1}`, 400, "weight must be a number from 0 to 65535"},
		{"weight too large", "PUT", weight, `{"weight": 65536}`, 400, "weight must be a number from 0 to 65535"},
		{"half a weight", "PUT", weight, `{"weight": 1.5}`, 400, "the body must be"},
		{"misspelt key", "PUT", weight, `{"wieght": 1}`, 400, `unknown field`},
		{"two values", "PUT", weight, `{"weight": 1} {}`, 400, "something follows"},
		{"endless body", "PUT", weight, `{"weight": 1` + strings.Repeat(" ", maxBody), 413, "the body of a request has at most 4096 bytes"},
	}
	ctl := &recorder{}
	path, _ := serve(t, viewtest.Sample(), ctl)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			status, body := request(t, path, c.method, c.path, c.body)
			plain := strings.ReplaceAll(body, `\"`, `"`)
			if status != c.status || !strings.HasPrefix(body, `{"error":"`) || !strings.Contains(plain, c.want) {
				t.Errorf("got %d %s, want %d %s", status, body, c.status, c.want)
			}
		})
	}
	ctl.expect(t)
}

func TestUnknownListAndMisplacedFilter(t *testing.T) {
	c := Dial(filepath.Join(t.TempDir(), "none"))
	if _, err := c.Show(t.Context(), "flows", Filter{}); err == nil || !strings.Contains(err.Error(), "there are services, backends") {
		t.Errorf("got %v", err)
	}
	if _, err := c.Show(t.Context(), "ports", Filter{Limit: 1}); err == nil || !strings.Contains(err.Error(), "not for ports") {
		t.Errorf("got %v", err)
	}
}

func TestClientSaysWhatToDoWithoutADaemon(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weir.sock")
	want := "no weir daemon answers at " + path + ": is `weir run` running, and is this its api.socket or api.listen?"
	if _, err := Dial(path).Daemon(t.Context()); err == nil || err.Error() != want {
		t.Errorf("no file: %v", err)
	}
	leaveStale(t, path)
	if _, err := Dial(path).Daemon(t.Context()); err == nil || err.Error() != want {
		t.Errorf("stale socket: %v", err)
	}
}

func TestClientSaysWhenItMayNot(t *testing.T) {
	c := Dial("/run/weir.sock")
	err := c.explain(&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", os.ErrPermission)})
	if want := "/run/weir.sock may not be opened by this user: try as root, or join the socket's group"; err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestSomethingElseAnswers(t *testing.T) {
	cases := []struct{ answer, want string }{
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "the answer from "},
		{"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "the daemon answered 502 Bad Gateway"},
		{"SSH-2.0-OpenSSH\r\n\r\n", "no answer from the daemon at "},
		{"", "no answer from the daemon at "},
	}
	for _, c := range cases {
		path := filepath.Join(t.TempDir(), "other.sock")
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			conn, err := l.Accept()
			if err != nil {
				return
			}
			buf := make([]byte, 4096)
			_, _ = conn.Read(buf)
			_, _ = io.WriteString(conn, c.answer)
			_ = conn.Close()
		}()
		if _, err := Dial(path).Daemon(t.Context()); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %q", c.answer, err, c.want)
		}
		_ = l.Close()
		<-done
	}
}

// hesitant answers when it may.
type hesitant struct {
	*viewtest.Source
	asked, may chan struct{}
}

func (h hesitant) Daemon() view.Daemon {
	close(h.asked)
	<-h.may
	return h.Source.Daemon()
}

func TestAnAnswerThatTakesLongDoesNotMakeTheEndFail(t *testing.T) {
	src := hesitant{viewtest.Sample(), make(chan struct{}), make(chan struct{})}
	path := filepath.Join(t.TempDir(), "weir.sock")
	s, err := Serve(Options{Socket: path}, src, &recorder{})
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error)
	go func() {
		_, err := Dial(path).Daemon(t.Context())
		failed <- err
	}()
	<-src.asked
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-failed; err == nil {
		t.Error("the client got an answer after all")
	}
	close(src.may)
}
