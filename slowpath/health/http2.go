package health

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// http2Client makes one request over a connection of its own: HTTP/2 from the first byte (RFC 9113 section 3.3), over
// TLS if that is not nil. As nothing that it sends depends on the answer, it is all made beforehand; a client for any
// use does much that a single request has no need of (docs/decisions/0010-checks-speak-http2-by-hand.md).
type http2Client struct {
	wire []byte
	tls  *tlsClient
}

// stream is the number of the only request.
const stream = 1

// maxHTTP2Body is what a server may send before it waits for a window update (RFC 9113 section 6.9.2): a check needs no
// more.
const maxHTTP2Body = 1<<16 - 1

// newHTTP2Client makes what is sent for a request, with a body unless that is empty.
func newHTTP2Client(p *probe, with *stock, change func(*http.Request), body []byte) (*http2Client, error) {
	c, scheme := &http2Client{}, "http"
	var err error
	if p.Check.TLS.On {
		scheme = "https"
		if c.tls, err = newTLSClient(p, with, "h2"); err != nil {
			return nil, err
		}
	}
	r, err := newRequest(p, scheme)
	if err != nil {
		return nil, err
	}
	if change != nil {
		change(r)
	}
	c.wire, err = http2Bytes(r, body)
	return c, err
}

func http2Bytes(r *http.Request, body []byte) ([]byte, error) {
	var fields bytes.Buffer
	encoder := hpack.NewEncoder(&fields)
	write := func(name, value string) error {
		return encoder.WriteField(hpack.HeaderField{Name: name, Value: value})
	}
	err := errors.Join(write(":method", r.Method), write(":scheme", r.URL.Scheme), write(":authority", r.Host),
		write(":path", r.URL.RequestURI()))
	for name, values := range r.Header {
		err = errors.Join(err, write(strings.ToLower(name), values[0]))
	}
	var b bytes.Buffer
	b.WriteString(http2.ClientPreface)
	frames := http2.NewFramer(&b, nil)
	err = errors.Join(err,
		frames.WriteSettings(http2.Setting{ID: http2.SettingEnablePush, Val: 0}),
		frames.WriteHeaders(http2.HeadersFrameParam{
			StreamID: stream, BlockFragment: fields.Bytes(), EndHeaders: true, EndStream: len(body) == 0,
		}))
	if len(body) > 0 {
		err = errors.Join(err, frames.WriteData(stream, true, body))
	}
	return b.Bytes(), err
}

// answer is a response that was read to its end, or as far as a check reads.
type answer struct {
	status int
	header http.Header // and the trailer
	body   []byte
	frames int
}

// do makes the request. failure says why there is no answer.
func (c *http2Client) do(ctx context.Context, p *probe) (a answer, failure outcome, hangUp func()) {
	conn, err := p.connect(ctx)
	if err != nil {
		return a, p.failed(err, "connecting"), nothing
	}
	end := func() { conn.hangUp(true) }
	over := net.Conn(conn.TCPConn)
	if c.tls != nil {
		secure, err := c.tls.handshake(ctx, conn)
		if err != nil {
			return a, p.failed(err, "in the TLS handshake"), end
		}
		if secure.ConnectionState().NegotiatedProtocol != "h2" {
			return a, failedFor("the server does not agree on HTTP/2 in the TLS handshake"), end
		}
		over = secure
	}
	a, err = c.exchange(over)
	if err != nil {
		return answer{}, p.failed(err, "waiting for an HTTP/2 response"), end
	}
	return a, failure, end
}

// exchange sends the request and reads the answer.
func (c *http2Client) exchange(conn net.Conn) (a answer, err error) {
	if _, err := conn.Write(c.wire); err != nil {
		return a, err
	}
	in := readers.Get().(*bufio.Reader)
	defer readers.Put(in)
	in.Reset(conn)
	defer in.Reset(nil)
	if first, err := in.Peek(frameHeader); err != nil {
		if len(first) > 0 && err == io.EOF {
			err = errNotHTTP2
		}
		return a, err
	} else if http2.FrameType(first[3]) != http2.FrameSettings { // RFC 9113 section 3.4: a server begins with it
		return a, errNotHTTP2
	}
	frames := http2.NewFramer(conn, in)
	frames.SetReuseFrames()
	frames.SetMaxReadFrameSize(1 << 14) // the least there is; no more was allowed
	frames.ReadMetaHeaders = hpack.NewDecoder(4<<10, nil)
	frames.MaxHeaderListSize = maxResponse
	for {
		done, err := a.next(frames)
		if err != nil {
			return a, http2Fault(err)
		}
		if done {
			_ = frames.WriteGoAway(0, http2.ErrCodeNo, nil) // as everything that is written from here on: a courtesy
			return a, nil
		}
	}
}

const frameHeader = 9

// maxFrames bounds the frames of an answer: a server may send as many empty ones as it likes.
const maxFrames = 1000

// next takes one frame and reports whether the answer is complete.
func (a *answer) next(frames *http2.Framer) (done bool, err error) {
	frame, err := frames.ReadFrame()
	if a.frames++; err != nil {
		return false, err
	}
	if a.frames > maxFrames {
		return false, errNotHTTP2
	}
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			_ = frames.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			_ = frames.WritePing(true, f.Data)
		}
	case *http2.GoAwayFrame:
		if f.LastStreamID < stream {
			return false, errRefused
		}
	case *http2.RSTStreamFrame:
		return f.ErrCode == http2.ErrCodeNo, errorOf(f.ErrCode)
	case *http2.MetaHeadersFrame:
		return a.fields(f)
	case *http2.DataFrame:
		a.body = append(a.body, f.Data()...)
		return f.StreamEnded() || len(a.body) >= maxHTTP2Body, nil
	}
	return false, nil
}

var errRefused = errors.New("the server refused the request: it is closing connections")

// errorOf is nil for a server that has said all before the request ended (RFC 9113 section 8.1).
func errorOf(code http2.ErrCode) error {
	if code == http2.ErrCodeNo {
		return nil
	}
	return errors.New("the server reset the request: " + code.String())
}

// fields takes the header of a response, interim ones left out, or its trailer.
func (a *answer) fields(f *http2.MetaHeadersFrame) (done bool, err error) {
	if a.status == 0 {
		status, err := strconv.Atoi(f.PseudoValue("status"))
		if err != nil || status < 100 || status > 999 {
			return false, errNotHTTP2
		}
		if status < 200 {
			return false, nil
		}
		a.status, a.header = status, http.Header{}
	}
	for _, field := range f.RegularFields() {
		a.header.Set(field.Name, field.Value)
	}
	return f.StreamEnded(), nil
}

// http2Fault finds out whether the other side speaks something else.
func http2Fault(err error) error {
	var broken http2.ConnectionError
	var wrong http2.StreamError
	if errors.As(err, &broken) || errors.As(err, &wrong) || errors.Is(err, http2.ErrFrameTooLarge) {
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
	client, err := newHTTP2Client(p, with, nil, nil)
	return &http2Check{client, want}, err
}

func (c *http2Check) ask(ctx context.Context, p *probe) (outcome, func()) {
	begun := time.Now()
	a, failure, hangUp := c.client.do(ctx, p)
	if a.status == 0 {
		return failure, hangUp
	}
	o, _ := c.want.judge(a.status, time.Since(begun), func() ([]byte, error) { return a.body, nil })
	return o, hangUp
}
