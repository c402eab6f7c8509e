package ipvs

import (
	"encoding/json"
	"hash/crc32"
	"time"
)

// Plan is what a kernel's IPVS is to be taken through that is no Scenario: a configuration and packets that somebody else made.
type Plan struct {
	Network Network
	Sysctls []Sysctl
	Lines   []Line
	Packets []Incoming
}

// Sysctl is one of /proc/sys/net/ipv4/vs.
type Sysctl struct{ Name, Value string }

// Line is the arguments of a call of ipvsadm, which stand in a line of a file.
type Line struct {
	Number int
	Text   string
}

// Incoming is a packet that comes in.
type Incoming struct {
	At    time.Duration // since the first one
	Frame Frame
	Mark  uint32 // the firewall mark it has by then; 0: none
}

// Outcome is what IPVS did.
type Outcome struct {
	Plan   uint32 // its Sum
	Kernel string // its release
	Faults []Fault
	Out    [][]Frame // by packet
	Table  Table     // at the end
}

// Fault is what was wrong with a line or a sysctl; no packet has come in then.
type Fault struct {
	Line int // 0: it is a sysctl's
	Said string
}

// Sum tells plans apart.
func (p *Plan) Sum() uint32 {
	h := crc32.NewIEEE()
	check(json.NewEncoder(h).Encode(p)) // whose bytes do not depend on what else was encoded, as gob's do
	return h.Sum32()
}
