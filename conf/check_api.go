package conf

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// api checks that what the API needs to answer by TCP is there as a whole.
func (c *checker) api() {
	a, at := &c.cfg.API, c.root.field("api")
	listen := at.field("listen")
	for _, f := range []struct{ key, path, what string }{
		{"certificate", a.Certificate, "the certificate that Weir shows, a PEM file such as /etc/weir/api.pem"},
		{"key", a.Key, "its private key, a PEM file such as /etc/weir/api.key"},
		{"client_ca", a.ClientCA, "the certificate of who signs those of clients, a PEM file such as /etc/weir/clients.pem"},
	} {
		v := at.field(f.key)
		switch {
		case a.Listen != "" && !v.exists():
			v.errorf("is missing: api.listen answers only clients with a certificate, and needs %s", f.what)
		case !listen.exists() && v.exists():
			v.errorf("has a meaning only with api.listen: add that, or remove the key")
		}
		c.uses(v, f.path, false)
	}
	if a.Listen != "" && a.Listen == c.cfg.Metrics.Listen {
		listen.errorf("is metrics.listen too: choose another port")
	}
}

// Credentials reads the certificates of the API. The error names the key of the file that is wrong.
func (a *API) Credentials() (tls.Certificate, *x509.CertPool, error) {
	cert, err := tls.LoadX509KeyPair(a.Certificate, a.Key)
	if err != nil {
		return cert, nil, keyError{"certificate", fmt.Errorf("%s and the key %s are no pair that can be used: %w", a.Certificate, a.Key, err)}
	}
	pem, err := os.ReadFile(a.ClientCA)
	if err != nil {
		return cert, nil, keyError{"client_ca", err}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return cert, nil, keyError{"client_ca", fmt.Errorf("%s has no certificate in it, in PEM", a.ClientCA)}
	}
	return cert, pool, nil
}

// keyError is about a key of the section api.
type keyError struct {
	key string
	err error
}

func (e keyError) Error() string { return "api." + e.key + ": " + e.err.Error() }
func (e keyError) Unwrap() error { return e.err }

// checkCredentials looks into the API's files, which are there.
func (c *Config) checkCredentials(p *problems) {
	if c.API.Listen == "" {
		return
	}
	_, _, err := c.API.Credentials()
	var at keyError
	if !errors.As(err, &at) {
		return
	}
	e := Error{File: c.File, Key: "api." + at.key, Msg: at.err.Error()}
	for _, f := range c.Files {
		if f.Key == e.Key {
			e.Line = f.Line
		}
	}
	p.add(e)
}
