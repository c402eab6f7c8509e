package health

import (
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/weirlb/weir/conf"
)

var quiet = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)

func TestBodyVerdicts(t *testing.T) {
	long := strings.Repeat("x", maxResponse)
	for _, c := range []struct {
		name, answer, body string
		want               verdict
		text               string
	}{
		{"part of it", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nall is ok", "ok", pass, "200 OK"},
		{"all of it", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "^ok$", pass, "200 OK"},
		{"in chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n", "^ok$", pass, "200 OK"},
		{"until the end of the connection", "HTTP/1.0 200 OK\r\n\r\nok", "^ok$", pass, "200 OK"},
		{"another", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsick", "ok", fail, `200 OK, but its body does not match "ok"`},
		{"none", "HTTP/1.1 204 No Content\r\n\r\n", "ok", fail, `204 No Content, but its body does not match "ok"`},
		{"the right one with a wrong status", "HTTP/1.1 500 X\r\nContent-Length: 2\r\n\r\nok", "ok", fail, "500 Internal Server Error, expected 200-399"},
		{"cut short", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", "^ok", pass, "200 OK"},
		{"at the beginning of a long one", "HTTP/1.1 200 OK\r\n\r\nok" + long, "^ok", pass, "200 OK"},
		{"at the end of a long one", "HTTP/1.1 200 OK\r\n\r\n" + long + "ok", "ok$", fail, `200 OK, but its body does not match "ok$"`},
		{"behind headers that are none", "HTTP/1.1 200 OK\r\nwhat\r\n\r\nok", "ok", fail, "the answer is not HTTP"},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := listen(t, says(c.answer))
			o := askOnce(t, Target{Backend: at, Check: conf.Health{Type: conf.CheckHTTP, HTTP: conf.HTTPCheck{Body: c.body}}})
			expectOutcome(t, o, c.want, c.text)
		})
	}
}

func TestBodyThatNeverComesIsATimeout(t *testing.T) {
	at := listen(t, func(c *net.TCPConn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
		_, _ = io.Copy(io.Discard, c)
	})
	o := askOnce(t, Target{Backend: at, Check: conf.Health{Type: conf.CheckHTTP, Timeout: 50 * time.Millisecond, HTTP: conf.HTTPCheck{Body: "ok"}}})
	expectOutcome(t, o, fail, "timeout after 50ms waiting for an HTTP response")
}

func TestMethodAsSent(t *testing.T) {
	for method, want := range map[string]string{"HEAD": "HEAD / HTTP/1.1", "OPTIONS": "OPTIONS / HTTP/1.1", "POST": "POST / HTTP/1.1"} {
		h := quick(conf.CheckHTTP)
		h.HTTP.Method = method
		p, err := newProbe(Target{Backend: backend, Check: h}, newStock())
		if err != nil {
			t.Fatal(err)
		}
		line, rest, _ := strings.Cut(string(p.kind.(*httpCheck).wire), "\r\n")
		if line != want || method == "POST" && !strings.Contains(rest, "Content-Length: 0\r\n") {
			t.Errorf("got %q, %q", line, rest)
		}
	}
}
