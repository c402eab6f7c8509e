package health

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"sync"
	"time"
)

// datagrams is a check's connected UDP socket, with the check's deadline.
type datagrams struct {
	*net.UDPConn
	interrupt func() bool // undoes the end with the context
	pass      *passage    // through the service; nil: it has none
}

func (p *probe) open(ctx context.Context) (datagrams, error) {
	var conn *net.UDPConn
	var pass *passage
	var err error
	if p.Through.IsValid() {
		var c net.Conn
		c, pass, err = p.dialThrough(ctx, "udp")
		conn, _ = c.(*net.UDPConn)
	} else {
		conn, err = p.dialer.DialUDP(ctx, "udp", p.local, p.remote)
	}
	if err != nil {
		return datagrams{}, err
	}
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline) // fails only on a closed socket
	return datagrams{conn, context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }), pass}, nil
}

func (d datagrams) close() {
	d.interrupt()
	_ = d.Close()
	d.pass.leave()
}

// packets are buffers for the largest datagram.
var packets = sync.Pool{New: func() any { return new([1 << 16]byte) }}

// udpCheck sends a datagram and looks at what comes back.
type udpCheck struct {
	send   []byte
	expect *regexp.Regexp // over text with a character for each byte; nil: no answer is needed
}

func newUDPCheck(p *probe, with *stock) (kind, error) {
	c := &udpCheck{send: []byte(p.Check.UDP.Send)}
	if p.Check.UDP.Expect == "" {
		return c, nil
	}
	var err error
	c.expect, err = with.pattern("expect", p.Check.UDP.Expect)
	return c, err
}

func (c *udpCheck) ask(ctx context.Context, p *probe) (outcome, func()) {
	begun := time.Now()
	conn, err := p.open(ctx)
	if err != nil {
		return p.udpFailed(err), nothing
	}
	if _, err := conn.Write(c.send); err != nil {
		return p.udpFailed(err), conn.close
	}
	buf := packets.Get().(*[1 << 16]byte)
	defer packets.Put(buf)
	n, err := conn.Read(buf[:])
	took := time.Since(begun)
	switch {
	case err != nil && timedOut(err) && c.expect == nil && ctx.Err() != context.Canceled:
		return outcome{verdict: pass, what: "no answer, and no ICMP error", took: took}, conn.close
	case err != nil:
		return p.udpFailed(err), conn.close
	case c.expect == nil || c.expect.MatchString(characters(buf[:n])):
		return outcome{verdict: pass, what: "answered", took: took}, conn.close
	}
	o := outcome{verdict: fail, what: "answered", took: took, cause: fmt.Sprintf("the %d bytes do not match %q", n, c.expect)}
	return o, conn.close
}

// udpFailed is failed for datagrams: what TCP calls a refusal is an ICMP error here.
func (p *probe) udpFailed(err error) outcome {
	o := p.failed(err, "waiting for an answer")
	if o.cause == "connection refused" {
		o.cause = "port unreachable"
	}
	return o
}

// characters is bytes as the text of the characters with their numbers, so that \xff in a pattern is the byte.
func characters(data []byte) string {
	text := make([]rune, len(data))
	for i, b := range data {
		text[i] = rune(b)
	}
	return string(text)
}
