package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"
)

type verdict uint8

const (
	inconclusive verdict = iota // the backend was not asked
	pass
	fail
)

// outcome is the result of one check; the zero value is that of none. It is put into words only
// when somebody reads it.
type outcome struct {
	verdict verdict
	status  int           // of an HTTP response, if one came
	took    time.Duration // from the check's start to its verdict
	cause   string        // why there was no answer
}

// String is never empty.
func (o outcome) String() string {
	switch {
	case o == outcome{}:
		return "not checked yet"
	case o.verdict == inconclusive:
		return "not checked: " + o.cause
	case o.cause != "":
		return o.cause
	case o.status == 0:
		return "connected in " + duration(o.took)
	}
	if name := http.StatusText(o.status); name != "" {
		return fmt.Sprintf("%d %s in %s", o.status, name, duration(o.took))
	}
	return fmt.Sprintf("%d in %s", o.status, duration(o.took))
}

func duration(d time.Duration) string {
	if d >= time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

var errNotHTTP = errors.New("the answer is not HTTP")

// ownFaults are the errors that come from this machine, not from the backend or the way to it.
var ownFaults = []struct {
	errno syscall.Errno
	text  string
}{
	{syscall.EMFILE, "this process has too many open files: raise LimitNOFILE"},
	{syscall.ENFILE, "this machine has too many open files"},
	{syscall.ENOMEM, "the kernel is out of memory"},
	{syscall.ENOBUFS, "the kernel is out of buffers"},
	{syscall.EADDRNOTAVAIL, "no local address and port to connect from"},
	{syscall.ENODEV, "the interface to check through does not exist"},
	{syscall.EPERM, "this process may not send it: a firewall rule forbids it, or CAP_NET_RAW is missing"},
}

// backendFaults are the common errors in an operator's words; others keep the system's.
var backendFaults = []struct {
	err  error
	text string
}{
	{syscall.ECONNREFUSED, "connection refused"},
	{syscall.ECONNRESET, "connection reset"},
	{syscall.EPIPE, "connection reset"},
	{syscall.EHOSTUNREACH, "no route to host"},
	{syscall.ENETUNREACH, "network unreachable"},
	{io.EOF, "connection closed without an HTTP response"},
	{errNotHTTP, "the answer is not HTTP"},
}

// failed puts an error into an outcome. waiting says what for, in case it is a timeout.
func (p *probe) failed(err error, waiting string) outcome {
	for _, f := range ownFaults {
		if errors.Is(err, f.errno) {
			return outcome{verdict: inconclusive, cause: f.text}
		}
	}
	for _, f := range backendFaults {
		if errors.Is(err, f.err) {
			return outcome{verdict: fail, cause: f.text}
		}
	}
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return outcome{verdict: fail, cause: fmt.Sprintf("timeout after %v %s", p.Check.Timeout, waiting)}
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return outcome{verdict: fail, cause: errno.Error()}
	}
	return outcome{verdict: fail, cause: err.Error()}
}
