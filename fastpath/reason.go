package fastpath

// Reason says why a packet did not go the ordinary way. Every drop and every punt has one; the
// names are the same in metrics, weir show drops, replay's summary and the documentation.
type Reason uint8

// The reasons. Zero is what a verdict has that nobody set: seeing it counted is a bug in Weir.
const (
	ReasonUnset Reason = iota

	// Malformed input.
	Truncated       // shorter than its headers say
	BadEthernet     // not an Ethernet II frame Weir understands (802.3 length, VLAN tag)
	BadIPVersion    // the version field contradicts the EtherType
	BadIPHeader     // header length, total length or a reserved value is wrong (RFC 1812 section 5.2.2, RFC 8200)
	BadIPChecksum   // the device found the IPv4 header checksum wrong
	BadL4Header     // TCP data offset, UDP length or flags that cannot be
	BadL4Checksum   // the device found the TCP or UDP checksum wrong
	BadICMP         // ICMP too short, or it quotes something that is no packet
	ExtensionChain  // more IPv6 extension headers than Weir follows
	SegmentedFrame  // the frame spans several buffers
	Fragment        // an IP fragment to a service
	MartianSource   // source is multicast, broadcast, loopback or unspecified
	SpoofedSource   // source is a VIP or one of Weir's own addresses
	WrongMAC        // unicast to another station's MAC

	// Nobody here for it.
	Foreign           // neither a VIP, nor Weir's own address, nor a known connection
	UnknownEtherType  // neither IP nor ARP
	NoService         // a VIP, but no service on that port and protocol
	UnsupportedProto  // a VIP, but not TCP, UDP or ICMP
	NoConnection      // TCP without SYN, no connection known
	ICMPNoConnection  // an ICMP error that quotes no known connection
	ICMPUnsupported   // an ICMP type that Weir neither answers nor forwards
	MulticastIgnored  // multicast or broadcast nobody here listens to

	// A service, but no way on.
	NoBackend       // the service has no backend that is up and has a weight
	BackendGone     // the connection's backend is no longer configured
	TableFull       // the connection table is full of connections worth more
	TTLExceeded     // TTL or hop limit was 1 or 0; answered with ICMP time exceeded
	TooBig          // larger than the next link's MTU and not to be fragmented; answered with ICMP
	NoRoute         // no connected network and no gateway leads there
	ICMPRateLimited // an ICMP error was due, but the limit was reached

	// A bounded queue was full.
	TxFull       // the device's transmit queue
	PuntFull     // worker to slow path
	HandoverFull // worker to worker
	NoBuffer     // no free buffer for a packet of Weir's own

	// Counted by the slow path.
	NeighborQueueFull  // too many packets already wait for this neighbour
	NeighborUnresolved // the neighbour did not answer in time
	TapFull            // the kernel did not take the packet from the TAP interface
	NoTap              // for Weir's own address, and the port has no TAP interface

	// Punts: not lost, but handed to the slow path.
	PuntARP       // ARP
	PuntND        // IPv6 neighbour discovery
	PuntLocal     // for Weir's own address
	PuntMulticast // link-local multicast the kernel may want
	PuntNeighbor  // ready to send, but the next hop's MAC is not known

	NumReasons // not a reason: how many there are
)
