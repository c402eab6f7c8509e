package conn

import (
	"strings"
	"testing"
)

// lvsTables are tcp_states of net/netfilter/ipvs/ip_vs_proto_tcp.c in Linux 6, as there: a line for each event, a column for
// each state the connection is in.
var lvsTables = map[view]string{
	fromClient: `
	        sNO, sES, sSS, sSR, sFW, sTW, sCL, sCW, sLA, sLI, sSA
	/*syn*/ sSR, sES, sES, sSR, sSR, sSR, sSR, sSR, sSR, sSR, sSR
	/*fin*/ sCL, sCW, sSS, sTW, sTW, sTW, sCL, sCW, sLA, sLI, sTW
	/*ack*/ sES, sES, sSS, sES, sFW, sTW, sCL, sCW, sCL, sLI, sES
	/*rst*/ sCL, sCL, sCL, sSR, sCL, sCL, sCL, sCL, sLA, sLI, sSR`,
	fromBackend: `
	        sNO, sES, sSS, sSR, sFW, sTW, sCL, sCW, sLA, sLI, sSA
	/*syn*/ sSS, sES, sSS, sSR, sSS, sSS, sSS, sSS, sSS, sLI, sSR
	/*fin*/ sTW, sFW, sSS, sTW, sFW, sTW, sCL, sTW, sLA, sLI, sTW
	/*ack*/ sES, sES, sSS, sES, sFW, sTW, sCL, sCW, sLA, sES, sES
	/*rst*/ sCL, sCL, sSS, sCL, sCL, sTW, sCL, sCL, sCL, sCL, sCL`,
	fromClientOnly: `
	        sNO, sES, sSS, sSR, sFW, sTW, sCL, sCW, sLA, sLI, sSA
	/*syn*/ sSR, sES, sES, sSR, sSR, sSR, sSR, sSR, sSR, sSR, sSR
	/*fin*/ sCL, sFW, sSS, sTW, sFW, sTW, sCL, sCW, sLA, sLI, sTW
	/*ack*/ sES, sES, sSS, sES, sFW, sTW, sCL, sCW, sCL, sLI, sES
	/*rst*/ sCL, sCL, sCL, sSR, sCL, sCL, sCL, sCL, sLA, sLI, sCL`,
}

var lvsStates = map[string]State{
	"sNO": None, "sES": Established, "sSS": SynSent, "sSR": SynRecv, "sFW": FinWait, "sTW": TimeWait, "sCL": Closed,
	"sCW": CloseWait, "sLA": LastAck, "sLI": Listen, "sSA": SynAck,
}

// flagsOf are the TCP flag bytes that LVS takes for an event: RST goes before SYN before FIN before ACK.
var flagsOf = map[string][]uint8{
	"/*syn*/": {0x02, 0x12, 0xc2, 0x03},
	"/*fin*/": {0x01, 0x11, 0x39},
	"/*ack*/": {0x10, 0x18, 0x30, 0xd0},
	"/*rst*/": {0x04, 0x14, 0x06, 0x05, 0x07, 0x17},
}

func TestTCPStatesAreLVSs(t *testing.T) {
	for v, table := range lvsTables {
		lines := strings.Split(strings.TrimSpace(table), "\n")
		from := strings.Split(strings.TrimSpace(lines[0]), ", ")
		if len(from) != len(lvsStates) || len(lines) != 1+len(flagsOf) {
			t.Fatalf("the table has %d columns and %d lines", len(from), len(lines))
		}
		for _, line := range lines[1:] {
			name, row, _ := strings.Cut(strings.TrimSpace(line), " ")
			for i, to := range strings.Split(row, ", ") {
				for _, flags := range flagsOf[name] {
					e := Entry{State: lvsStates[from[i]]}
					if v == fromClientOnly {
						e.Flags = OneWay
					}
					e.AdvanceTCP(flags, v == fromBackend)
					if e.State != lvsStates[to] {
						t.Errorf("view %d: %s and flags %02x lead to %s, in LVS to %s", v, from[i], flags, e.State, lvsStates[to])
					}
				}
			}
		}
	}
}

func TestAPacketWithoutFlagsClosesAsInLVS(t *testing.T) {
	for _, flags := range []uint8{0, 0x08, 0x20, 0xe8} {
		e := Entry{State: Established}
		if e.AdvanceTCP(flags, false); e.State != Closed {
			t.Errorf("flags %02x: %s", flags, e.State)
		}
	}
}

func TestAReplyEndsTheOneSidedView(t *testing.T) {
	e := Entry{State: SynRecv, Flags: OneWay}
	e.AdvanceTCP(flagSYN|flagACK, true)
	if e.Flags != Replied || e.State != SynRecv {
		t.Errorf("flags %b, state %s", e.Flags, e.State)
	}
	e.AdvanceTCP(flagACK, false)
	e.AdvanceTCP(flagFIN|flagACK, false)
	if e.State != CloseWait {
		t.Errorf("the client's FIN led to %s, which is the one-sided view's", e.State)
	}
}

func TestActiveStatesAreLVSs(t *testing.T) {
	active := map[State]bool{Established: true, SynSent: true, SynRecv: true, SynAck: true, // tcp_state_active_table
		SCTPEstablished: true}
	for s := range numStates {
		if s.Active() != active[s] {
			t.Errorf("%s: active %t", s, s.Active())
		}
	}
}

func TestTimeoutsAreLVSs(t *testing.T) {
	// tcp_timeouts, udp_timeouts and sctp_timeouts, in seconds, with the three that ipvsadm --set changes, and one more.
	want := map[State]uint32{
		None: 2, Established: 15 * 60, SynSent: 2 * 60, SynRecv: 60, FinWait: 2 * 60, TimeWait: 2 * 60, Closed: 10,
		CloseWait: 60, LastAck: 30, Listen: 2 * 60, SynAck: 120, UDPFlow: 5 * 60,
		SCTPInit1: 4, SCTPInit: 61, SCTPCookieSent: 61, SCTPCookieReplied: 61, SCTPCookieWait: 61, SCTPCookie: 61, SCTPCookieEchoed: 61,
		SCTPEstablished: 15 * 60, SCTPShutdownSent: 61, SCTPShutdownReceived: 61, SCTPShutdownAckSent: 61, SCTPRejected: 4, SCTPClosed: 61,
	}
	lvs := NewTimeouts(900_000, 120_000, 300_000, 900_000)
	changed := NewTimeouts(1000, 2000, 3000, 4000)
	for s := range numStates {
		if lvs[s] != 1000*want[s] {
			t.Errorf("%s: %d ms, want %d s", s, lvs[s], want[s])
		}
		set, isSet := map[State]uint32{Established: 1000, FinWait: 2000, UDPFlow: 3000, SCTPEstablished: 4000}[s]
		if isSet && changed[s] != set || !isSet && changed[s] != lvs[s] {
			t.Errorf("%s: %d ms after a change to 1, 2, 3 and 4 s", s, changed[s])
		}
	}
}

func TestEveryStateHasANameOfItsOwn(t *testing.T) {
	seen := map[string]bool{}
	for s := range numStates + 1 {
		name := s.String()
		if s > UDPFlow { // a protocol's states are never seen beside another's
			name = "sctp " + name
		}
		if s.String() == "" || seen[name] {
			t.Errorf("state %d is called %q", s, s)
		}
		seen[name] = true
	}
}
