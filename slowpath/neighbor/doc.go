// Package neighbor keeps the link-layer addresses of the stations that workers send to, and answers for
// Weir's own: ARP (RFC 826, RFC 5227) for IPv4, neighbour discovery (RFC 4861) for IPv6.
//
//	incomplete   asked for: 3 broadcasts, a second apart. An answer makes it reachable, none failed.
//	failed       its packets are dropped. After 5 s asked for again if wanted, forgotten if not.
//	reachable    it has answered. Probed before 30 s are over if wanted or in use, stale if not.
//	stale        believed, not confirmed. Probed when in use again; forgotten after 5 min without use.
//	static       said by the configuration.
//
// Probing is 3 unicast and then 3 broadcast solicitations: an answer makes the neighbour reachable, none
// failed. What a station says unasked (gratuitous ARP, an unsolicited advertisement) counts at once, and is
// verified by probing.
//
// A neighbour's MAC stays in use while it is stale or probed: refreshing never holds traffic up.
//
// Everybody on a link can make Weir ask for addresses that nobody has, by sending packets from them. The
// questions for neighbours that the configuration does not name are therefore bounded (AskRate), like their number
// (MaxLearned) and the packets that wait for them (MaxQueued, MaxQueuedBytes); RFC 6583 tells why.
//
// A [Table] has no goroutine, socket or clock. Its owner, one goroutine, calls it with frames and the time,
// and sends what it says; replay does so with a capture's time. The same calls give the same frames.
//
// The files: table.go and entry.go hold the neighbours, desired.go those that the configuration names,
// timer.go what time does to them, learn.go what frames do, queue.go the packets that wait, recency.go the bound
// on strangers, local.go Weir's own addresses, handle.go the way in, arp.go and nd.go the wire formats.
//
// Not supported: router discovery and redirects (gateways are configured), duplicate address detection of
// Weir's own addresses before use, multicast listener reports, proxy ARP, secure neighbour discovery. Who
// can send frames on the link can lie about addresses; a static neighbour is safe from that.
package neighbor
