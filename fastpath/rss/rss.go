// Package rss computes which of a device's queues a packet arrives on: receive side scaling hashes its addresses and ports
// with Toeplitz's function and a key, and looks the hash's low bits up in a table of queues.
package rss

import (
	"errors"
	"fmt"
	"slices"

	"github.com/weirlb/weir/fastpath/packet"
)

// Limits of what a device may have.
const (
	MaxKey   = 52  // bytes
	MaxTable = 512 // entries
)

// Input is what is hashed: source, destination, source port and destination port, in the order of the wire.
const (
	input4 = 4 + 4 + 2 + 2
	input6 = 16 + 16 + 2 + 2
	window = 4 // bytes of the key that follow a hashed bit's and take part in the hash
)

// Kinds are kinds of packets, each a bit.
type Kinds uint8

// The kinds that have ports.
const (
	TCP4 Kinds = 1 << iota
	UDP4
	SCTP4
	TCP6
	UDP6
	SCTP6
)

// KindOf is the kind of a protocol's packets; 0: none that has ports.
func KindOf(v6 bool, proto uint8) (k Kinds) {
	switch proto {
	case packet.ProtoTCP:
		k = TCP4
	case packet.ProtoUDP:
		k = UDP4
	case packet.ProtoSCTP:
		k = SCTP4
	}
	if v6 {
		k *= TCP6 / TCP4
	}
	return k
}

// Settings are what a device tells of its RSS.
type Settings struct {
	Key   []byte
	Table []uint16 // queues, a power of two of them
	// Ports are the kinds of packets whose ports are hashed with their addresses.
	Ports Kinds
}

// Spread computes as a device does. It does not change and may be used by any goroutine.
type Spread struct {
	queues []uint16
	ports  Kinds
	// sums are the hashes of an octet, by its place in the input.
	sums [input6][256]uint32
}

// New prepares a device's settings. Kinds of packets for which the key is too short are left out.
func New(s Settings) (*Spread, error) {
	switch n := len(s.Table); {
	case n == 0 || n > MaxTable || n&(n-1) != 0:
		return nil, fmt.Errorf("the RSS table has %d entries, not a power of two up to %d", n, MaxTable)
	case len(s.Key) > MaxKey:
		return nil, fmt.Errorf("the RSS key has %d bytes, more than %d", len(s.Key), MaxKey)
	case len(s.Key) < input4+window:
		return nil, fmt.Errorf("the RSS key has %d bytes, less than the %d that addresses and ports take", len(s.Key), input4+window)
	}
	if !slices.ContainsFunc(s.Key, func(b byte) bool { return b != 0 }) {
		return nil, errors.New("the RSS key is all zeros")
	}
	if len(s.Key) < input6+window {
		s.Ports &= TCP4 | UDP4 | SCTP4
	}
	if s.Ports == 0 {
		return nil, errors.New("RSS hashes the ports of no packets")
	}
	p := &Spread{queues: slices.Clone(s.Table), ports: s.Ports}
	for at := range min(input6, len(s.Key)-window) {
		k := uint64(s.Key[at])<<32 | uint64(s.Key[at+1])<<24 | uint64(s.Key[at+2])<<16 | uint64(s.Key[at+3])<<8 | uint64(s.Key[at+4])
		for octet := range p.sums[at] {
			for bit := range 8 {
				if octet&(0x80>>bit) != 0 {
					p.sums[at][octet] ^= uint32(k >> (8 - bit))
				}
			}
		}
	}
	return p, nil
}

// HashesPorts reports whether a protocol's packets are spread by their ports, too.
func (p *Spread) HashesPorts(v6 bool, proto uint8) bool { return p.ports&KindOf(v6, proto) != 0 }

// Reaches reports whether a queue is in the table.
func (p *Spread) Reaches(queue int) bool {
	return slices.ContainsFunc(p.queues, func(q uint16) bool { return int(q) == queue })
}

// Addrs is the part in the hash that the addresses have, which lie in a row: 4 or 16 bytes each. The hash is this and that
// of the ports, added without carry.
func (p *Spread) Addrs(addrs []byte) (sum uint32) {
	for i, octet := range addrs[:min(len(addrs), input6-4)] {
		sum ^= p.sums[i][octet]
	}
	return sum
}

// Ports is the part that the ports have, as loaded from a header by a little-endian machine: the source's in the low half.
func (p *Spread) Ports(ports uint32, v6 bool) uint32 {
	at := input4 - 4
	if v6 {
		at = input6 - 4
	}
	s := p.sums[at : at+4 : at+4]
	return s[0][uint8(ports)] ^ s[1][uint8(ports>>8)] ^ s[2][uint8(ports>>16)] ^ s[3][uint8(ports>>24)]
}

// Queue is the queue of packets with a hash.
func (p *Spread) Queue(hash uint32) int { return int(p.queues[int(hash)&(len(p.queues)-1)]) }
