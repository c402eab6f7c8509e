package conn

// State is a connection's state: LVS's TCP states, one for UDP, and LVS's SCTP states, see sctp.go.
type State uint8

// The states, named as in ipvsadm -Lnc. The zero value is a connection before its first packet.
const (
	None State = iota
	Established
	SynSent
	SynRecv
	FinWait
	TimeWait
	Closed
	CloseWait
	LastAck
	Listen
	SynAck
	UDPFlow
	SCTPInit1            // an INIT, not answered yet
	SCTPInit             // more than one
	SCTPCookieSent       // the backend has sent INIT ACK
	SCTPCookieReplied    // the client has sent COOKIE ECHO
	SCTPCookieWait       // the backend has sent INIT: it opens the association
	SCTPCookie           // the client has sent INIT ACK
	SCTPCookieEchoed     // the backend has sent COOKIE ECHO
	SCTPEstablished      //
	SCTPShutdownSent     // the backend has sent SHUTDOWN
	SCTPShutdownReceived // the client has
	SCTPShutdownAckSent  // the backend has sent SHUTDOWN ACK
	SCTPRejected         // an ABORT answered the first INIT
	SCTPClosed
	numStates

	numTCPStates = UDPFlow // what next has a line for
)

var stateNames = [numStates]string{
	"NONE", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT", "TIME_WAIT", "CLOSE",
	"CLOSE_WAIT", "LAST_ACK", "LISTEN", "SYNACK", "UDP",
	"INIT1", "INIT", "C-SENT", "C-REPLIED", "C-WAIT", "COOKIE", "C-ECHOED", "ESTABLISHED",
	"S-SENT", "S-RECEIVED", "S-ACK-SENT", "REJECTED", "CLOSED",
}

// String is the state's name in LVS.
func (s State) String() string {
	if s >= numStates {
		return "UNKNOWN"
	}
	return stateNames[s]
}

// activeStates are the states in which LVS counts a connection as active at its backend. UDP always counts as inactive
// there.
const activeStates = 1<<Established | 1<<SynSent | 1<<SynRecv | 1<<SynAck | 1<<SCTPEstablished

// Active reports whether a connection in this state counts as active.
func (s State) Active() bool { return activeStates>>s&1 != 0 }

// view is whose packets the balancer sees of a connection, and whose packet this one is.
type view uint8

const (
	fromClient     view = iota // of a connection whose replies pass here too
	fromBackend                //
	fromClientOnly             // replies have not been seen here: tun and dr
	numViews
)

// event is what a TCP packet means to its state machine; a reset hides all else, then SYN, then FIN.
type event uint8

const (
	evSyn event = iota
	evFin
	evAck
	evRst
	numEvents
)

