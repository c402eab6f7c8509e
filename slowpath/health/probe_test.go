package health

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weirlb/weir/conf"
)

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// listen starts a server that handles connections one after the other until the test ends.
func listen(t *testing.T, handle func(*net.TCPConn)) netip.AddrPort {
	t.Helper()
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(patience))
			handle(c)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// says reads a request and answers with text.
func says(text string) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			_, _ = io.WriteString(c, text)
		}
	}
}

func askOnce(t *testing.T, target Target) outcome {
	t.Helper()
	h := &target.Check
	h.Interval, h.Rise, h.Fall = time.Second, 1, 1
	if h.Timeout == 0 {
		h.Timeout = patience
	}
	p, err := newProbe(target, newStock())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := deadline(h.Timeout)
	defer cancel()
	o, hangUp := askServer(ctx, p)
	hangUp()
	return o
}

// ranges are single statuses as a configuration has them.
func ranges(statuses []int) (out []conf.StatusRange) {
	for _, s := range statuses {
		out = append(out, conf.StatusRange{First: s, Last: s})
	}
	return out
}

func deadline(timeout time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), timeout)
}

func TestHTTPVerdicts(t *testing.T) {
	cases := []struct {
		name, answer string
		status       []int
		want         verdict
		text         string // the outcome's, without the time it took
	}{
		{"200", "HTTP/1.1 200 OK\r\n\r\n", nil, pass, "200 OK"},
		{"HTTP/1.0", "HTTP/1.0 200 fine\r\n\r\n", nil, pass, "200 OK"},
		{"bare line feeds", "HTTP/1.1 204\n\n", nil, pass, "204 No Content"},
		{"redirect counts as it is", "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", nil, pass, "302 Found"},
		{"early hints come before", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", nil, pass, "200 OK"},
		{"404", "HTTP/1.1 404 Not Found\r\n\r\n", nil, fail, "404 Not Found"},
		{"503", "HTTP/1.1 503 \x1b[31mevil\r\n\r\n", nil, fail, "503 Service Unavailable"},
		{"status asked for", "HTTP/1.1 404 Not Found\r\n\r\n", []int{401, 404}, pass, "404 Not Found"},
		{"status not asked for", "HTTP/1.1 200 OK\r\n\r\n", []int{204}, fail, "200 OK"},
		{"status without a name", "HTTP/1.1 299 what\r\n\r\n", nil, pass, "299"},
		{"long body", "HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", 4*maxResponse), nil, pass, "200 OK"},
		{"silent close", "", nil, fail, "connection closed without a response"},
		{"half a line", "HTTP/1.1 2", nil, fail, "the answer is not HTTP"},
		{"ssh", "SSH-2.0-OpenSSH_9.2\r\n", nil, fail, "the answer is not HTTP"},
		{"status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", nil, fail, "the answer is not HTTP"},
		{"status of letters", "HTTP/1.1 abc OK\r\n\r\n", nil, fail, "the answer is not HTTP"},
		{"status 099", "HTTP/1.1 099 OK\r\n\r\n", nil, fail, "the answer is not HTTP"},
		{"endless line", strings.Repeat("x", 8<<10), nil, fail, "the answer is not HTTP"},
		{"endless interim responses", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", maxResponse/10), nil, fail,
			"the answer is not HTTP"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			at := listen(t, says(c.answer))
			o := askOnce(t, Target{Backend: at, Check: conf.Health{Type: "http", HTTP: conf.HTTPCheck{Status: ranges(c.status)}}})
			text, _, _ := strings.Cut(o.String(), " in ")
			if o.verdict != c.want || text != c.text {
				t.Errorf("got %d %q, want %d %q", o.verdict, o, c.want, c.text)
			}
		})
	}
}

