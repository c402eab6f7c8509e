// Package fastpath is the packet path: what a worker does with every frame, from the receive queue to the transmit
// queue. docs/packet-path.md walks through it.
//
//   - worker.go: the worker and what it is made of; run.go: its loop; round.go: one round of it
//   - burst.go: the stages of a burst; verdict.go: what can become of a packet
//   - plain.go, steady.go, steady4.go, steady6.go, wrap.go: the short way that nearly all packets take; steadywide.go,
//     steadyfull.go: its rewriting that cannot be prepared; hot.go: what it looks things up in
//   - flow.go: TCP and UDP of known connections; open.go: the beginning of new ones; usual.go: the short way for it;
//     modes.go: nat's rewriting; fullnat.go, cross.go: fullnat's; fullport.go, walk.go: its local ports; tunnel.go,
//     encap.go: tun's headers; pieces.go: packets that must be cut up
//   - fragments.go: packets that come in fragments; datagram.go: what is remembered of them
//   - own.go: addresses of Weir's own, and sources that nobody can have
//   - icmp.go: ICMP that arrives; icmpquote.go: what an error quotes; icmptranslate.go: errors across nat;
//     icmptunnel.go: errors from inside a tunnel; icmpsend.go: errors of Weir's own
//   - vlan.go: ports that are VLANs of others
//   - steer.go, handover.go: several workers
//   - spec.go, snapshot.go, addrtable.go, routes.go: the configuration as workers read it
//   - counters.go, gaps.go: what is counted; blame.go: whose the packets were that are lost
//   - tap.go, captured.go, ownership.go: copies of packets, and what they belong to, while a capture is on
//   - rehearsal.go: what it takes to ask what a worker would do
//
// It has no cgo and needs neither root nor devices: queues come through the interface in package port.
//
// Not supported: frames in several buffers.
package fastpath
