package health

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
	"unicode"
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
	took    time.Duration // from the check's start to its verdict; 0 if there was no answer
	what    string        // the answer in a word or two, if it is not an HTTP status
	cause   string        // what was wrong, instead of or besides the answer
	wanted  string        // what an answer that was none of the right ones should have been
	weight  int           // that the check gives the backend, plus 1; 0: none
}

// String is never empty.
func (o outcome) String() string {
	switch {
	case o == outcome{}:
		return "not checked yet"
	case o.verdict == inconclusive:
		return "not checked: " + o.cause
	}
	said := o.what
	if o.status != 0 {
		said = statusText(o.status)
	}
	if said == "" {
		return o.cause
	}
	if o.took != 0 || o.verdict == pass {
		said += " in " + duration(o.took)
	}
	if o.cause != "" {
		said += ", but " + o.cause
	}
	if o.wanted != "" {
		said += ", expected " + o.wanted
	}
	return said
}

func statusText(status int) string {
	if name := http.StatusText(status); name != "" {
		return fmt.Sprintf("%d %s", status, name)
	}
	return fmt.Sprint(status)
}

func duration(d time.Duration) string {
	if d >= time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// failedFor is an outcome without an answer.
func failedFor(format string, args ...any) outcome {
	return outcome{verdict: fail, cause: fmt.Sprintf(format, args...)}
}

// notAsked is an outcome that says nothing about the backend.
func notAsked(format string, args ...any) outcome {
	return outcome{cause: fmt.Sprintf(format, args...)}
}

var (
	errNotHTTP  = errors.New("the answer is not HTTP")
	errNotHTTP2 = errors.New("the answer is not HTTP/2")
)

// ownFaults are the errors that come from this machine, not from the backend or the way to it.
var ownFaults = []struct {
	errno syscall.Errno
	text  string
}{
	{syscall.EMFILE, "this process has too many open files: raise LimitNOFILE"},
	{syscall.ENFILE, "this machine has too many open files"},
	{syscall.ENOMEM, "the kernel is out of memory"},
	{syscall.ENOBUFS, "the kernel is out of buffers"},
	{syscall.EADDRNOTAVAIL, "no local address and port to check from"},
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
	{io.EOF, "connection closed without a response"},
	{io.ErrUnexpectedEOF, "connection closed in the middle of a response"},
	{errNotHTTP, errNotHTTP.Error()},
	{errNotHTTP2, errNotHTTP2.Error()},
}

// failed puts an error into an outcome. waiting says what for, in case it is a timeout.
func (p *probe) failed(err error, waiting string) outcome {
	for _, f := range ownFaults {
		if errors.Is(err, f.errno) {
			return notAsked("%s", f.text)
		}
	}
	if text, ok := tlsFault(err); ok {
		return failedFor("%s", text)
	}
	for _, f := range backendFaults {
		if errors.Is(err, f.err) {
			return failedFor("%s", f.text)
		}
	}
	if timedOut(err) {
		if p.Through.IsValid() {
			waiting += ", through the service"
		}
		return failedFor("timeout after %v %s", p.Check.Timeout, waiting)
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return failedFor("%s", errno.Error())
	}
	return failedFor("%s", printable(err.Error()))
}

func timedOut(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// tlsFault tells what was wrong with a handshake.
func tlsFault(err error) (text string, ok bool) {
	var notTLS tls.RecordHeaderError
	var bad *tls.CertificateVerificationError
	var alert *net.OpError
	switch {
	case errors.As(err, &notTLS):
		return "the answer is not TLS", true
	case errors.As(err, &bad):
		return certificateFault(bad.Err), true
	case errors.As(err, &alert) && alert.Op == "remote error": // crypto/tls's for an alert
		return "the server ended the handshake: " + strings.TrimPrefix(alert.Err.Error(), "tls: "), true
	}
	return "", false
}

func certificateFault(err error) string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &unknown):
		return "the certificate is signed by nobody that is trusted"
	case errors.As(err, &name):
		return fmt.Sprintf("the certificate is not for %s", name.Host)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("the certificate is valid from %s to %s, not now",
			invalid.Cert.NotBefore.UTC().Format(time.DateTime), invalid.Cert.NotAfter.UTC().Format(time.DateTime))
	}
	return "the certificate is not valid: " + printable(err.Error())
}

// maxShown bounds what is shown of text that others wrote, in characters.
const maxShown = 120

// printable is text that is safe to show in a terminal: one line, not too long.
func printable(text string) string {
	var b strings.Builder
	n := 0
	for _, r := range text {
		if n++; n > maxShown {
			b.WriteRune('…')
			break
		}
		if !unicode.IsPrint(r) {
			r = '?'
		}
		b.WriteRune(r)
	}
	return b.String()
}
