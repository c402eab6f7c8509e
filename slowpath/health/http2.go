package health

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/http2"
)

// http2Client makes one request over a connection of its own: HTTP/2 from the first byte (RFC 9113 section 3.3), over
// TLS if that is not nil.
type http2Client struct {
	request *http.Request
	tls     *tlsClient
}

// overHTTP2 makes connections of what is dialled here; it has none of its own.
var overHTTP2 = &http2.Transport{DisableCompression: true, MaxHeaderListSize: maxResponse}

func newHTTP2Client(p *probe, with *stock) (*http2Client, error) {
	c, scheme := &http2Client{}, "http"
	var err error
	if p.Check.TLS.On {
		scheme = "https"
		if c.tls, err = newTLSClient(p, with, "h2"); err != nil {
			return nil, err
		}
	}
	c.request, err = newRequest(p, scheme)
	return c, err
}

// do makes the request with a body that may be nil. The response is there for as long as hangUp was not called.
func (c *http2Client) do(ctx context.Context, p *probe, body func() io.ReadCloser) (r *http.Response, failure outcome, hangUp func()) {
	conn, err := p.connect(ctx)
	if err != nil {
		return nil, p.failed(err, "connecting"), nothing
	}
	stream := net.Conn(conn.TCPConn)
	if c.tls != nil {
		secure, err := c.tls.handshake(ctx, conn)
		if err != nil {
			return nil, p.failed(err, "in the TLS handshake"), func() { conn.hangUp(true) }
		}
		if got := secure.ConnectionState().NegotiatedProtocol; got != "h2" {
			return nil, failedFor("the server does not agree on HTTP/2 in the TLS handshake"), func() { conn.hangUp(true) }
		}
		stream = secure
	}
	client, err := overHTTP2.NewClientConn(stream)
	if err != nil {
		return nil, p.failed(http2Fault(err), "waiting for an HTTP/2 response"), func() { conn.hangUp(true) }
	}
	end := func() {
		conn.interrupt()
		_ = client.Close()
	}
	request := c.request.WithContext(ctx)
	if body != nil {
		request.Body = body()
	}
	r, err = client.RoundTrip(request)
	if err != nil {
		return nil, p.failed(http2Fault(err), "waiting for an HTTP/2 response"), end
	}
	return r, outcome{}, func() {
		_ = r.Body.Close()
		end()
	}
}

// http2Fault finds out whether the other side speaks something else.
func http2Fault(err error) error {
	var broken http2.ConnectionError
	if errors.As(err, &broken) || errors.Is(err, http2.ErrFrameTooLarge) {
		return errNotHTTP2
	}
	return err
}

// http2Check asks for a page.
type http2Check struct {
	client *http2Client
	want   page
}

func newHTTP2Check(p *probe, with *stock) (kind, error) {
	want, err := newPage(&p.Check.HTTP, with)
	if err != nil {
		return nil, err
	}
	client, err := newHTTP2Client(p, with)
	return &http2Check{client, want}, err
}

func (c *http2Check) ask(ctx context.Context, p *probe) (outcome, func()) {
	begun := time.Now()
	r, failure, hangUp := c.client.do(ctx, p, nil)
	if r == nil {
		return failure, hangUp
	}
	o, err := c.want.judge(r.StatusCode, time.Since(begun), func() ([]byte, error) {
		return io.ReadAll(io.LimitReader(r.Body, maxResponse))
	})
	if err != nil {
		return p.failed(http2Fault(err), "waiting for an HTTP/2 response"), hangUp
	}
	return o, hangUp
}
