package health

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirlb/weir/conf"
)

// authority signs certificates, and has them and itself in PEM files.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	ca   string // its own certificate's file
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.key = newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.ca = a.write("ca.pem", "CERTIFICATE", der)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) write(name, kind string, der []byte) (path string) {
	a.t.Helper()
	path = filepath.Join(a.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

// issue makes a certificate for a name that is valid until some time from now.
func (a *authority) issue(name string, validFor time.Duration) (pair tls.Certificate, certificate, key string) {
	a.t.Helper()
	k := newKey(a.t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(validFor),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, k.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	certificate, key = a.write(name+".pem", "CERTIFICATE", der), a.write(name+".key", "EC PRIVATE KEY", keyDER)
	pair, err = tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		a.t.Fatal(err)
	}
	return pair, certificate, key
}

// serveTLS answers HTTP over TLS until the test ends.
func serveTLS(t *testing.T, config *tls.Config, handler http.HandlerFunc) netip.AddrPort {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, l, &http.Server{Handler: handler})
}

// serve runs an HTTP server until the test ends.
func serve(t *testing.T, l net.Listener, s *http.Server) netip.AddrPort {
	t.Helper()
	s.ErrorLog = quiet
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func expectOutcome(t *testing.T, o outcome, want verdict, text string) {
	t.Helper()
	got := o.String()
	if before, after, ok := strings.Cut(got, " ms"); ok { // the time it took is anything
		got = before[:strings.LastIndex(before, " in ")] + after
	}
	if o.verdict != want || got != text {
		t.Errorf("got %d %q, want %d %q", o.verdict, o, want, text)
	}
}

func TestHTTPSVerdicts(t *testing.T) {
	a := newAuthority(t)
	good, _, _ := a.issue("www.example.com", time.Hour)
	expired, _, _ := a.issue("old.example.com", -time.Hour)
	page := func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "ok for "+r.Host) }
	at := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{good}}, page)
	old := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{expired}}, page)
	plain := listen(t, func(c *net.TCPConn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") })
	verified := conf.TLSCheck{Verify: true, CA: a.ca, SNI: "www.example.com"}
	for _, c := range []struct {
		name string
		at   netip.AddrPort
		tls  conf.TLSCheck
		http conf.HTTPCheck
		want verdict
		text string
	}{
		{"nobody looks at the certificate", at, conf.TLSCheck{}, conf.HTTPCheck{}, pass, "200 OK"},
		{"valid for the name", at, verified, conf.HTTPCheck{}, pass, "200 OK"},
		{"valid for the Host header", at, conf.TLSCheck{Verify: true, CA: a.ca}, conf.HTTPCheck{Host: "www.example.com:8443"}, pass, "200 OK"},
		{"body that is read through TLS", at, verified, conf.HTTPCheck{Body: "^ok for"}, pass, "200 OK"},
		{"status", at, verified, conf.HTTPCheck{Status: []conf.StatusRange{{First: 201, Last: 299}}}, fail, "200 OK, expected 201-299"},
		{"not for the address", at, conf.TLSCheck{Verify: true, CA: a.ca}, conf.HTTPCheck{}, fail, "the certificate is not for 127.0.0.1"},
		{"signed by nobody known", at, conf.TLSCheck{Verify: true, SNI: "www.example.com"}, conf.HTTPCheck{}, fail,
			"the certificate is signed by nobody that is trusted"},
		{"no TLS", plain, conf.TLSCheck{}, conf.HTTPCheck{}, fail, "the answer is not TLS"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := askOnce(t, Target{Backend: c.at, Check: conf.Health{Type: conf.CheckHTTPS, TLS: c.tls, HTTP: c.http}})
			expectOutcome(t, o, c.want, c.text)
		})
	}
	o := askOnce(t, Target{Backend: old, Check: conf.Health{Type: conf.CheckHTTPS, TLS: conf.TLSCheck{Verify: true, CA: a.ca, SNI: "old.example.com"}}})
	if o.verdict != fail || !strings.HasPrefix(o.String(), "the certificate is valid from ") {
		t.Errorf("expired: got %d %q", o.verdict, o)
	}
}

func TestTLSCheckNeedsOnlyAHandshake(t *testing.T) {
	a := newAuthority(t)
	pair, _, _ := a.issue("mail.example.com", time.Hour)
	names := make(chan string, 1)
	at := serveTLS(t, &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		names <- hello.ServerName
		return &pair, nil
	}}, nil)
	o := askOnce(t, Target{Backend: at, Check: conf.Health{Type: conf.CheckTLS, TLS: conf.TLSCheck{SNI: "mail.example.com"}}})
	expectOutcome(t, o, pass, "TLS 1.3 handshake")
	if got := <-names; got != "mail.example.com" {
		t.Errorf("the server was asked for %q", got)
	}
	closing := listen(t, func(*net.TCPConn) {})
	o = askOnce(t, Target{Backend: closing, Check: conf.Health{Type: conf.CheckTLS}})
	if o.verdict != fail || !strings.HasPrefix(o.String(), "connection ") {
		t.Errorf("a server that hangs up: %d %q", o.verdict, o)
	}
}

func TestServerThatWantsAClientCertificate(t *testing.T) {
	a := newAuthority(t)
	pair, _, _ := a.issue("www.example.com", time.Hour)
	_, certificate, key := a.issue("check.example.com", time.Hour)
	clients := x509.NewCertPool()
	clients.AddCert(a.cert)
	at := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients},
		func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
		})
	health := conf.Health{Type: conf.CheckHTTPS, HTTP: conf.HTTPCheck{Body: `^check\.example\.com$`}}
	o := askOnce(t, Target{Backend: at, Check: health})
	expectOutcome(t, o, fail, "the server ended the handshake: certificate required")
	health.TLS = conf.TLSCheck{Certificate: certificate, Key: key}
	expectOutcome(t, askOnce(t, Target{Backend: at, Check: health}), pass, "200 OK")
}

func TestFilesOfACheckThatAreNotAsTheyShouldBe(t *testing.T) {
	a := newAuthority(t)
	_, certificate, key := a.issue("check.example.com", time.Hour)
	_, _, otherKey := a.issue("other.example.com", time.Hour)
	m := New(func(Event) {})
	defer m.Close()
	for _, c := range []struct {
		name string
		tls  conf.TLSCheck
		want string
	}{
		{"no such file", conf.TLSCheck{Verify: true, CA: "/nonexistent/ca.pem"}, "ca: open /nonexistent/ca.pem: no such file"},
		{"no certificate", conf.TLSCheck{Verify: true, CA: key}, "ca: there is no PEM certificate in " + key},
		{"key of another", conf.TLSCheck{Certificate: certificate, Key: otherKey}, "certificate " + certificate + " with key " + otherKey},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := quick(conf.CheckTLS)
			h.TLS = c.tls
			err := m.Set([]Target{{Service: "web", Backend: backend, Check: h}})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestRenewedCertificateMakesAnotherCheck(t *testing.T) {
	a := newAuthority(t)
	_, certificate, key := a.issue("check.example.com", time.Hour)
	target := Target{Backend: backend, Check: quick(conf.CheckTLS)}
	target.Check.TLS = conf.TLSCheck{Certificate: certificate, Key: key}
	make := func() *probe {
		p, err := newProbe(target, newStock())
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	before := make()
	if !before.sameCheck(make()) {
		t.Error("the same files make another check")
	}
	a.issue("check.example.com", 2*time.Hour)
	if before.sameCheck(make()) {
		t.Error("the check with the old certificate goes on")
	}
}
