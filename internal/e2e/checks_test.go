package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/weirlb/weir/internal/netnstest"
)

// kindsOfChecks are services of the same backend with a check of each kind, and what a check that passes says.
var kindsOfChecks = []struct{ name, health, well string }{
	{"tcp", "type: tcp", "connected in "},
	{"http", "type: http, path: /healthz, body: ^ok", "200 OK in "},
	{"https", "type: https, port: 8443, path: /guarded, host: rs1.example.com, verify: true, ca: CA, certificate: CERT, key: KEY", "200 OK in "},
	{"http2", "type: http2, port: 8443, path: /healthz, tls: true", "200 OK in "},
	{"h2c", "type: http2, port: 8082, path: /healthz", "200 OK in "},
	{"tls", "type: tls, port: 8443, sni: rs1.example.com", "TLS 1."},
	{"grpc", "type: grpc, port: 50051, grpc_service: shop.v1.Orders", "SERVING in "},
	{"udp", `type: udp, port: 7000, send: '\x01hello', expect: '^\x01hello$'`, "answered in "},
	{"dns", "type: dns, port: 5353, name: www.example.com", "NOERROR in "},
	{"ping", "type: ping", "echo reply in "},
	{"exec", `type: exec, command: [/bin/sh, -c, "curl -sf -m 1 http://$WEIR_ADDRESS:$WEIR_PORT/healthz"], timeout: 2s`, "exit status 0 (ok) in "},
}

// everyKind is a configuration with a service for each kind of check.
func (l *lab) everyKind() string {
	files := strings.NewReplacer("CA", l.file("rs1", "tls.crt"), "CERT", l.file("rs1", "tls.crt"), "KEY", l.file("rs1", "tls.key"))
	var b strings.Builder
	b.WriteString("services:\n")
	for i, k := range kindsOfChecks {
		health := files.Replace(k.health)
		if !strings.Contains(health, "timeout:") {
			health += ", timeout: 500ms"
		}
		fmt.Fprintf(&b, `  - {name: %s, address: "203.0.113.10:%d", protocol: tcp, mode: nat, backends: [{address: "10.0.0.11:8080"}],
     health: {%s, interval: 200ms, rise: 2, fall: 2}}
`, k.name, 8000+i, health)
	}
	return b.String()
}

// expectChecks waits until the backend of every service, or of some, is in a state, and its check says something.
func (d *daemon) expectChecks(state string, says func(kind string) string, kinds ...string) {
	d.t.Helper()
	for _, k := range kindsOfChecks {
		if len(kinds) > 0 && !strings.Contains(" "+strings.Join(kinds, " ")+" ", " "+k.name+" ") {
			continue
		}
		want, last := says(k.name), ""
		d.until(fmt.Sprintf("%s is %s and says %q", k.name, state, want), func() bool {
			r := d.row("backends", "service", k.name)
			if r == nil {
				return false
			}
			if now := fmt.Sprint(r["state"]); now != last {
				d.t.Logf("%s is %s: %s", k.name, now, r["health"])
				last = now
			}
			return r["state"] == state && strings.HasPrefix(r["health"].(string), want)
		})
	}
}

func well(kind string) string {
	for _, k := range kindsOfChecks {
		if k.name == kind {
			return k.well
		}
	}
	return ""
}

// sick is whether the servers of a test say so.
type sick struct{ atomic.Bool }

