package health

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/weirlb/weir/conf"
)

// httpCheck asks for a page with HTTP/1.1, over TLS if that is not nil.
type httpCheck struct {
	want    page
	request *http.Request
	wire    []byte // the request as it is sent
	tls     *tlsClient
}

// page is what makes an answer healthy.
type page struct {
	status []conf.StatusRange
	body   *regexp.Regexp // nil: any
	wanted string         // the statuses in words
}

func newPage(c *conf.HTTPCheck, with *stock) (page, error) {
	p := page{status: c.Status}
	if len(p.status) == 0 {
		p.status = []conf.StatusRange{{First: 200, Last: 399}}
	}
	words := make([]string, len(p.status))
	for i, r := range p.status {
		words[i] = r.String()
	}
	p.wanted = strings.Join(words, ", ")
	if c.Body == "" {
		return p, nil
	}
	var err error
	p.body, err = with.pattern("body", c.Body)
	return p, err
}

// judge looks at a status and at a body, which is only read if that matters.
func (g *page) judge(status int, took time.Duration, body func() ([]byte, error)) (outcome, error) {
	o := outcome{verdict: fail, status: status, took: took}
	healthy := false
	for _, r := range g.status {
		healthy = healthy || r.First <= status && status <= r.Last
	}
	if !healthy {
		o.wanted = g.wanted
		return o, nil
	}
	if g.body != nil {
		text, err := body()
		if !g.body.Match(text) {
			o.cause = fmt.Sprintf("its body does not match %q", g.body)
			if len(text) == maxResponse {
				o.cause = fmt.Sprintf("the first %d KiB of its body do not match %q", maxResponse>>10, g.body)
			}
			return o, err
		}
	}
	o.verdict = pass
	return o, nil
}

func newHTTPCheck(p *probe, with *stock) (kind, error) {
	c := &httpCheck{}
	var err error
	if c.want, err = newPage(&p.Check.HTTP, with); err != nil {
		return nil, err
	}
	scheme := "http"
	if p.Check.Type == conf.CheckHTTPS {
		scheme = "https"
		if c.tls, err = newTLSClient(p, with, "http/1.1"); err != nil {
			return nil, err
		}
	}
	if c.request, err = newRequest(p, scheme); err != nil {
		return nil, err
	}
	c.request.Close = true
	var b bytes.Buffer
	if err := c.request.Write(&b); err != nil {
		return nil, err
	}
	c.wire = b.Bytes()
	return c, nil
}

// newRequest is the request of a probe, for its scheme's default port.
func newRequest(p *probe, scheme string) (*http.Request, error) {
	host, path, method := p.Check.HTTP.Host, p.Check.HTTP.Path, p.Check.HTTP.Method
	if host == "" {
		host = hostOf(p.remote, scheme)
	}
	if path == "" {
		path = "/"
	}
	r, err := http.NewRequest(method, scheme+"://"+host, nil)
	if err == nil && r.URL.Host != host {
		err = errors.New("it is more than a host and a port")
	}
	if err != nil {
		return nil, fmt.Errorf("host %q: %w", host, err)
	}
	if r.URL, err = r.URL.Parse(path); err != nil || path[0] != '/' || r.URL.Host != host {
		return nil, fmt.Errorf("path %q is not a path of a URL: it must begin with one /", path)
	}
	r.Header.Set("User-Agent", "weir-health-check")
	return r, nil
}

// hostOf is the Host header of a backend without a name; the scheme's own port goes without saying.
func hostOf(a netip.AddrPort, scheme string) string {
	host := netip.AddrPortFrom(a.Addr().WithZone(""), a.Port()).String()
	if scheme == "https" {
		return strings.TrimSuffix(host, ":443")
	}
	return strings.TrimSuffix(host, ":80")
}

func (c *httpCheck) ask(ctx context.Context, p *probe) (outcome, func()) {
	begun := time.Now()
	conn, err := p.connect(ctx)
	if err != nil {
		return p.failed(err, "connecting"), nothing
	}
	hangUp := func() { conn.hangUp(false) }
	stream := net.Conn(conn)
	if c.tls != nil {
		secure, err := c.tls.handshake(ctx, conn)
		if err != nil {
			return p.failed(err, "in the TLS handshake"), hangUp
		}
		stream = secure
		hangUp = func() {
			_ = secure.CloseWrite()
			conn.hangUp(false)
		}
	}
	o, err := c.get(stream, begun)
	if err != nil {
		return p.failed(err, "waiting for an HTTP response"), hangUp
	}
	return o, hangUp
}

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}

// get sends the request and judges the answer. A redirect is a status like any other.
func (c *httpCheck) get(conn net.Conn, begun time.Time) (o outcome, err error) {
	if _, err := conn.Write(c.wire); err != nil {
		return o, err
	}
	r := readers.Get().(*bufio.Reader)
	defer readers.Put(r)
	r.Reset(io.LimitReader(conn, maxResponse))
	defer r.Reset(nil)
	for {
		status, err := readStatus(r)
		if err != nil {
			return o, err
		}
		if status >= 200 {
			return c.want.judge(status, time.Since(begun), func() ([]byte, error) { return c.body(r) })
		}
		if err := skipHeaders(r); err != nil { // of an interim response, such as 103 Early Hints
			return o, err
		}
	}
}

// body reads the headers and the body that follow a status line.
func (c *httpCheck) body(r *bufio.Reader) ([]byte, error) {
	// Which status it was matters here only in that a body may follow.
	answer, err := http.ReadResponse(bufio.NewReader(io.MultiReader(strings.NewReader("HTTP/1.1 200 OK\r\n"), r)), c.request)
	if err != nil {
		if timedOut(err) {
			return nil, err
		}
		return nil, errNotHTTP
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxResponse))
	if errors.Is(err, io.ErrUnexpectedEOF) { // as much as was read of a long one
		err = nil
	}
	return text, err
}

// readStatus reads a status line (RFC 9112 section 4): all of the response that matters to most checks.
func readStatus(r *bufio.Reader) (int, error) {
	line, err := readLine(r)
	if err != nil {
		return 0, err
	}
	rest, ok := bytes.CutPrefix(line, []byte("HTTP/1."))
	if !ok || len(rest) < 5 || rest[1] != ' ' || len(rest) > 5 && rest[5] != ' ' {
		return 0, errNotHTTP
	}
	status := 0
	for _, digit := range rest[2:5] {
		if digit < '0' || digit > '9' {
			return 0, errNotHTTP
		}
		status = status*10 + int(digit-'0')
	}
	if status < 100 {
		return 0, errNotHTTP
	}
	return status, nil
}

func skipHeaders(r *bufio.Reader) error {
	for {
		line, err := readLine(r)
		if err != nil || len(line) == 0 {
			return err
		}
	}
}

// readLine returns a line without its end, CR LF or a bare LF, valid until the next read.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	switch err {
	case nil:
		return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
	case io.EOF:
		if len(line) == 0 {
			return nil, io.EOF
		}
		return nil, errNotHTTP
	case bufio.ErrBufferFull:
		return nil, errNotHTTP
	}
	return nil, err
}
