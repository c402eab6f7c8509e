package health

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weirlb/weir/conf"
)

// serveH2C answers HTTP/2 over plain TCP until the test ends.
func serveH2C(t *testing.T, handler http.HandlerFunc) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: handler, Protocols: new(http.Protocols)}
	s.Protocols.SetUnencryptedHTTP2(true)
	return serve(t, l, s)
}

func TestHTTP2Verdicts(t *testing.T) {
	page := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/sick" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = io.WriteString(w, r.Proto+" "+r.Host)
	}
	at := serveH2C(t, page)
	for _, c := range []struct {
		name string
		at   netip.AddrPort
		http conf.HTTPCheck
		want verdict
		text string
	}{
		{"well", at, conf.HTTPCheck{Path: "/"}, pass, "200 OK"},
		{"sick", at, conf.HTTPCheck{Path: "/sick"}, fail, "503 Service Unavailable, expected 200-399"},
		{"body", at, conf.HTTPCheck{Host: "www.example.com", Body: `^HTTP/2\.0 www\.example\.com$`}, pass, "200 OK"},
		{"another body", at, conf.HTTPCheck{Body: "HTTP/1"}, fail, `200 OK, but its body does not match "HTTP/1"`},
		{"HTTP/1.1", listen(t, func(c *net.TCPConn) {
			_, _ = io.CopyN(io.Discard, c, 24)
			_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
		}), conf.HTTPCheck{}, fail, "the answer is not HTTP/2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := askOnce(t, Target{Backend: c.at, Check: conf.Health{Type: conf.CheckHTTP2, HTTP: c.http}})
			expectOutcome(t, o, c.want, c.text)
		})
	}
	o := askOnce(t, Target{Backend: closedPort(t), Check: conf.Health{Type: conf.CheckHTTP2}})
	expectOutcome(t, o, fail, "connection refused")
}

func TestHTTP2OverTLS(t *testing.T) {
	a := newAuthority(t)
	pair, _, _ := a.issue("www.example.com", time.Hour)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
	})}
	s.Protocols.SetHTTP2(true)
	config := &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2"}}
	s.TLSConfig = config
	at := serve(t, tls.NewListener(l, config), s)
	health := conf.Health{
		Type: conf.CheckHTTP2, HTTP: conf.HTTPCheck{Body: `^HTTP/2\.0$`},
		TLS: conf.TLSCheck{On: true, Verify: true, CA: a.ca, SNI: "www.example.com"},
	}
	expectOutcome(t, askOnce(t, Target{Backend: at, Check: health}), pass, "200 OK")
	old := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}}, func(http.ResponseWriter, *http.Request) {})
	o := askOnce(t, Target{Backend: old, Check: health})
	if o.verdict != fail || !strings.Contains(o.String(), "handshake") {
		t.Errorf("a server of HTTP/1.1: %d %q", o.verdict, o)
	}
}

// healthServer answers grpc.health.v1.Health/Check with a status by the name of the service, as any gRPC library does.
func healthServer(status map[string]byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		message, _ := io.ReadAll(r.Body)
		if r.URL.Path != "/grpc.health.v1.Health/Check" || r.Header.Get("Te") != "trailers" || len(message) < 5 {
			w.Header().Set("Grpc-Status", "12")
			return
		}
		service := ""
		if len(message) > 5 {
			service = string(message[7:])
		}
		s, ok := status[service]
		if !ok {
			w.Header().Set("Grpc-Status", "5") // a response without a message
			return
		}
		w.Header().Set("Trailer", "Grpc-Status")
		_, _ = w.Write(append(binary.BigEndian.AppendUint32([]byte{0}, 2), 8, s))
		w.Header().Set("Grpc-Status", "0")
	}
}

func TestGRPCVerdicts(t *testing.T) {
	at := serveH2C(t, healthServer(map[string]byte{"": 1, "shop.v1.Orders": 1, "sick": 2, "odd": 77}))
	other := serveH2C(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	web := serveH2C(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") })
	for _, c := range []struct {
		name, service string
		at            netip.AddrPort
		want          verdict
		text          string
	}{
		{"server", "", at, pass, "SERVING"},
		{"service", "shop.v1.Orders", at, pass, "SERVING"},
		{"service that is sick", "sick", at, fail, "NOT_SERVING, expected SERVING"},
		{"status that nobody knows", "odd", at, fail, "status 77, expected SERVING"},
		{"service that is not there", "none", at, fail, "gRPC status 5 NOT_FOUND, expected SERVING"},
		{"HTTP/2 without gRPC", "", other, fail, "404 Not Found, expected 200"},
		{"page", "", web, fail, "the answer is not gRPC: it has no grpc-status"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := askOnce(t, Target{Backend: c.at, Check: conf.Health{Type: conf.CheckGRPC, GRPC: c.service}})
			expectOutcome(t, o, c.want, c.text)
		})
	}
}

func TestServerThatNeverSpeaksHTTP2IsATimeout(t *testing.T) {
	at := listen(t, func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) })
	o := askOnce(t, Target{Backend: at, Check: conf.Health{Type: conf.CheckGRPC, Timeout: 50 * time.Millisecond}})
	expectOutcome(t, o, fail, "timeout after 50ms waiting for an HTTP/2 response")
}

func TestHealthCheckResponsesAreReadWithCare(t *testing.T) {
	for _, c := range []struct {
		name, message string
		want          uint64
		bad           bool
	}{
		{"serving", "\x00\x00\x00\x00\x02\x08\x01", 1, false},
		{"empty", "\x00\x00\x00\x00\x00", 0, false},
		{"with a field of a later version", "\x00\x00\x00\x00\x06\x12\x02xy\x08\x02", 2, false},
		{"without a prefix", "\x08\x01", 0, true},
		{"compressed", "\x01\x00\x00\x00\x02\x08\x01", 0, true},
		{"longer than it says", "\x00\x00\x00\x00\x02\x08\x01\x01", 0, true},
		{"text longer than the message", "\x00\x00\x00\x00\x02\x12\xff", 0, true},
		{"field without a value", "\x00\x00\x00\x00\x01\x08", 0, true},
		{"field of a type that is none", "\x00\x00\x00\x00\x02\x0f\x01", 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := healthStatus([]byte(c.message))
			if got != c.want || (err != nil) != c.bad {
				t.Errorf("got %d, %v", got, err)
			}
		})
	}
}