// selfSigned writes a certificate that is its own authority.
func selfSigned(t *testing.T, certificate, key, name string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// serveChecks makes rs1 answer every kind of check, until the test ends: nginx with TLS and a
// page for those with a client certificate, and servers of the test's own.
func (l *lab) serveChecks(t *testing.T) *sick {
	t.Helper()
	s := &sick{}
	selfSigned(t, l.file("rs1", "tls.crt"), l.file("rs1", "tls.key"), "rs1.example.com")
	more := "listen 8443 ssl http2;\nlisten 8082 http2;\nssl_certificate " + l.file("rs1", "tls.crt") + ";\nssl_certificate_key " + l.file("rs1", "tls.key") +
		";\nssl_client_certificate " + l.file("rs1", "tls.crt") + ";\nssl_verify_client optional;\n"
	page := "location = /healthz { return 200"
	guarded := "location = /guarded { if ($ssl_client_verify != SUCCESS) { return 403; } rewrite ^ /healthz last; }\n" + page
	l.editNginx(t, "rs1", page, more+guarded)
	t.Cleanup(func() { l.editNginx(t, "rs1", more+guarded, page) })

	health := netnstest.Listen(t, l.ns("rs1"), "10.0.0.11:50051")
	server := &http.Server{Handler: grpcHealth(s), Protocols: new(http.Protocols)}
	server.Protocols.SetUnencryptedHTTP2(true)
	go func() { _ = server.Serve(health) }()
	t.Cleanup(func() { _ = server.Close() })

	echo := netnstest.ListenPacket(t, l.ns("rs1"), "10.0.0.11:7000")
	go answerAll(echo, func(b []byte) []byte {
		if s.Load() {
			return []byte("sick")
		}
		return b
	})
	names := netnstest.ListenPacket(t, l.ns("rs1"), "10.0.0.11:5353")
	go answerAll(names, func(b []byte) []byte {
		var m dnsmessage.Message
		if m.Unpack(b) != nil {
			return nil
		}
		if m.Response = true; s.Load() {
			m.RCode = dnsmessage.RCodeServerFailure
		}
		out, _ := m.Pack()
		return out
	})
	return s
}

func answerAll(c net.PacketConn, reply func([]byte) []byte) {
	buf := make([]byte, 2048)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		_, _ = c.WriteTo(reply(buf[:n]), from)
	}
}

// grpcHealth is the service that gRPC's libraries bring along.
func grpcHealth(s *sick) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		status := byte(1)
		if s.Load() {
			status = 2
		}
		_, _ = w.Write([]byte{0, 0, 0, 0, 2, 8, status})
		w.Header().Set("Grpc-Status", "0")
	}
}

func TestChecksOfEveryKindSeeABackendGoAndComeBack(t *testing.T) {
	l := needLab(t)
	sick := l.serveChecks(t)
	d := l.start(t, "", l.everyKind())
	d.expectChecks("up", well)

	sick.Store(true)
	l.editNginx(t, "rs1", "/healthz { return 200", "/healthz { return 503")
	wrong := map[string]string{
		"http": "503 Service Unavailable in ", "https": "503 Service Unavailable in ", "http2": "503 Service Unavailable in ",
		"h2c": "503 Service Unavailable in ", "grpc": "NOT_SERVING in ", "udp": "answered in ", "dns": "SERVFAIL in ", "exec": "exit status 22",
	}
	d.expectChecks("down", func(kind string) string { return wrong[kind] }, "http", "https", "http2", "h2c", "grpc", "udp", "dns", "exec")
	d.expectChecks("up", well, "tcp", "tls", "ping")
	sick.Store(false)
	l.editNginx(t, "rs1", "/healthz { return 503", "/healthz { return 200")
	d.expectChecks("up", well)

	l.do(t, "router", "ip", "link", "set", "lan-rs1", "down")
	connected := false
	connect := func() { l.do(t, "router", "ip", "link", "set", "lan-rs1", "up") }
	t.Cleanup(func() {
		if !connected {
			connect()
		}
	})
	d.expectChecks("down", func(string) string { return "" })
	connect()
	connected = true
	d.expectChecks("up", well)
}

func TestSorryServerAnswersWhileNobodyElseDoes(t *testing.T) {
	l := needLab(t)
	config := `services:
  - name: web
    address: "203.0.113.10:80"
    protocol: tcp
    mode: nat
    ` + quickCheck + `
    sorry: "10.0.0.12:8080"
    backends: [{address: "10.0.0.11:8080"}]
`
	d := l.start(t, "", config)
	d.until("rs1 is up", func() bool { return d.state("10.0.0.11:8080") == "up" })
	const url = "http://203.0.113.10/"
	if got := l.servers(t, url, 3); got["rs1"] != 3 {
		t.Errorf("while all is well, served: %v", got)
	}
	l.editNginx(t, "rs1", "/healthz { return 200", "/healthz { return 503")
	healed := false
	heal := func() { l.editNginx(t, "rs1", "/healthz { return 503", "/healthz { return 200") }
	t.Cleanup(func() {
		if !healed {
			heal()
		}
	})
	d.until("the sorry server takes over", func() bool { return d.state("10.0.0.12:8080") == "sorry" })
	if got := l.servers(t, url, 3); got["rs2"] != 3 {
		t.Errorf("while rs1 is down, served: %v", got)
	}
	heal()
	healed = true
	d.until("the sorry server stands by", func() bool { return d.state("10.0.0.12:8080") == "standby" })
	if got := l.servers(t, url, 3); got["rs1"] != 3 {
		t.Errorf("with rs1 back, served: %v", got)
	}
}
