package lvs

import (
	"fmt"
	"net/netip"
	"time"
)

// Setup is what a director is configured with, as far as it balances.
type Setup struct {
	Services []*Service
	Notes    []Note
	// Timeouts are what ipvsadm --set gives: TCP, TCP after a FIN, UDP; 0 leaves one as it is.
	Timeouts      [3]time.Duration
	TimeoutsPlace Place
	// newestFirst is a setup whose servers were added one after the other: LVS puts each at the head of its list, which its schedulers
	// walk as Weir's walk the configuration.
	newestFirst bool
}

// Place is a line of a file; it counts from 1.
type Place struct {
	File string
	Line int
}

// String is file:line; nothing for no place.
func (p Place) String() string {
	if p.File == "" {
		return ""
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Service is a virtual service as LVS knows it.
type Service struct {
	Place       Place
	Endpoints   []Endpoint
	Marks       []int  // firewall marks that lead to it as well
	Protocol    string // tcp, udp or sctp; empty: a mark alone, which has none
	Mode        string // nat, tun or dr; empty: as its backends
	Scheduler   string
	Flags       []string // sh-port, sh-fallback, mh-port, mh-fallback
	OnePacket   bool
	Persistence time.Duration // 0: none
	// Mask4 and Prefix6 are how much of a client's address counts; 0: all of it.
	Mask4, Prefix6 int
	Tunnel         Tunnel
	Sorry          netip.AddrPort // not valid: none
	Quorum         int            // in weight; 0: the default
	Hysteresis     int
	Backends       []Backend
}

// Endpoint is the addresses of a prefix, and a port; port 0 is every port.
type Endpoint struct {
	Prefix netip.Prefix
	Port   int
}

// Backend is a real server.
type Backend struct {
	Place        Place
	Address      netip.AddrPort
	Weight       int
	Upper, Lower int    // thresholds of connections; 0: none
	Mode         string // empty: the service's
	Tunnel       Tunnel
	Checks       []Check
}

// Tunnel is the encapsulation of mode tun. The zero value is ipip.
type Tunnel struct {
	Type     string // empty, gue or gre
	Port     int
	Checksum bool
}

// Check is how a backend is found to be alive, in Weir's terms. Where two are equal but for the place, a service needs
// only one.
type Check struct {
	Place Place
	Keys  []Key
}

// Key is one of a check's, with its value as YAML.
type Key struct{ Name, Value string }

// Note is what the report says of a line.
type Note struct {
	Place   Place
	Kind    Kind
	Message string
}

// Kind is how much a note matters.
type Kind uint8

// The kinds.
const (
	// Ignored is what means nothing to Weir, or what it does anyway.
	Ignored Kind = iota
	// Changed was taken over, but not exactly as it was.
	Changed
	// Missing was not taken over and matters: somebody has to decide.
	Missing
)

// String is the kind as the report has it.
func (k Kind) String() string { return [...]string{"ignored", "changed", "missing"}[k] }

func (s *Setup) note(at Place, kind Kind, format string, args ...any) {
	s.Notes = append(s.Notes, Note{at, kind, fmt.Sprintf(format, args...)})
}
