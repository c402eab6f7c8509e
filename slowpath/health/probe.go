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
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxResponse bounds what is read of a backend's answer, in bytes.
const maxResponse = 64 << 10

// probe is a Target made ready to be run: nothing in it changes.
type probe struct {
	Target
	remote  netip.AddrPort
	local   netip.AddrPort
	dialer  net.Dialer
	request []byte // of an http check; nil for tcp
}

// asker makes one check. The caller runs hangUp once it has taken the outcome into account.
type asker func(ctx context.Context, p *probe) (o outcome, hangUp func())

func compile(targets []Target) ([]*probe, error) {
	probes := make([]*probe, len(targets))
	seen := make(map[key]bool, len(targets))
	for i, t := range targets {
		p, err := newProbe(t)
		if err == nil && seen[key{t.Service, t.Backend}] {
			err = errors.New("it is listed twice")
		}
		if err != nil {
			return nil, fmt.Errorf("health check of backend %v of service %s: %w", t.Backend, t.Service, err)
		}
		seen[key{t.Service, t.Backend}] = true
		probes[i] = p
	}
	return probes, nil
}

func newProbe(t Target) (*probe, error) {
	c := &t.Check
	if c.Interval <= 0 || c.Timeout <= 0 || c.Rise <= 0 || c.Fall <= 0 {
		return nil, fmt.Errorf("interval (%v), timeout (%v), rise (%d) and fall (%d) must be above 0",
			c.Interval, c.Timeout, c.Rise, c.Fall)
	}
	port := t.Backend.Port()
	if c.Port != 0 {
		port = c.Port
	}
	p := &probe{
		Target: t,
		remote: netip.AddrPortFrom(t.Backend.Addr(), port),
		local:  netip.AddrPortFrom(t.Source, 0),
		// Such short connections need no keep-alive.
		dialer: net.Dialer{KeepAlive: -1, Control: bindTo(t.Interface)},
	}
	if !p.remote.IsValid() || port == 0 {
		return nil, fmt.Errorf("%v is no address and port to connect to", p.remote)
	}
	if t.Source.IsValid() && t.Source.Unmap().Is4() != t.Backend.Addr().Unmap().Is4() {
		return nil, fmt.Errorf("source %v is of the other IP version", t.Source)
	}
	switch c.Type {
	case "tcp":
	case "http":
		request, err := p.httpRequest()
		if err != nil {
			return nil, err
		}
		p.request = request
	default:
		return nil, fmt.Errorf("type %q is unknown: tcp and http are known", c.Type)
	}
	return p, nil
}

func (p *probe) httpRequest() ([]byte, error) {
	host, path := p.Check.Host, p.Check.Path
	if host == "" {
		host = hostOf(p.remote)
	}
	if path == "" {
		path = "/"
	}
	r, err := http.NewRequest(http.MethodGet, "http://"+host, nil)
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
	r.Close = true
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// hostOf is the Host header of a backend without a name; port 80 goes without saying.
func hostOf(a netip.AddrPort) string {
	host := netip.AddrPortFrom(a.Addr().WithZone(""), a.Port()).String()
	return strings.TrimSuffix(host, ":80")
}

func (p *probe) sameCheck(other *probe) bool {
	return p.Source == other.Source && p.Interface == other.Interface && reflect.DeepEqual(p.Check, other.Check)
}

// bindTo makes a socket leave through the interface, if one is named. It also lets the kernel choose the
// port when the destination is known: with a port reserved at bind, all checks together would have to
// share one range of 28,000, minute-long TIME_WAITs included.
func bindTo(iface string) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			// Best effort: kernels before 4.2 do not know it.
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
			if iface != "" {
				failed = unix.BindToDevice(int(fd), iface)
			}
		})
		if err != nil {
			return err
		}
		return failed
	}
}

// askServer is the asker on real sockets. Both ends of the connection close it in order: the backend's
// programs meet an ordinary end of stream, not a reset, and have nothing to log.
func askServer(ctx context.Context, p *probe) (outcome, func()) {
	begun := time.Now()
	conn, err := p.dialer.DialTCP(ctx, "tcp", p.local, p.remote)
	if err != nil {
		return p.failed(err, "connecting"), func() {}
	}
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline) // fails only on a closed connection
	interrupt := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	hangUp := func() {
		if p.request == nil {
			_ = conn.CloseWrite()
		}
		// What the backend still has to say: a close before the end of it would be a reset.
		_, _ = io.Copy(io.Discard, io.LimitReader(conn, maxResponse))
		interrupt()
		_ = conn.Close()
	}
	if p.request == nil {
		return outcome{verdict: pass, took: time.Since(begun)}, hangUp
	}
	status, err := p.get(conn)
	if err != nil {
		return p.failed(err, "waiting for an HTTP response"), hangUp
	}
	o := outcome{verdict: fail, status: status, took: time.Since(begun)}
	if p.healthy(status) {
		o.verdict = pass
	}
	return o, hangUp
}

func (p *probe) healthy(status int) bool {
	if len(p.Check.Status) == 0 {
		return status >= 200 && status < 400
	}
	return slices.Contains(p.Check.Status, status)
}

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}

// get sends the request and returns the status. A redirect is a status like any other.
func (p *probe) get(conn net.Conn) (status int, err error) {
	if _, err := conn.Write(p.request); err != nil {
		return 0, err
	}
	r := readers.Get().(*bufio.Reader)
	defer readers.Put(r)
	r.Reset(io.LimitReader(conn, maxResponse))
	defer r.Reset(nil)
	for {
		status, err = readStatus(r)
		if err != nil || status >= 200 {
			return status, err
		}
		if err := skipHeaders(r); err != nil { // of an interim response, such as 103 Early Hints
			return 0, err
		}
	}
}

// readStatus reads a status line (RFC 9112 section 4): all of the response that matters here.
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
