// Package tap is a port's interface in the kernel: what is for Weir's own addresses (ssh, BGP, health checks, ping)
// goes to the kernel through it, and what the kernel sends there goes out of the port.
//
//	wire ── port ── worker ── punt ──► node ── Write ──► weir0 ──► the kernel's sockets
//	                  ▲                                    │
//	                  └─────── inject ◄── node ◄── Read ◄──┘
//
// The interface has the port's MAC, MTU and addresses, never a VIP. It lives as long as its [Device]: the kernel
// removes it, with its addresses and routes, when the process ends in whatever way.
//
// Weir is what answers ARP and neighbour discovery on the wire; the kernel never sees such a question. It asks
// its own questions through the interface and gets the answers, so its neighbour table works as on any interface.
// What follows from that, and from the MAC being in use already:
//
//   - arp_ignore is 8 and arp_announce 2: the kernel answers for nothing and asks only in the name of the
//     interface's own addresses.
//   - IPv6 addresses are not checked for duplicates, and router advertisements are not listened to. A port with
//     IPv6 addresses also has the link-local one that follows from its MAC ([packet.LinkLocal]), which the
//     kernel needs to keep up neighbours; one without has no IPv6 on its interface.
//   - The interface brings no default route: the host's own way into the world stays as it is. Only what has an
//     address of the port as its source goes back through the port's gateways, by rules of its own (wayback.go).
//   - rp_filter is 2 (loose), which also overrules a strict net.ipv4.conf.all.rp_filter. Who has reached the port by
//     one way may be reached by the kernel by another, more specific one; strict filtering would drop such packets.
//
// The kernel computes checksums and segments before it hands a frame over: no offload is offered to it.
//
// Not supported: several queues, VLANs, addresses and routes that others add to the interface (the port
// does not know such addresses; such routes work, but are not kept if the interface goes down).
package tap