// next is LVS's table, a line for each state: the state after a SYN, FIN, ACK and RST, as seen from
// each view. The balancer sits between the ends and may see only one of them, which is why a state
// can be left in more ways than RFC 9293 knows.
var next = [numViews][numTCPStates][numEvents]State{
	fromClient: {
		//                 SYN          FIN        ACK          RST
		None:        {SynRecv, Closed, Established, Closed},
		Established: {Established, CloseWait, Established, Closed}, // the client closes first
		SynSent:     {Established, SynSent, SynSent, Closed},       // the backend opened; simultaneous open
		SynRecv:     {SynRecv, TimeWait, Established, SynRecv},     // the handshake's ACK; a forged RST must not end it
		FinWait:     {SynRecv, TimeWait, FinWait, Closed},          // the backend closed first; now both have
		TimeWait:    {SynRecv, TimeWait, TimeWait, Closed},         // the ports are used again
		Closed:      {SynRecv, Closed, Closed, Closed},
		CloseWait:   {SynRecv, CloseWait, CloseWait, Closed},
		LastAck:     {SynRecv, LastAck, Closed, LastAck}, // the last ACK
		Listen:      {SynRecv, Listen, Listen, Listen},
		SynAck:      {SynRecv, TimeWait, Established, SynRecv},
	},
	fromBackend: {
		None:        {SynSent, TimeWait, Established, Closed},
		Established: {Established, FinWait, Established, Closed}, // the backend closes first
		SynSent:     {SynSent, SynSent, SynSent, SynSent},
		SynRecv:     {SynRecv, TimeWait, Established, Closed}, // SYN+ACK counts as SYN; refused
		FinWait:     {SynSent, FinWait, FinWait, Closed},
		TimeWait:    {SynSent, TimeWait, TimeWait, TimeWait},
		Closed:      {SynSent, Closed, Closed, Closed},
		CloseWait:   {SynSent, TimeWait, CloseWait, Closed}, // the client closed first; now both have
		LastAck:     {SynSent, LastAck, LastAck, Closed},
		Listen:      {Listen, Listen, Established, Closed},
		SynAck:      {SynRecv, TimeWait, Established, Closed},
	},
	fromClientOnly: {
		None:        {SynRecv, Closed, Established, Closed},
		Established: {Established, FinWait, Established, Closed}, // whether the backend closes cannot be seen
		SynSent:     {Established, SynSent, SynSent, Closed},
		SynRecv:     {SynRecv, TimeWait, Established, SynRecv},
		FinWait:     {SynRecv, FinWait, FinWait, Closed},
		TimeWait:    {SynRecv, TimeWait, TimeWait, Closed},
		Closed:      {SynRecv, Closed, Closed, Closed},
		CloseWait:   {SynRecv, CloseWait, CloseWait, Closed},
		LastAck:     {SynRecv, LastAck, Closed, LastAck},
		Listen:      {SynRecv, Listen, Listen, Listen},
		SynAck:      {SynRecv, TimeWait, Established, Closed},
	},
}

const (
	flagFIN = 0x01
	flagSYN = 0x02
	flagRST = 0x04
	flagACK = 0x10
)

// events maps the TCP flag bits FIN, SYN, RST and ACK (bit 4 moved to bit 3) to an event; numEvents is a
// packet with none of them, which no TCP sends.
var events = [16]event{}

func init() {
	for i := range events {
		flags := i&7 | i&8<<1
		switch {
		case flags&flagRST != 0:
			events[i] = evRst
		case flags&flagSYN != 0:
			events[i] = evSyn
		case flags&flagFIN != 0:
			events[i] = evFin
		case flags&flagACK != 0:
			events[i] = evAck
		default:
			events[i] = numEvents
		}
	}
}

// Timeouts are the idle times in milliseconds after which a connection in each state ends. There is room for more
// states than there are: a mask bounds the index where a remainder would take a multiplication.
type Timeouts [32]uint32

var _ [32 - numStates]struct{}

const second = 1000 // milliseconds

// NewTimeouts takes the three that LVS lets its users set (ipvsadm --set), and that of an established SCTP association,
// in milliseconds; the other states have LVS's fixed ones.
func NewTimeouts(tcp, tcpFin, udp, sctp uint32) Timeouts {
	t := Timeouts{
		None:        2 * second,
		Established: tcp,
		SynSent:     120 * second,
		SynRecv:     60 * second,
		FinWait:     tcpFin,
		TimeWait:    120 * second,
		Closed:      10 * second,
		CloseWait:   60 * second,
		LastAck:     30 * second,
		Listen:      120 * second,
		SynAck:      120 * second,
		UDPFlow:     udp,
	}
	t.setSCTP(sctp)
	return t
}

// AdvanceTCP moves a TCP connection on by a packet with these flags. A packet with no flag that
// means anything closes the connection, as in LVS.
func (e *Entry) AdvanceTCP(flags uint8, reply bool) {
	v := e.view(reply)
	ev := events[flags&7|flags&flagACK>>1]
	if ev == numEvents {
		e.State = Closed
		return
	}
	e.State = next[v][e.State%numTCPStates][ev]
}

// view is whose packet comes now; a reply shows that replies pass here.
func (e *Entry) view(reply bool) view {
	if reply {
		e.Flags = e.Flags&^OneWay | Replied
		return fromBackend
	}
	if e.Flags&OneWay != 0 {
		return fromClientOnly
	}
	return fromClient
}

// Touch puts the connection's end off by its state's timeout.
func (e *Entry) Touch(now Tick, t *Timeouts) { e.Expires = now + Tick(t[e.State&31]) }
