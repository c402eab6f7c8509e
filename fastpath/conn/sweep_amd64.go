package conn

import "unsafe"

// scan looks at n entries from first on and adds those that have expired to dead, which has found of them already, until
// it is full. It returns how many it has looked at and how many dead has then. A processor cannot foresee
// which entries have expired, and does not load a page's lines before one has been asked for: so this has no branch for an entry
// and asks for what comes 1 kB later.
//
//go:noescape
func scan(first *Entry, n int, now Tick, dead *Dead, found int) (walked, total int)

//go:noescape
func prefetchHomes(buckets unsafe.Pointer, a, b Home)

//go:noescape
func prefetchHome(buckets unsafe.Pointer, h Home)
