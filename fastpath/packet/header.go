// Package packet reads and rewrites the headers of frames in place: offsets, a parser that proves
// them valid, and incremental checksums.
//
// Every function takes a pointer to a header and states what must hold for it. [Parse] is what makes
// it hold: it bounds every offset it reports by the frame's length.
package packet

// Ethernet II.
//
//	 0                   6                   12      14
//	+-------------------+-------------------+-------+
//	|  destination MAC  |    source MAC     | type  |
//	+-------------------+-------------------+-------+
const (
	EthLen     = 14
	EthDst     = 0
	EthSrc     = 6
	EthTypeOff = 12
)

// EtherTypes as loaded by Load16 (network byte order in a little-endian word).
const (
	EtherIPv4 uint16 = 0x0008
	EtherIPv6 uint16 = 0xdd86
	EtherARP  uint16 = 0x0608
	EtherVLAN uint16 = 0x0081 // 802.1Q
	EtherQinQ uint16 = 0xa888 // 802.1ad
)

// IPv4 (RFC 791 section 3.1), offsets in bytes.
const (
	IP4Len      = 20 // without options
	IP4VerIHL   = 0
	IP4TOS      = 1
	IP4Total    = 2
	IP4ID       = 4
	IP4Frag     = 6 // flags and fragment offset
	IP4TTL      = 8
	IP4Proto    = 9
	IP4Checksum = 10
	IP4Src      = 12
	IP4Dst      = 16
)

// Flags of the IPv4 fragment field as loaded by Load16.
const (
	IP4DontFragment uint16 = 0x0040
	// IP4MoreFragments says that this one is not the last.
	IP4MoreFragments uint16 = 0x0020
	// IP4FragMask selects "more fragments" and the offset: zero in a whole packet.
	IP4FragMask uint16 = 0xff3f
)

// IPv6 (RFC 8200 section 3).
const (
	IP6Len      = 40
	IP6Payload  = 4
	IP6Next     = 6
	IP6HopLimit = 7
	IP6Src      = 8
	IP6Dst      = 24

	ip6SegmentsLeft = 3 // in a routing header

	// The fragment header (section 4.5): next header, a byte of nothing, offset with the flag, identification.
	ip6FragmentLen   = 8
	ip6FragmentField = 2
	ip6FragmentID    = 4
)

// Parts of the IPv6 fragment header's field as loaded by Load16: all but two bits without meaning, and the flag.
const (
	ip6FragmentMask uint16 = 0xf9ff
	ip6FragmentMore uint16 = 0x0100
)

// Protocol numbers (IANA).
const (
	ProtoHopByHop = 0
	ProtoICMP     = 1
	ProtoIPIP     = 4
	ProtoTCP      = 6
	ProtoUDP      = 17
	ProtoIPv6     = 41
	ProtoRouting  = 43
	ProtoGRE      = 47
	ProtoFragment = 44
	ProtoICMP6    = 58
	ProtoNone     = 59
	ProtoDestOpts = 60
	ProtoSCTP     = 132
)

// TCP (RFC 9293 section 3.1) and UDP (RFC 768).
const (
	TCPLen        = 20 // without options
	TCPSeq        = 4
	TCPAck        = 8
	TCPFlags      = 13
	TCPChecksum   = 16
	UDPLen        = 8
	UDPLength     = 4
	UDPChecksum   = 6
	PortsOff      = 0 // source and destination port, of SCTP too
	L4QuoteLen    = 8 // what an ICMP error quotes at least of L4
	TCPDataOffset = 12
)

// SCTP (RFC 9260 section 3): the common header, then chunks of type, flags, length and value, each padded to 4 bytes.
const (
	SCTPLen      = 12 // of the common header
	SCTPChecksum = 8
	ChunkLen     = 4 // of a chunk without value
	ChunkLength  = 2 // offset of its length, which counts no padding
)

// Types of SCTP chunks that Weir looks for.
const (
	ChunkData         uint8 = 0
	ChunkInit         uint8 = 1
	ChunkSack         uint8 = 3
	ChunkHeartbeat    uint8 = 4
	ChunkHeartbeatAck uint8 = 5
	ChunkAbort        uint8 = 6
	ChunkCookieEcho   uint8 = 10
	ChunkCookieAck    uint8 = 11
)

// TCP flag bits.
const (
	FIN uint8 = 0x01
	SYN uint8 = 0x02
	RST uint8 = 0x04
	PSH uint8 = 0x08
	ACK uint8 = 0x10
)

// ICMP (RFC 792) and ICMPv6 (RFC 4443): type, code, checksum, then four bytes by type.
const (
	ICMPLen      = 8
	ICMPType     = 0
	ICMPCode     = 1
	ICMPChecksum = 2
	ICMPRest     = 4

	ICMP4EchoReply       = 0
	ICMP4Unreachable     = 3
	ICMP4FragNeeded      = 4 // code of ICMP4Unreachable
	ICMP4PortUnreachable = 3 // the same
	ICMP4SourceQuench    = 4
	ICMP4Echo            = 8
	ICMP4TimeExceeded    = 11
	ICMP4ParamProblem    = 12

	ICMP6Unreachable     = 1
	ICMP6PortUnreachable = 4 // code of ICMP6Unreachable
	ICMP6TooBig          = 2
	ICMP6TimeExceeded    = 3
	ICMP6ParamProblem    = 4
	ICMP6Echo            = 128
	ICMP6EchoReply       = 129
	ICMP6NDFirst         = 133 // router solicitation
	ICMP6NDLast          = 137 // redirect
)

// LinkLocal is the IPv6 link-local address that follows from a MAC (RFC 4291 section 2.5.6 and appendix A).
func LinkLocal(mac [6]byte) [16]byte {
	return [16]byte{0xfe, 0x80, 8: mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]}
}
