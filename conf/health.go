package conf

import (
	"net/netip"
	"strconv"
	"time"
)

// Check is how a backend is checked.
type Check string

// The values of health.type.
const (
	CheckTCP   Check = "tcp"
	CheckHTTP  Check = "http"
	CheckHTTPS Check = "https"
	CheckHTTP2 Check = "http2"
	CheckGRPC  Check = "grpc" // grpc.health.v1
	CheckTLS   Check = "tls"
	CheckSCTP  Check = "sctp"
	CheckUDP   Check = "udp"
	CheckDNS   Check = "dns"
	CheckPing  Check = "ping"
	CheckExec  Check = "exec"
)

// Health is a service's health check. What is not the type's has its default.
type Health struct {
	Type     Check
	Via      Via
	Port     uint16     // 0: the backend's own
	Source   netip.Addr // the local address; invalid: the kernel's choice
	Interval time.Duration
	Jitter   int // how much longer or shorter an interval may become, in percent
	Timeout  time.Duration
	Rise     int // successes in a row that bring a backend up
	Fall     int // failures in a row that take it down
	Start    Start
	Flapping *Flapping
	Passive  *Passive

	HTTP HTTPCheck
	TLS  TLSCheck
	GRPC string // the service that is asked about; empty: the server as a whole
	UDP  UDPCheck
	DNS  DNSCheck
	Exec ExecCheck
}

// Via is the way that checks take to a backend.
type Via string

// The values of health.via.
const (
	ViaBackend Via = "backend" // to its own address
	ViaService Via = "service" // to the service's address, in the service's mode
)

// Start is what a backend counts as until its first check.
type Start string

// The values of health.start.
const (
	StartUp   Start = "up"
	StartDown Start = "down"
)

// Flapping keeps a backend down that goes down again and again.
type Flapping struct {
	Falls  int           // how many
	Within time.Duration // of what time
	Hold   time.Duration // it stays down for, from the last of them
}

// Passive lets clients' connections cause a check at once.
type Passive struct {
	Share          int           // of the connections that fail within Window, in percent
	Window         time.Duration //
	MinConnections int           // of fewer, no share is taken
}

// HTTPCheck is a request and what counts as a healthy answer: for http, https and http2.
type HTTPCheck struct {
	Method string
	Path   string
	Host   string        // empty: the backend's address
	Status []StatusRange // empty: 200 to 399
	Body   string        // a regular expression that the body matches; empty: any
}

// StatusRange is the statuses from First to Last.
type StatusRange struct{ First, Last int }

// String is the range as it is written in a file.
func (r StatusRange) String() string {
	if r.First == r.Last {
		return strconv.Itoa(r.First)
	}
	return strconv.Itoa(r.First) + "-" + strconv.Itoa(r.Last)
}

// TLSCheck is the TLS of https, tls and, if it is on, http2 and grpc.
type TLSCheck struct {
	On     bool   // for http2 and grpc
	SNI    string // empty: HTTPCheck.Host if that is a name
	Verify bool   // the backend's certificate
	// CA, Certificate and Key are paths of PEM files: who is trusted (empty: the system's), and what the check itself
	// shows (empty: nothing).
	CA, Certificate, Key string
}

// UDPCheck is a datagram and what counts as a healthy answer.
type UDPCheck struct {
	Send   string // any bytes
	Expect string // a regular expression over bytes, each as the character of its number; empty: no ICMP error
}

// DNSCheck is a question and the healthy response code.
type DNSCheck struct {
	Name   string // absolute, with the last dot
	Record string // one of RecordTypes
	RCode  string // one of ResponseCodes
}

// RecordTypes and ResponseCodes are the DNS checks' words (RFC 1035 and later).
var (
	RecordTypes   = []string{"A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"}
	ResponseCodes = []string{"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"}
)

// ExecCheck is a program that tells by its exit status.
type ExecCheck struct {
	Command []string // the program's path and its arguments
	Dynamic bool     // statuses from 2 on set the weight, as keepalived's misc_dynamic
}
