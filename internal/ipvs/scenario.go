package ipvs

import (
	"net/netip"
	"time"
)

// Scenario is what the two balancers are taken through.
type Scenario struct {
	Name     string
	Services []Service
	Timeouts Timeouts
	// Sysctls are Linux's, under net.ipv4.vs. Weir has options of its services for what they mean.
	Sysctls map[string]int
	Steps   []Step
	// Whole says that what receivers have put together is compared, of fragments as of tunnels: IPVS waits for all fragments of a
	// datagram, and cuts it up anew.
	Whole bool
}

// Timeouts are those of ipvsadm --set; zero stands for the default.
type Timeouts struct{ TCP, TCPFin, UDP time.Duration }

var defaults = Timeouts{TCP: 900 * time.Second, TCPFin: 120 * time.Second, UDP: 300 * time.Second}

// Protocol is a protocol that is balanced.
type Protocol string

// The protocols, as Weir writes them.
const (
	TCP  Protocol = "tcp"
	UDP  Protocol = "udp"
	SCTP Protocol = "sctp"
)

// Mode is how packets reach backends, as Weir writes it.
type Mode string

// The modes.
const (
	NAT Mode = "nat"
	Tun Mode = "tun"
	DR  Mode = "dr"
)

// Service is a virtual service. Backends stand in Weir's order, which is that of LVS's list and the reverse of the order
// in which ipvsadm adds them.
type Service struct {
	Address netip.AddrPort
	// More are further addresses: LVS knows such a service by a firewall mark, which all packets from wan have. Its
	// backends have port 0, and keep the client's.
	More      []netip.AddrPort
	Protocol  Protocol
	Mode      Mode
	Scheduler string
	Flags     []string // of the scheduler
	// Persistence binds clients for so long; 0: it does not. A client is so many bits of an address, 0: all of them.
	Persistence time.Duration
	ClientBits  int
	OnePacket   bool
	Tunnel      Tunnel
	Options     []Option // of Weir alone
	Backends    []Backend
}

// Tunnel is what is around packets in Tun; the zero value is IP in IP.
type Tunnel struct {
	Type     string // gue, gre
	Port     uint16
	Checksum string // as in ipvsadm: csum, nocsum, remcsum
}

// Option is a key of Weir's configuration of a service, where LVS has a sysctl.
type Option struct{ Key, Value string }

// Backend is a real server.
type Backend struct {
	Address      netip.AddrPort
	Weight       int
	Upper, Lower int // thresholds; 0: none
}

// Step is one thing that happens; exactly one field is set.
type Step struct {
	// Packet makes the frame that comes in by a port, from what came out so far. A nil frame: there is nothing to send,
	// as when a backend should answer a packet that never reached it.
	Packet func(h *History) (port string, frame []byte)
	// Edit is what the services are from now on.
	Edit []Service
	// Wait lets time pass.
	Wait time.Duration
	// Table looks at the connections and at the backends' counts.
	Table bool
}

// Frame is a frame that left a port.
type Frame struct {
	Port string
	Data []byte
}

// History is what went in and came out so far, by packet.
type History struct {
	In  [][]byte
	Out [][]Frame
}

// Conn is a connection as both balancers have it.
type Conn struct {
	Protocol             Protocol
	Client, VIP, Backend netip.AddrPort
	State                string
	Expires              int // seconds
}

// Count is the connections of a backend as both balancers count them.
type Count struct {
	Service          string // protocol and address, or Marked
	Backend          netip.AddrPort
	Weight           int
	Active, Inactive int
}

// Marked is the Service of a Count for one with several addresses.
const Marked = "marked"

// Table is the state of a balancer.
type Table struct {
	Conns  []Conn
	Counts []Count
}

// Balancer is a balancer under test, with the services of its scenario.
type Balancer interface {
	// Send lets a frame come in, and returns what that made leave.
	Send(port string, frame []byte) ([]Frame, error)
	Edit(from, to []Service) error
	Wait(d time.Duration) error
	Table() (Table, error)
}

// Event is what a step led to: Packet's with In and Out, or Table's.
type Event struct {
	Step  int
	In    *Frame
	Out   []Frame
	Table *Table
}

// Last is the services at its end.
func (s *Scenario) Last() []Service {
	services := s.Services
	for _, step := range s.Steps {
		if step.Edit != nil {
			services = step.Edit
		}
	}
	return services
}

// Run takes a balancer through a scenario.
func (s *Scenario) Run(b Balancer) (events []Event, err error) {
	var h History
	services := s.Services
	for i := range s.Steps {
		step := &s.Steps[i]
		switch {
		case step.Packet != nil:
			port, frame := step.Packet(&h)
			e := Event{Step: i}
			if frame != nil {
				e.In = &Frame{port, frame}
				if e.Out, err = b.Send(port, frame); err != nil {
					return nil, err
				}
			}
			h.In, h.Out = append(h.In, frame), append(h.Out, e.Out)
			events = append(events, e)
		case step.Edit != nil:
			if err = b.Edit(services, step.Edit); err != nil {
				return nil, err
			}
			services = step.Edit
		case step.Wait != 0:
			if err = b.Wait(step.Wait); err != nil {
				return nil, err
			}
		case step.Table:
			t, err := b.Table()
			if err != nil {
				return nil, err
			}
			events = append(events, Event{Step: i, Table: &t})
		}
	}
	return events, nil
}
