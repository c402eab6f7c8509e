// Package conn is a worker's connection table: one 64-byte entry a connection for either family,
// found from both directions through an index of cache-line buckets.
//
//	Home (bucket, tag) ──► bucket: 12 tags, 12 slots ──► entry
//	     hash of a 5-tuple     one cache line               one cache line
//
// A nat or fullnat connection stands in the index twice, once under the client's tuple and once under the
// reply's; a tun or dr connection once. A lookup touches one index line and one entry line, two
// index lines where the home bucket has overflowed.
//
// A table belongs to one worker: only that worker calls its methods. Others may copy entries with
// Dump, which tolerates changes under its hands. All of it lies off the Go heap and holds no
// pointers; backends are named by index and generation, fullnat's local addresses by index.
//
//   - entry.go: the entry; state.go: LVS's TCP state machine and timeouts
//   - hash.go: from 5-tuple to Home; bucket.go: the index; table.go: find, insert, delete
//   - sweep.go: expiry by a clock hand; evict.go: what goes when the table is full
package conn
