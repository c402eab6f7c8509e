package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirlb/weir/conf"
)

// maxResponse bounds what is read of a backend's answer, in bytes.
const maxResponse = 64 << 10

// probe is a Target made ready to be run: nothing in it changes.
type probe struct {
	Target
	remote   netip.AddrPort
	local    netip.AddrPort
	dialer   net.Dialer
	kind     kind
	files    [][]byte // what the files that the check names hold: others with the same names may hold something else
	pings    *pingers
	passages *passages
}

// kind is a type of check, made ready for one target. It makes one check; the caller runs hangUp once it has taken
// the outcome into account.
type kind interface {
	ask(ctx context.Context, p *probe) (o outcome, hangUp func())
}

// kinds make a target's kind by the type of its check, or tell why it cannot be checked so.
var kinds = map[conf.Check]func(*probe, *stock) (kind, error){
	conf.CheckTCP:   func(*probe, *stock) (kind, error) { return tcpCheck{}, nil },
	conf.CheckHTTP:  newHTTPCheck,
	conf.CheckHTTPS: newHTTPCheck,
	conf.CheckHTTP2: newHTTP2Check,
	conf.CheckGRPC:  newGRPCCheck,
	conf.CheckTLS:   newTLSCheck,
	conf.CheckSCTP:  func(*probe, *stock) (kind, error) { return sctpCheck{}, nil },
	conf.CheckUDP:   newUDPCheck,
	conf.CheckDNS:   newDNSCheck,
	conf.CheckPing:  newPingCheck,
	conf.CheckExec:  newExecCheck,
}

// asker makes one check: kind.ask, or a test's script.
type asker func(ctx context.Context, p *probe) (o outcome, hangUp func())

func askServer(ctx context.Context, p *probe) (outcome, func()) { return p.kind.ask(ctx, p) }

func nothing() {}

func compile(targets []Target, m *Manager) ([]*probe, error) {
	probes := make([]*probe, len(targets))
	seen := make(map[key]bool, len(targets))
	with := newStock()
	for i, t := range targets {
		p, err := newProbe(t, with)
		if err == nil && seen[key{t.Service, t.Backend}] {
			err = errors.New("it is listed twice")
		}
		if err != nil {
			return nil, fmt.Errorf("health check of backend %v of service %s: %w", t.Backend, t.Service, err)
		}
		p.pings, p.passages = &m.pings, &m.passages
		seen[key{t.Service, t.Backend}] = true
		probes[i] = p
	}
	return probes, nil
}

func newProbe(t Target, with *stock) (*probe, error) {
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
		local:  netip.AddrPortFrom(c.Source, 0),
		// Such short connections need no keep-alive.
		dialer: net.Dialer{KeepAlive: -1, Control: bindTo(t.Interface)},
	}
	if t.Through.IsValid() {
		p.remote, port = t.Through, t.Through.Port()
		if !t.From.IsValid() || t.From.Is4() != p.remote.Addr().Is4() {
			return nil, fmt.Errorf("there is no address to check %v from", t.Through)
		}
	}
	if !p.remote.IsValid() || port == 0 {
		return nil, fmt.Errorf("%v is no address and port to connect to", p.remote)
	}
	if c.Source.IsValid() && !t.Through.IsValid() && c.Source.Unmap().Is4() != t.Backend.Addr().Unmap().Is4() {
		return nil, fmt.Errorf("source %v is of the other IP version", c.Source)
	}
	build, ok := kinds[c.Type]
	if !ok {
		return nil, fmt.Errorf("type %q is unknown", c.Type)
	}
	var err error
	p.kind, err = build(p, with)
	return p, err
}

func (p *probe) sameCheck(other *probe) bool {
	return p.Interface == other.Interface && p.Through == other.Through && p.From == other.From && reflect.DeepEqual(p.Check, other.Check) &&
		slices.EqualFunc(p.files, other.files, slices.Equal)
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

// connection is a check's TCP connection, with the check's deadline.
type connection struct {
	*net.TCPConn
	interrupt func() bool // undoes the end with the context
	pass      *passage    // through the service; nil: it has none
}

func (p *probe) connect(ctx context.Context) (connection, error) {
	var conn *net.TCPConn
	var pass *passage
	var err error
	if p.Through.IsValid() {
		var c net.Conn
		c, pass, err = p.dialThrough(ctx, "tcp")
		conn, _ = c.(*net.TCPConn)
	} else {
		conn, err = p.dialer.DialTCP(ctx, "tcp", p.local, p.remote)
	}
	if err != nil {
		return connection{}, err
	}
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline) // fails only on a closed connection
	return connection{conn, context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }), pass}, nil
}

// hangUp closes the connection in order: the backend's programs meet an ordinary end of stream, not a reset, and
// have nothing to log. With an end, the backend is told that nothing more comes; otherwise it closes first.
func (c connection) hangUp(end bool) {
	defer c.pass.leave()
	if end && !c.pass.mayWait() {
		_ = c.SetLinger(0)
		c.interrupt()
		_ = c.Close()
		return
	}
	if end {
		_ = c.CloseWrite()
	}
	// What the backend still has to say: a close before the end of it would be a reset.
	_, _ = io.Copy(io.Discard, io.LimitReader(c.TCPConn, maxResponse))
	c.interrupt()
	_ = c.Close()
}

// tcpCheck passes if the backend accepts a connection.
type tcpCheck struct{}

func (tcpCheck) ask(ctx context.Context, p *probe) (outcome, func()) {
	begun := time.Now()
	conn, err := p.connect(ctx)
	if err != nil {
		return p.failed(err, "connecting"), nothing
	}
	return outcome{verdict: pass, what: "connected", took: time.Since(begun)}, func() { conn.hangUp(true) }
}
