package conn

// SCTP's states (RFC 9260 section 4) are LVS's, as a balancer between the ends sees them, with LVS's names. An
// association is known by addresses and ports alone: of the addresses that an INIT may list besides its source
// (multi-homing), neither LVS nor Weir knows.

// chunkEvent is what an SCTP packet means to the state machine, by the type of its chunk.
type chunkEvent uint8

const (
	evData chunkEvent = iota // and all that changes nothing
	evInit
	evInitAck
	evCookieEcho
	evCookieAck
	evShutdown
	evShutdownAck
	evShutdownComplete
	evError
	evAbort
	numChunkEvents
)

// chunkEvents are the events of the chunk types that are not evData (RFC 9260 section 3.2).
var chunkEvents = [16]chunkEvent{
	1: evInit, 2: evInitAck, 6: evAbort, 7: evShutdown, 8: evShutdownAck, 9: evError, 10: evCookieEcho, 11: evCookieAck,
	14: evShutdownComplete,
}

// numSCTPStates counts None, which is the first line of sctpNext, and the states behind UDPFlow.
const numSCTPStates = numStates - UDPFlow

// sctpNext is LVS's table, a line for each state in their order, None first: the state after each event, as seen from
// each view.
var sctpNext = sctpTable()

func sctpTable() [numViews][numSCTPStates][numChunkEvents]State {
	const (
		i1, in, es, rj, cl = SCTPInit1, SCTPInit, SCTPEstablished, SCTPRejected, SCTPClosed
		cs, cr             = SCTPCookieSent, SCTPCookieReplied
		cw, co, ce         = SCTPCookieWait, SCTPCookie, SCTPCookieEchoed
		ss, sr, sa         = SCTPShutdownSent, SCTPShutdownReceived, SCTPShutdownAckSent
	)
	return [numViews][numSCTPStates][numChunkEvents]State{
		fromClient: {
			// DATA, INIT, INIT ACK, COOKIE ECHO, COOKIE ACK, SHUTDOWN, SHUTDOWN ACK, SHUTDOWN COMPLETE, ERROR, ABORT
			{es, i1, cw, cr, es, sr, cl, cl, cl, cl}, // NONE: an INIT begins it; any other packet if the service is sloppy
			{i1, in, cw, in, i1, i1, in, cl, i1, cl}, // INIT1: the INIT again
			{in, in, cw, in, in, in, in, cl, in, cl}, // INIT
			{cs, cs, cs, cr, cs, cs, cs, cs, cs, cl}, // C-SENT: the COOKIE ECHO
			{cr, cr, cr, cr, cr, cr, cr, cr, cr, cl}, // C-REPLIED
			{cw, cw, co, cw, cw, cw, cw, cw, cw, rj}, // C-WAIT
			{co, co, co, co, co, co, co, co, co, cl}, // COOKIE
			{ce, ce, ce, ce, es, ce, ce, ce, cl, cl}, // C-ECHOED
			{es, es, es, es, es, sr, es, es, es, cl}, // ESTABLISHED: the client ends it
			{ss, ss, ss, ss, ss, ss, cl, ss, ss, cl}, // S-SENT: and answers the backend, which ended it
			{sr, sr, sr, sr, sr, sr, sr, sr, sr, cl}, // S-RECEIVED
			{sa, sa, sa, sa, sa, sa, cl, cl, sa, cl}, // S-ACK-SENT
			{rj, in, rj, rj, rj, rj, rj, rj, rj, cl}, // REJECTED
			{cl, in, cl, cl, cl, cl, cl, cl, cl, cl}, // CLOSED: the ports are used again
		},
		fromBackend: {
			// DATA, INIT, INIT ACK, COOKIE ECHO, COOKIE ACK, SHUTDOWN, SHUTDOWN ACK, SHUTDOWN COMPLETE, ERROR, ABORT
			{es, cw, cs, ce, es, ss, sa, cl, cl, cl}, // NONE
			{i1, cw, cs, ce, es, ss, sa, i1, cl, rj}, // INIT1: INIT ACK
			{in, cw, cs, ce, es, ss, sa, in, cl, cl}, // INIT
			{cs, cw, cs, ce, es, ss, sa, cs, cl, cl}, // C-SENT
			{cr, cw, cr, ce, es, ss, sa, cr, cl, cl}, // C-REPLIED: COOKIE ACK
			{cw, cw, cw, ce, es, ss, cw, cw, cw, cl}, // C-WAIT
			{co, cw, co, ce, es, ss, co, co, co, cl}, // COOKIE
			{ce, cw, ce, ce, es, ss, ce, ce, ce, cl}, // C-ECHOED
			{es, es, es, es, es, ss, es, es, es, cl}, // ESTABLISHED: the backend ends it
			{ss, cw, ss, ss, ss, ss, sa, ss, ss, cl}, // S-SENT
			{sr, cw, sr, sr, sr, sr, sa, sr, sr, cl}, // S-RECEIVED: SHUTDOWN ACK
			{sa, cw, sa, sa, sa, sa, sa, sa, sa, cl}, // S-ACK-SENT
			{rj, cw, rj, rj, rj, rj, rj, rj, rj, cl}, // REJECTED
			{cl, cw, cl, cl, cl, cl, cl, cl, cl, cl}, // CLOSED
		},
		fromClientOnly: {
			// DATA, INIT, INIT ACK, COOKIE ECHO, COOKIE ACK, SHUTDOWN, SHUTDOWN ACK, SHUTDOWN COMPLETE, ERROR, ABORT
			{es, i1, ce, es, es, sr, cl, cl, cl, cl}, // NONE
			{i1, in, ce, es, i1, i1, in, cl, i1, cl}, // INIT1: COOKIE ECHO: the backend has answered, unseen
			{in, in, ce, es, in, in, in, cl, in, cl}, // INIT
			{cs, in, ce, es, es, cs, cs, cl, cs, cl}, // C-SENT
			{cr, in, ce, es, es, cr, cr, cl, cr, cl}, // C-REPLIED
			{es, in, ce, es, cw, cw, cw, cw, cw, rj}, // C-WAIT
			{co, co, co, co, es, co, co, co, co, cl}, // COOKIE
			{ce, ce, ce, ce, es, ce, ce, ce, ce, cl}, // C-ECHOED
			{es, es, es, es, es, sr, cl, es, es, cl}, // ESTABLISHED: the client ends it
			{ss, ss, ss, ss, ss, ss, cl, ss, ss, cl}, // S-SENT
			{sr, sr, sr, sr, sr, sr, sr, cl, sr, cl}, // S-RECEIVED: SHUTDOWN COMPLETE
			{sa, sa, sa, sa, sa, sa, cl, cl, sa, cl}, // S-ACK-SENT
			{rj, in, rj, rj, rj, rj, rj, rj, rj, cl}, // REJECTED
			{cl, in, cl, cl, cl, cl, cl, cl, cl, cl}, // CLOSED
		},
	}
}

func (t *Timeouts) setSCTP(established uint32) {
	// The longest time until a packet is sent once more, and a second (RFC 9260 section 16: RTO.Max).
	for s := SCTPInit1; s < numStates; s++ {
		t[s] = 61 * second
	}
	t[SCTPInit1], t[SCTPRejected] = 4*second, 4*second
	t[SCTPEstablished] = established
}

// AdvanceSCTP moves an SCTP association on by a packet whose chunk is of this type.
func (e *Entry) AdvanceSCTP(chunk uint8, reply bool) {
	v, ev := e.view(reply), evData
	if int(chunk) < len(chunkEvents) {
		ev = chunkEvents[chunk]
	}
	e.State = sctpNext[v][sctpLine(e.State)][ev]
}

// sctpLine is a state's line in sctpNext.
func sctpLine(s State) State {
	if s < UDPFlow {
		return 0
	}
	return (s - UDPFlow) % numSCTPStates
}