func TestHTTPRequestAsSent(t *testing.T) {
	cases := []struct {
		name, backend string
		port          uint16
		check         conf.HTTPCheck
		line, host    string
	}{
		{"defaults", "10.0.0.1:8080", 0, conf.HTTPCheck{}, "GET / HTTP/1.1", "10.0.0.1:8080"},
		{"port 80", "10.0.0.1:80", 0, conf.HTTPCheck{}, "GET / HTTP/1.1", "10.0.0.1"},
		{"IPv6", "[2001:db8::1]:8080", 0, conf.HTTPCheck{}, "GET / HTTP/1.1", "[2001:db8::1]:8080"},
		{"link-local", "[fe80::1%eth0]:80", 0, conf.HTTPCheck{}, "GET / HTTP/1.1", "[fe80::1]"},
		{"port of the check", "10.0.0.1:80", 9000, conf.HTTPCheck{}, "GET / HTTP/1.1", "10.0.0.1:9000"},
		{"path and host", "10.0.0.1:80", 0, conf.HTTPCheck{Path: "/healthz?full=1", Host: "www.example.org"},
			"GET /healthz?full=1 HTTP/1.1", "www.example.org"},
		{"host of ten thousand eight", "10.0.0.1:1080", 0, conf.HTTPCheck{}, "GET / HTTP/1.1", "10.0.0.1:1080"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := conf.Health{Type: "http", Port: c.port, HTTP: c.check, Interval: 1, Timeout: 1, Rise: 1, Fall: 1}
			p, err := newProbe(Target{Backend: netip.MustParseAddrPort(c.backend), Check: h}, newStock())
			if err != nil {
				t.Fatal(err)
			}
			want := c.line + "\r\nHost: " + c.host + "\r\nUser-Agent: weir-health-check\r\nConnection: close\r\n\r\n"
			if got := string(p.kind.(*httpCheck).wire); got != want {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

func TestServerThatNeverAnswersIsATimeout(t *testing.T) {
	at := listen(t, func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) })
	o := askOnce(t, Target{Backend: at, Check: conf.Health{Type: "http", Timeout: 30 * time.Millisecond}})
	if want := "timeout after 30ms waiting for an HTTP response"; o.verdict != fail || o.String() != want {
		t.Errorf("got %d %q, want %q", o.verdict, o, want)
	}
}

func TestNoConnectionInTimeIsATimeout(t *testing.T) {
	p, err := newProbe(Target{Backend: listen(t, func(*net.TCPConn) {}),
		Check: conf.Health{Type: "tcp", Interval: 1, Timeout: time.Second, Rise: 1, Fall: 1}}, newStock())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithDeadline(context.Background(), time.Now())
	defer cancel()
	o, _ := askServer(ctx, p)
	if want := "timeout after 1s connecting"; o.verdict != fail || o.String() != want {
		t.Errorf("got %d %q, want %q", o.verdict, o, want)
	}
}

func TestNobodyListensIsRefused(t *testing.T) {
	for _, kind := range []conf.Check{"tcp", "http"} {
		o := askOnce(t, Target{Backend: closedPort(t), Check: conf.Health{Type: kind}})
		if o.verdict != fail || o.String() != "connection refused" {
			t.Errorf("%s: got %d %q", kind, o.verdict, o)
		}
	}
}

// closedPort returns a port of this machine that was just free.
func closedPort(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// A real server's log stays quiet when every read ends in EOF; a reset would be logged.
func TestServerSeesAnOrderlyEnd(t *testing.T) {
	cases := []struct {
		name  string
		kind  conf.Check
		first func(*net.TCPConn) // what the server does before it reads to the end
	}{
		{"tcp", "tcp", func(*net.TCPConn) {}},
		{"tcp with a banner nobody reads", "tcp", func(c *net.TCPConn) { _, _ = io.WriteString(c, "220 mail\r\n") }},
		{"http with a body nobody reads", "http", func(c *net.TCPConn) {
			says("HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", maxResponse/2))(c)
			_ = c.CloseWrite()
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			end := make(chan error, 1)
			at := listen(t, func(conn *net.TCPConn) {
				c.first(conn)
				_, err := io.Copy(io.Discard, conn)
				end <- err
			})
			o := askOnce(t, Target{Backend: at, Check: conf.Health{Type: c.kind}})
			if o.verdict != pass {
				t.Errorf("the check failed: %v", o)
			}
			if err := <-end; err != nil {
				t.Errorf("the server met %v, want an end of stream", err)
			}
		})
	}
}

func TestCheckLeavesFromTheGivenAddressAndInterface(t *testing.T) {
	from := make(chan netip.Addr, 1)
	at := listen(t, func(c *net.TCPConn) { from <- c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr() })
	source := netip.MustParseAddr("127.0.0.77")
	o := askOnce(t, Target{Backend: at, Interface: "lo", Check: conf.Health{Type: "tcp", Source: source}})
	if o.verdict != pass {
		t.Fatalf("the check failed: %v", o)
	}
	if got := <-from; got != source {
		t.Errorf("the server saw %v", got)
	}
}

func TestTroubleOfThisMachineIsNotTheBackends(t *testing.T) {
	at := listen(t, func(*net.TCPConn) {})
	cases := []struct {
		name   string
		target Target
		want   string
	}{
		{"no such interface", Target{Interface: "weir-none"},
			"not checked: the interface to check through does not exist"},
		{"not an own address", Target{Check: conf.Health{Source: netip.MustParseAddr("192.0.2.1")}},
			"not checked: no local address and port to check from"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.target.Backend, c.target.Check.Type = at, "tcp"
			if o := askOnce(t, c.target); o.verdict != inconclusive || o.String() != c.want {
				t.Errorf("got %d %q, want %q", o.verdict, o, c.want)
			}
		})
	}
}

func TestErrorsInWords(t *testing.T) {
	p := &probe{Target: Target{Check: conf.Health{Timeout: time.Second}}}
	cases := map[string]error{
		"timeout after 1s connecting": fmt.Errorf("dial: %w", os.ErrDeadlineExceeded),
		"something else":              errors.New("something else"),
	}
	for want, err := range cases {
		if o := p.failed(err, "connecting"); o.verdict != fail || o.String() != want {
			t.Errorf("%v: got %d %q, want %q", err, o.verdict, o, want)
		}
	}
	slow := outcome{verdict: pass, what: "connected", took: 1260 * time.Millisecond}
	if got := slow.String(); got != "connected in 1.3 s" {
		t.Errorf("got %q", got)
	}
}

func TestWhatCannotBeCheckedIsRefused(t *testing.T) {
	ok := Target{Service: "web", Backend: backend, Check: check()}
	ok.Check.Type = "http"
	cases := []struct {
		name   string
		change func(*Target)
		want   string
	}{
		{"unknown type", func(t *Target) { t.Check.Type = "smtp" }, `type "smtp" is unknown`},
		{"no interval", func(t *Target) { t.Check.Interval = 0 }, "must be above 0"},
		{"negative timeout", func(t *Target) { t.Check.Timeout = -1 }, "must be above 0"},
		{"no fall", func(t *Target) { t.Check.Fall = 0 }, "must be above 0"},
		{"no port", func(t *Target) { t.Backend = netip.AddrPortFrom(backend.Addr(), 0) }, "no address and port"},
		{"no address", func(t *Target) { t.Backend = netip.AddrPort{} }, "no address and port"},
		{"source of the other family", func(t *Target) { t.Check.Source = netip.IPv6Loopback() }, "other IP version"},
		{"path of another host", func(t *Target) { t.Check.HTTP.Path = "//evil/" }, "not a path"},
		{"relative path", func(t *Target) { t.Check.HTTP.Path = "healthz" }, "not a path"},
		{"path with a header in it", func(t *Target) { t.Check.HTTP.Path = "/ HTTP/1.1\r\nX: y" }, "not a path"},
		{"host with a header in it", func(t *Target) { t.Check.HTTP.Host = "a\r\nX: y" }, "host"},
		{"host with a path", func(t *Target) { t.Check.HTTP.Host = "a/b" }, "more than a host"},
	}
	m := New(func(Event) {})
	defer m.Close()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			bad := ok
			c.change(&bad)
			err := m.Set([]Target{ok, bad})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "service web") {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if err := m.Set([]Target{ok, ok}); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("twice the same: %v", err)
	}
	if n := len(m.Snapshot()); n != 0 {
		t.Errorf("%d targets of a refused Set are checked", n)
	}
}
