// Package reason names why a packet did not go the ordinary way. Every drop, every punt and every answer by ICMP has one
// reason; the names are the same in metrics, weir show drops, weir explain, replay's summary and the documentation.
package reason

// Reason is a drop's, a punt's or an answer's cause.
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
	SourceRoute
	Segmented
	BadFragment
	TinyFragment
	FragmentOverlap
	FragmentDuplicate
	FragmentQueueFull
	FragmentTimeout
	FragmentOrphan
	SCTPFragment
	MartianSource
	SpoofedSource
	WrongMAC
	UnknownVLAN

	Foreign
	UnknownEtherType
	NoService
	UnsupportedProtocol
	NoConnection
	ICMPNoConnection
	ICMPFragment
	ICMPUnsupported
	MulticastIgnored

	NoBackend
	BackendsFull
	ConnectionLimit
	RateLimit
	BackendGone
	TableFull
	NoLocalPort
	NoChecksum
	TTLExceeded
	TooBig
	NoRoute
	ICMPRateLimited

	TxFull
	PuntFull
	InjectFull
	HandoverFull
	NoBuffer
	ProbeEnded

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

	EchoReply

	// Count is how many reasons there are; it is not one.
	Count
)

// firstPunt is the first reason that stands for a packet handed to the slow path, not lost, and firstAnswer the first
// that stands for one that became its own answer.
const (
	firstPunt   = PuntARP
	firstAnswer = EchoReply
)

// String is the reason's name, in snake case.
func (r Reason) String() string {
	if r >= Count {
		return "unknown"
	}
	return texts[r].name
}

// Help says in a sentence what the reason means.
func (r Reason) Help() string {
	if r >= Count {
		return ""
	}
	return texts[r].help
}

// Cause is what usually lies behind it.
func (r Reason) Cause() string {
	if r >= Count {
		return ""
	}
	return texts[r].cause
}

// Mend is what an operator can do about it.
func (r Reason) Mend() string {
	if r >= Count {
		return ""
	}
	return texts[r].mend
}

// Punt reports whether the packet was handed to the slow path rather than lost.
func (r Reason) Punt() bool { return r >= firstPunt && r < firstAnswer }

// Answer reports whether the packet was neither lost nor handed over, but went back as its own answer.
func (r Reason) Answer() bool { return r >= firstAnswer && r < Count }

// Drop reports whether the packet was lost.
func (r Reason) Drop() bool { return r < firstPunt }

// Answered reports whether the sender gets an answer, to a packet that was lost or not: by ICMP, or by a RST. Where no
// backend takes a connection, or its backend is gone, the service may be configured to say nothing.
func (r Reason) Answered() bool {
	switch r {
	case TTLExceeded, TooBig, NoBackend, BackendsFull, NoLocalPort, BackendGone:
		return true
	}
	return r.Answer()
}
