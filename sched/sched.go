// Package sched holds the schedulers: how a service picks the backend of a new connection. It knows
// addresses and weights, but no packets.
//
// A scheduler is one file and one [Register] call in it. Names and meaning are LVS's.
package sched

import (
	"fmt"
	"sort"
	"sync/atomic"
)

// Load is what the least-connection schedulers compare: the connections of one backend, exact
// across workers. Any worker may add; it is written when a connection is made, ends, or enters or
// leaves the established state, never per packet.
type Load struct {
	Active   atomic.Int32 // established TCP connections and all UDP ones
	Inactive atomic.Int32 // TCP connections in any other state
	_        [56]byte     // a cache line of its own
}

// Server is a backend as a scheduler sees it.
type Server struct {
	// Address identifies the server in a table that must not depend on the order of the servers
	// (mh): "10.0.0.1:80".
	Address string
	// Weight is 0 to 65535. A server with weight 0, or one that is down (which the caller turns into
	// weight 0), takes no new connection.
	Weight int
	// Load is shared with the data plane; nil counts as no load.
	Load *Load
}

// Options are a service's settings that some schedulers read.
type Options struct {
	// TableSize is the number of entries of mh's lookup table, a prime; 0 means DefaultTableSize.
	TableSize int
	// Ports makes sh and mh hash the source port with the source address (LVS's sh-port, mh-port).
	Ports bool
}

// Key is what a packet brings to the choice. Addresses are as in the packet, IPv4 in the first four
// bytes; ports are in host byte order.
type Key struct {
	Src, Dst         [16]byte
	SrcPort, DstPort uint16
	V6               bool
}

// State is a scheduler's memory for one service on one worker: written only by that worker, and kept
// when the servers change. Its zero value is the start. What the fields mean is the scheduler's
// business; a scheduler must cope with any value, as the servers may have changed in between.
type State struct {
	Pos    int32
	Weight int32
}

// Scheduler picks servers. It is immutable and shared by all workers.
type Scheduler interface {
	// Pick returns the index, in the slice given to New, of the server for a new connection, or -1 if
	// none takes one. It does not allocate, block or write anything but *st.
	Pick(k *Key, st *State) int
}

// Builder makes a scheduler for a set of servers. It keeps neither the slice nor writes to it.
type Builder func(servers []Server, opt Options) (Scheduler, error)

var registry = map[string]Builder{}

// Register makes a scheduler known; for use in a package's init only. It panics if the name is taken.
func Register(name string, b Builder) {
	if _, dup := registry[name]; dup {
		panic("sched: " + name + " registered twice")
	}
	registry[name] = b
}

// Names lists the schedulers in alphabetical order.
func Names() []string {
	names := make([]string, 0, len(registry))
	for n := range registry {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// New builds the named scheduler. An unknown name or an option out of range is an error.
func New(name string, servers []Server, opt Options) (Scheduler, error) {
	b, ok := registry[name]
	if !ok {
		return nil, fmt.Errorf("unknown scheduler %q: known are %v", name, Names())
	}
	return b(servers, opt)
}
