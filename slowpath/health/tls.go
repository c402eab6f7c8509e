package health

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"time"
)

// tlsClient makes handshakes, each a whole one: a session that is resumed would not show the certificate.
type tlsClient struct{ config *tls.Config }

// newTLSClient reads the files that the check names, and notes what is in them.
func newTLSClient(p *probe, with *stock, protocols ...string) (*tlsClient, error) {
	c := &p.Check.TLS
	config := &tls.Config{
		NextProtos: protocols,
		// What a check says is no secret for the time when quantum computers break X25519, and the key exchange that
		// holds out until then costs three times as much.
		CurvePreferences:       []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384},
		SessionTicketsDisabled: true,
	}
	config.ServerName = c.SNI
	if c.SNI == "" {
		config.ServerName = serverName(p)
	}
	config.InsecureSkipVerify = !c.Verify
	if c.Verify && c.CA != "" {
		var err error
		if config.RootCAs, err = with.pool(c.CA); err != nil {
			return nil, err
		}
	}
	if c.Certificate != "" {
		pair, err := with.pair(c.Certificate, c.Key)
		if err != nil {
			return nil, err
		}
		// Whatever authorities the server names: it can say itself what it does not like.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair, nil }
	}
	p.files = with.contents(c.CA, c.Certificate, c.Key)
	return &tlsClient{config}, nil
}

// serverName is whom the backend's certificate must be for: the host that is asked, or the backend's address, which
// is not sent as SNI (RFC 6066 section 3).
func serverName(p *probe) string {
	host := p.Check.HTTP.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if a, err := netip.ParseAddr(host); host != "" && err != nil {
		return host
	} else if err == nil {
		return a.String()
	}
	return p.remote.Addr().WithZone("").String()
}

func (c *tlsClient) handshake(ctx context.Context, conn connection) (*tls.Conn, error) {
	secure := tls.Client(conn.TCPConn, c.config)
	return secure, secure.HandshakeContext(ctx)
}

// tlsCheck passes if the backend completes a handshake.
type tlsCheck struct{ client *tlsClient }

func newTLSCheck(p *probe, with *stock) (kind, error) {
	client, err := newTLSClient(p, with)
	return tlsCheck{client}, err
}

func (c tlsCheck) ask(ctx context.Context, p *probe) (outcome, func()) {
	begun := time.Now()
	conn, err := p.connect(ctx)
	if err != nil {
		return p.failed(err, "connecting"), nothing
	}
	secure, err := c.client.handshake(ctx, conn)
	if err != nil {
		return p.failed(err, "in the TLS handshake"), func() { conn.hangUp(true) }
	}
	o := outcome{verdict: pass, what: tls.VersionName(secure.ConnectionState().Version) + " handshake", took: time.Since(begun)}
	return o, func() {
		_ = secure.CloseWrite()
		conn.hangUp(true)
	}
}
