package health

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"regexp"
)

// stock is what the probes of one Set share, read and made once: a service may have thousands of backends.
type stock struct {
	files    map[string][]byte
	pools    map[string]*x509.CertPool
	pairs    map[[2]string]*tls.Certificate
	patterns map[string]*regexp.Regexp
}

func newStock() *stock {
	return &stock{
		files: map[string][]byte{}, pools: map[string]*x509.CertPool{},
		pairs: map[[2]string]*tls.Certificate{}, patterns: map[string]*regexp.Regexp{},
	}
}

// pattern returns a regular expression; key is the configuration's, for the error.
func (s *stock) pattern(key, text string) (*regexp.Regexp, error) {
	if r, ok := s.patterns[text]; ok {
		return r, nil
	}
	r, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("%s is no regular expression: %w", key, err)
	}
	s.patterns[text] = r
	return r, nil
}

// pool returns the certificates of a PEM file.
func (s *stock) pool(path string) (*x509.CertPool, error) {
	if p, ok := s.pools[path]; ok {
		return p, nil
	}
	pem, err := s.file("ca", path)
	if err != nil {
		return nil, err
	}
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca: there is no PEM certificate in %s", path)
	}
	s.pools[path] = p
	return p, nil
}

// pair returns the certificate and key of two PEM files.
func (s *stock) pair(certificate, key string) (*tls.Certificate, error) {
	at := [2]string{certificate, key}
	if p, ok := s.pairs[at]; ok {
		return p, nil
	}
	c, err := s.file("certificate", certificate)
	if err != nil {
		return nil, err
	}
	k, err := s.file("key", key)
	if err != nil {
		return nil, err
	}
	p, err := tls.X509KeyPair(c, k)
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", certificate, key, err)
	}
	s.pairs[at] = &p
	return &p, nil
}

const maxPEM = 1 << 20

// file reads a small file.
func (s *stock) file(key, path string) ([]byte, error) {
	if data, ok := s.files[path]; ok {
		return data, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxPEM+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	if len(data) > maxPEM {
		return nil, fmt.Errorf("%s: %s is larger than %d KiB", key, path, maxPEM>>10)
	}
	s.files[path] = data
	return data, nil
}

// contents is what is in those files of a check that are named.
func (s *stock) contents(paths ...string) (all [][]byte) {
	for _, p := range paths {
		all = append(all, s.files[p])
	}
	return all
}
