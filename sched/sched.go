// Package sched holds the schedulers: how a service picks the backend of a new connection. It knows
// addresses and weights, but no packets.
//
// A scheduler is one file and one [Register] call in it. Names and meaning are LVS's (Linux 6.x), and the
// order of the servers is that of LVS's list; docs/schedulers.md says where the two differ.
package sched

import (
	"fmt"
	"slices"
	"sort"
)

// MaxWeight is the largest weight of a server, LVS's.
const MaxWeight = 65535

// Server is a backend as a scheduler sees it.
type Server struct {
	// Address identifies the server in a table that must not depend on the order of the servers
	// (mh): "10.0.0.1:80". It may be missing for schedulers that do not read it: see ReadsAddresses.
	Address string
	// ID identifies the server in what a scheduler remembers (lblc, lblcr): no other server of the service
	// has had it. 0 stands for the server's place in the slice.
	ID uint32
	// Weight is 0 to 65535. A server with weight 0 takes no new connection.
	Weight int
	// Down tells of a server with weight 0 that it is not there at all, as opposed to draining: unless a
	// fallback is asked for, tables of hashes leave it out.
	Down bool
	// Last is the weight that a server with weight 0 had before, or would have if it were not down; 0: none.
	Last int
	// Share is the part of its weight, in percent, that a server which starts slowly is to count with; 0 stands
	// for all of it.
	Share uint8
	// Load is shared with the data plane; nil counts as no load.
	Load *Load
	// Bounded tells that Load has thresholds: while it is full, the server is not picked.
	Bounded bool
}

// Options are a service's settings that some schedulers read.
type Options struct {
	// TableSize is the number of entries of mh's lookup table, see CheckTableSize; 0 means
	// DefaultTableSize.
	TableSize int
	// Ports makes sh and mh hash the source port with the source address (LVS's sh-port, mh-port).
	Ports bool
	// Fallback makes sh and mh choose another server for a client whose server takes no connections (LVS's
	// sh-fallback, mh-fallback).
	Fallback bool
	// Memory is what the service's schedulers of this name remember, see NewMemory; nil: nothing from before.
	Memory *Memory
}

// Key is what a packet brings to the choice. Addresses are as in the packet, IPv4 in the first four
// bytes; ports are in host byte order.
type Key struct {
	Src, Dst         [16]byte
	SrcPort, DstPort uint16
	V6               bool
	// Now is the worker's clock in milliseconds; it wraps.
	Now uint32
}

// State is a scheduler's memory for one service on one worker: written only by that worker, and kept
// when the servers change. Its zero value is the start. What the fields mean is the scheduler's
// business; a scheduler must cope with any value, as the servers may have changed in between.
type State struct {
	Pos    int32
	Weight int32
}

// Scheduler picks servers. It is shared by all workers, and immutable but for a Memory.
type Scheduler interface {
	// Pick returns the index, in the slice given to New, of the server for a new connection, or -1 if
	// none takes one. It does not allocate or block, and writes nothing but *st and a Memory.
	Pick(k *Key, st *State) int
}

// Builder makes a scheduler for a set of servers. It keeps neither the slice nor writes to it. Weights
// are 0 to MaxWeight: New checks them. Shares are not its business.
type Builder func(servers []Server, opt Options) (Scheduler, error)

type entry struct {
	build    Builder
	use      string
	slowly   slowly
	remember func() *Memory
	// addresses: it reads Server.Address.
	addresses bool
}

// Trait is what New must know of a scheduler besides its builder.
type Trait func(*entry)

var registry = map[string]entry{}

// Register makes a scheduler known; for use in a package's init only. Use is one line for a person
// choosing a scheduler: what it does, and when to take it. It panics if the name is taken.
func Register(name, use string, b Builder, traits ...Trait) {
	if _, dup := registry[name]; dup {
		panic("sched: " + name + " registered twice")
	}
	e := entry{build: b, use: use}
	for _, t := range traits {
		t(&e)
	}
	registry[name] = e
}

// ReadsAddresses reports whether a scheduler tells servers apart by their addresses.
func ReadsAddresses(name string) bool { return registry[name].addresses }

// ByAddress marks a scheduler that does.
func ByAddress() Trait { return func(e *entry) { e.addresses = true } }

// Names lists the schedulers in alphabetical order.
func Names() []string {
	names := make([]string, 0, len(registry))
	for n := range registry {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// Describe returns the line a scheduler was registered with, or "" if the name is unknown.
func Describe(name string) string { return registry[name].use }

// New builds the named scheduler. An unknown name, a weight or an option out of range is an error.
func New(name string, servers []Server, opt Options) (Scheduler, error) {
	e, ok := registry[name]
	if !ok {
		return nil, fmt.Errorf("unknown scheduler %q: known are %v", name, Names())
	}
	for i := range servers {
		for _, w := range []int{servers[i].Weight, servers[i].Last} {
			if w < 0 || w > MaxWeight {
				return nil, fmt.Errorf("server %s: weight %d is not in the range 0 to %d", servers[i].Address, w, MaxWeight)
			}
		}
	}
	if slices.ContainsFunc(servers, startsSlowly) {
		return newSlow(&e, servers, opt)
	}
	return e.build(servers, opt)
}
