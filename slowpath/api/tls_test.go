package api

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/weirlb/weir/slowpath/api/apitest"
	"github.com/weirlb/weir/slowpath/view/viewtest"
)

func mustURL(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// authority signs certificates.
type authority struct {
	*apitest.Authority
	t *testing.T
}

func newAuthority(t *testing.T) *authority { return &authority{apitest.NewAuthority(t), t} }

// credentials are a server's that trusts the clients of another authority.
func (a *authority) credentials(clients *authority) Credentials {
	a.t.Helper()
	pair, err := tls.LoadX509KeyPair(a.Issue("127.0.0.1"))
	if err != nil {
		a.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(clients.Certificate)
	return Credentials{pair, pool}
}

// client is one with a certificate of this authority's, who trusts servers of another's.
func (a *authority) client(server *Server, servers *authority) *Client {
	a.t.Helper()
	cert, key := a.Issue("alice")
	c, err := DialTLS("https://"+server.Address().String(), Identity{Certificate: cert, Key: key, CA: servers.Path})
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

func serveTLS(t *testing.T, c Credentials, ctl Controller) *Server {
	t.Helper()
	s, err := Serve(Options{Listen: "127.0.0.1:0", Credentials: c}, viewtest.Sample(), ctl)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestTheAPIAnswersByTCPWhoeverHasACertificate(t *testing.T) {
	servers, clients := newAuthority(t), newAuthority(t)
	by := &asker{}
	s := serveTLS(t, servers.credentials(clients), by)
	c := clients.client(s, servers)
	if d, err := c.Daemon(t.Context()); err != nil || d != viewtest.Sample().Process {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := c.Drain(t.Context(), Match{}, "web", v4, false); err != nil || by.name != "alice" {
		t.Errorf("%v, asked for by %q", err, by.name)
	}
}

// asker notes who asks.
type asker struct {
	recorder
	name string
}

func (a *asker) Drain(o ChangeOptions, _ string, _ netip.AddrPort, _ bool) ([]string, string, error) {
	a.name = o.By
	return nil, revision, nil
}

func TestClientsWithoutAProperCertificateAreRefused(t *testing.T) {
	servers, clients, others := newAuthority(t), newAuthority(t), newAuthority(t)
	s := serveTLS(t, servers.credentials(clients), &recorder{})
	if _, err := others.client(s, servers).Daemon(t.Context()); err == nil || !strings.Contains(err.Error(), "api.client_ca") {
		t.Errorf("with another's certificate: %v", err)
	}
	if _, err := clients.client(s, clients).Daemon(t.Context()); err == nil || !strings.Contains(err.Error(), "--cacert") {
		t.Errorf("with no trust in the server: %v", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(servers.Certificate)
	for name, config := range map[string]*tls.Config{
		"without a certificate": {RootCAs: pool},
		"with TLS 1.2":          {RootCAs: pool, MaxVersion: tls.VersionTLS12, Certificates: []tls.Certificate{clients.credentials(clients).Certificate}},
	} {
		tr := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
		resp, err := (&http.Client{Transport: tr}).Get("https://" + s.Address().String() + "/v1/daemon")
		if err == nil {
			resp.Body.Close()
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
}

func TestRenewedCertificatesAreUsedFromTheNextConnectionOn(t *testing.T) {
	servers, clients, newServers, newClients := newAuthority(t), newAuthority(t), newAuthority(t), newAuthority(t)
	s := serveTLS(t, servers.credentials(clients), &recorder{})
	if _, err := clients.client(s, servers).Daemon(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Renew(newServers.credentials(newClients))
	if _, err := newClients.client(s, newServers).Daemon(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := clients.client(s, newServers).Daemon(t.Context()); err == nil {
		t.Error("a client of the old authority is answered")
	}
}

func TestWhereAnAPICannotBeIsSaid(t *testing.T) {
	cert, key := newAuthority(t).Issue("x")
	for _, address := range []string{"", "127.0.0.1:9443", "http://127.0.0.1:9443", "https://", "https://a/v1"} {
		if _, err := DialTLS(address, Identity{Certificate: cert, Key: key}); err == nil || !strings.Contains(err.Error(), "https://HOST:PORT") {
			t.Errorf("%q: %v", address, err)
		}
	}
	for want, id := range map[string]Identity{
		"give it and its key": {Certificate: cert}, "reading the certificate": {Certificate: key, Key: cert}, "no certificate in it": {cert, key, key},
	} {
		if _, err := DialTLS("https://127.0.0.1:1", id); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestWhoAsksByTheSocketIsKnown(t *testing.T) {
	by := &asker{}
	path, _ := serve(t, viewtest.Sample(), by)
	if _, err := Dial(path).Drain(t.Context(), Match{}, "web", v4, false); err != nil || !strings.HasPrefix(by.name, "uid ") {
		t.Errorf("%v, %q", err, by.name)
	}
}
