// Package reason names why a packet did not go the ordinary way. Every drop and every punt has one
// reason; the names are the same in metrics, weir show drops, replay's summary and the documentation.
package reason

// Reason is a drop's or a punt's cause.
type Reason uint8

// The reasons. Zero is what a verdict has that nobody set: seeing it counted is a bug in Weir.
const (
	Unset Reason = iota

	Truncated
	BadEthernet
	BadIPVersion
	BadIPHeader
	BadIPChecksum
	BadL4Header
	BadL4Checksum
	BadICMP
	ExtensionChain
	Segmented
	Fragment
	MartianSource
	SpoofedSource
	WrongMAC

	Foreign
	UnknownEtherType
	NoService
	UnsupportedProtocol
	NoConnection
	ICMPNoConnection
	ICMPUnsupported
	MulticastIgnored

	NoBackend
	BackendGone
	TableFull
	TTLExceeded
	TooBig
	NoRoute
	ICMPRateLimited

	TxFull
	PuntFull
	InjectFull
	HandoverFull
	NoBuffer

	NeighborQueueFull
	NeighborUnresolved
	BadNeighbor
	TapFull
	NoTap

	PuntARP
	PuntND
	PuntLocal
	PuntMulticast
	PuntNeighbor

	// Count is how many reasons there are; it is not one.
	Count
)

// firstPunt is the first reason that stands for a packet handed to the slow path, not lost.
const firstPunt = PuntARP

var texts = [Count]struct{ name, help string }{
	Unset: {"unset", "no reason was given: a bug in Weir, please report it"},

	Truncated:      {"truncated", "shorter than its own headers say"},
	BadEthernet:    {"bad_ethernet", "not an Ethernet II frame: a 802.3 length field, a VLAN tag or a multicast source"},
	BadIPVersion:   {"bad_ip_version", "the IP version contradicts the EtherType"},
	BadIPHeader:    {"bad_ip_header", "IP header length or total length is impossible (RFC 1812 section 5.2.2)"},
	BadIPChecksum:  {"bad_ip_checksum", "the device found the IPv4 header checksum wrong"},
	BadL4Header:    {"bad_l4_header", "TCP data offset, TCP flags or UDP length are impossible"},
	BadL4Checksum:  {"bad_l4_checksum", "the device found the TCP or UDP checksum wrong"},
	BadICMP:        {"bad_icmp", "ICMP too short, or an ICMP error that quotes something that is no packet"},
	ExtensionChain: {"extension_chain", "more IPv6 extension headers than Weir follows, one out of place, or a routing header with a way still to go"},
	Segmented:      {"segmented", "the frame spans several buffers; lower the MTU or turn off receive offloads"},
	Fragment:       {"fragment", "an IP fragment; services do not take fragments in this version"},
	MartianSource:  {"martian_source", "the source is multicast, broadcast, loopback, unspecified or, for nat and tun, IPv6 link-local"},
	SpoofedSource:  {"spoofed_source", "the source is a VIP or one of Weir's own addresses"},
	WrongMAC:       {"wrong_mac", "addressed to another station's MAC"},

	Foreign:             {"foreign", "for no VIP, no address of Weir's, and no known connection"},
	UnknownEtherType:    {"unknown_ethertype", "neither IP nor ARP"},
	NoService:           {"no_service", "for a VIP, but no service has that port and protocol"},
	UnsupportedProtocol: {"unsupported_protocol", "for a VIP, but neither TCP, UDP nor ICMP"},
	NoConnection:        {"no_connection", "TCP without SYN, and no connection is known: it ended, expired or was made before the start"},
	ICMPNoConnection:    {"icmp_no_connection", "an ICMP error that quotes a packet of no known connection"},
	ICMPUnsupported:     {"icmp_unsupported", "an ICMP type that Weir neither answers nor forwards"},
	MulticastIgnored:    {"multicast_ignored", "multicast or broadcast that nobody here listens to"},

	NoBackend:       {"no_backend", "no backend of the service is up and has a weight"},
	BackendGone:     {"backend_gone", "the connection's backend is no longer configured"},
	TableFull:       {"table_full", "the connection table is full of connections worth more; raise dataplane.max_connections"},
	TTLExceeded:     {"ttl_exceeded", "TTL or hop limit ran out; answered with ICMP time exceeded"},
	TooBig:          {"too_big", "larger than the way on allows and not to be fragmented; answered with ICMP"},
	NoRoute:         {"no_route", "no connected network and no gateway leads to the destination"},
	ICMPRateLimited: {"icmp_rate_limited", "an ICMP error was due, but 1000 a second per worker were already sent"},

	TxFull:       {"tx_full", "the device's transmit queue was full"},
	PuntFull:     {"punt_full", "the queue from the worker to the slow path was full"},
	InjectFull:   {"inject_full", "the queue from the slow path to a worker was full"},
	HandoverFull: {"handover_full", "the queue between two workers was full"},
	NoBuffer:     {"no_buffer", "no buffer was free for a packet of Weir's own; raise dataplane.memory_mb"},

	NeighborQueueFull:  {"neighbor_queue_full", "too many packets already waited for this neighbour's MAC"},
	NeighborUnresolved: {"neighbor_unresolved", "the neighbour did not answer ARP or neighbour solicitation in time"},
	BadNeighbor:        {"bad_neighbor", "malformed ARP or neighbour discovery, or one that breaks its RFC's rules"},
	TapFull:            {"tap_full", "the kernel did not take the packet from the TAP interface"},
	NoTap:              {"no_tap", "for Weir's own address, and the port has no TAP interface"},

	PuntARP:       {"punt_arp", "ARP, handed to the slow path"},
	PuntND:        {"punt_nd", "IPv6 neighbour discovery, handed to the slow path"},
	PuntLocal:     {"punt_local", "for Weir's own address, handed to the kernel"},
	PuntMulticast: {"punt_multicast", "multicast or broadcast, handed to the kernel"},
	PuntNeighbor:  {"punt_neighbor", "ready to go, but waits in the slow path for its next hop's MAC"},
}

// String is the reason's name, in snake case.
func (r Reason) String() string {
	if r >= Count {
		return "unknown"
	}
	return texts[r].name
}

// Help says in a sentence what the reason means and, where that helps, what to do.
func (r Reason) Help() string {
	if r >= Count {
		return ""
	}
	return texts[r].help
}

// Punt reports whether the packet was handed to the slow path rather than lost.
func (r Reason) Punt() bool { return r >= firstPunt && r < Count }
