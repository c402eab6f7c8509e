package sched

import (
	"crypto/sha256"
	"encoding/binary"
	"runtime"
	"sync"
	"weak"
)

// mhTables holds every table in use, so that a reload that leaves a service's servers as they were
// builds nothing, and services with the same servers share the memory.
var mhTables = tableCache{live: map[tableID]weakTable{}}

// tableID is a hash of everything a table depends on.
type tableID [sha256.Size]byte

// weakTable does not keep a table alive.
type weakTable = weak.Pointer[maglev]

// tableCache is safe for concurrent use. A table leaves it when nobody uses it any more.
type tableCache struct {
	mu   sync.Mutex
	live map[tableID]weakTable
}

func (c *tableCache) get(size int, members []member) *maglev {
	id := newTableID(size, members)
	if m := c.find(id); m != nil {
		return m
	}
	built := newMaglev(size, members) // not under the lock: it takes milliseconds
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.live[id].Value(); m != nil {
		return m
	}
	c.live[id] = weak.Make(built)
	runtime.AddCleanup(built, c.forget, id)
	return built
}

func (c *tableCache) find(id tableID) *maglev {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.live[id].Value()
}

// forget runs when a table is gone; another with the same ID may have been made meanwhile.
func (c *tableCache) forget(id tableID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.live[id].Value() == nil {
		delete(c.live, id)
	}
}

func newTableID(size int, members []member) tableID {
	b := binary.AppendUvarint(nil, uint64(size))
	for _, m := range members {
		b = binary.AppendUvarint(b, uint64(m.turns))
		b = binary.BigEndian.AppendUint32(b, m.id)
	}
	return sha256.Sum256(b)
}
