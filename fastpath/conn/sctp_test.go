package conn

import (
	"strings"
	"testing"
)

// lvsSCTPTables are sctp_states of net/netfilter/ipvs/ip_vs_proto_sctp.c in Linux 6, as there: a line for each event, a
// column for each state the association is in.
var lvsSCTPTables = map[view]string{
	fromClient: `
		      sNO, sI1, sIN, sCS, sCR, sCW, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL
		d     sES, sI1, sIN, sCS, sCR, sCW, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL
		i     sI1, sIN, sIN, sCS, sCR, sCW, sCO, sCE, sES, sSS, sSR, sSA, sIN, sIN
		i_a   sCW, sCW, sCW, sCS, sCR, sCO, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL
		c_e   sCR, sIN, sIN, sCR, sCR, sCW, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL
		c_a   sES, sI1, sIN, sCS, sCR, sCW, sCO, sES, sES, sSS, sSR, sSA, sRJ, sCL
		s     sSR, sI1, sIN, sCS, sCR, sCW, sCO, sCE, sSR, sSS, sSR, sSA, sRJ, sCL
		s_a   sCL, sIN, sIN, sCS, sCR, sCW, sCO, sCE, sES, sCL, sSR, sCL, sRJ, sCL
		s_c   sCL, sCL, sCL, sCS, sCR, sCW, sCO, sCE, sES, sSS, sSR, sCL, sRJ, sCL
		err   sCL, sI1, sIN, sCS, sCR, sCW, sCO, sCL, sES, sSS, sSR, sSA, sRJ, sCL
		ab    sCL, sCL, sCL, sCL, sCL, sRJ, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL`,
	fromBackend: `
		      sNO, sI1, sIN, sCS, sCR, sCW, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL
		d     sES, sI1, sIN, sCS, sCR, sCW, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL
		i     sCW, sCW, sCW, sCW, sCW, sCW, sCW, sCW, sES, sCW, sCW, sCW, sCW, sCW
		i_a   sCS, sCS, sCS, sCS, sCR, sCW, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL
		c_e   sCE, sCE, sCE, sCE, sCE, sCE, sCE, sCE, sES, sSS, sSR, sSA, sRJ, sCL
		c_a   sES, sES, sES, sES, sES, sES, sES, sES, sES, sSS, sSR, sSA, sRJ, sCL
		s     sSS, sSS, sSS, sSS, sSS, sSS, sSS, sSS, sSS, sSS, sSR, sSA, sRJ, sCL
		s_a   sSA, sSA, sSA, sSA, sSA, sCW, sCO, sCE, sES, sSA, sSA, sSA, sRJ, sCL
		s_c   sCL, sI1, sIN, sCS, sCR, sCW, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL
		err   sCL, sCL, sCL, sCL, sCL, sCW, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL
		ab    sCL, sRJ, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL`,
	fromClientOnly: `
		      sNO, sI1, sIN, sCS, sCR, sCW, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL
		d     sES, sI1, sIN, sCS, sCR, sES, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL
		i     sI1, sIN, sIN, sIN, sIN, sIN, sCO, sCE, sES, sSS, sSR, sSA, sIN, sIN
		i_a   sCE, sCE, sCE, sCE, sCE, sCE, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL
		c_e   sES, sES, sES, sES, sES, sES, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL
		c_a   sES, sI1, sIN, sES, sES, sCW, sES, sES, sES, sSS, sSR, sSA, sRJ, sCL
		s     sSR, sI1, sIN, sCS, sCR, sCW, sCO, sCE, sSR, sSS, sSR, sSA, sRJ, sCL
		s_a   sCL, sIN, sIN, sCS, sCR, sCW, sCO, sCE, sCL, sCL, sSR, sCL, sRJ, sCL
		s_c   sCL, sCL, sCL, sCL, sCL, sCW, sCO, sCE, sES, sSS, sCL, sCL, sRJ, sCL
		err   sCL, sI1, sIN, sCS, sCR, sCW, sCO, sCE, sES, sSS, sSR, sSA, sRJ, sCL
		ab    sCL, sCL, sCL, sCL, sCL, sRJ, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL`,
}

var lvsSCTPStates = map[string]State{
	"sNO": None, "sI1": SCTPInit1, "sIN": SCTPInit, "sCS": SCTPCookieSent, "sCR": SCTPCookieReplied, "sCW": SCTPCookieWait,
	"sCO": SCTPCookie, "sCE": SCTPCookieEchoed, "sES": SCTPEstablished, "sSS": SCTPShutdownSent, "sSR": SCTPShutdownReceived,
	"sSA": SCTPShutdownAckSent, "sRJ": SCTPRejected, "sCL": SCTPClosed,
}

// chunksOf are the chunk types that LVS takes for an event: those that it does not know count as DATA.
var chunksOf = map[string][]uint8{
	"d": {0, 3, 4, 5, 12, 13, 15, 64, 130, 192, 255}, "i": {1}, "i_a": {2}, "c_e": {10}, "c_a": {11}, "s": {7}, "s_a": {8},
	"s_c": {14}, "err": {9}, "ab": {6},
}

func TestSCTPStatesAreLVSs(t *testing.T) {
	for v, table := range lvsSCTPTables {
		lines := strings.Split(strings.TrimSpace(table), "\n")
		from := strings.Split(strings.TrimSpace(lines[0]), ", ")
		if len(from) != len(lvsSCTPStates) || len(lines) != 1+len(chunksOf) {
			t.Fatalf("the table has %d columns and %d lines", len(from), len(lines))
		}
		for _, line := range lines[1:] {
			name, row, _ := strings.Cut(strings.TrimSpace(line), " ")
			for i, to := range strings.Split(strings.TrimSpace(row), ", ") {
				for _, chunk := range chunksOf[name] {
					e := Entry{State: lvsSCTPStates[from[i]]}
					if v == fromClientOnly {
						e.Flags = OneWay
					}
					e.AdvanceSCTP(chunk, v == fromBackend)
					if e.State != lvsSCTPStates[to] {
						t.Errorf("view %d: %s and chunk %d lead to %s, in LVS to %s", v, from[i], chunk, e.State, lvsSCTPStates[to])
					}
				}
			}
		}
	}
}

func TestAnAssociationFromBeginningToEnd(t *testing.T) {
	type step struct {
		chunk uint8
		reply bool
		want  State
	}
	for name, c := range map[string]struct {
		oneWay bool
		steps  []step
	}{
		"both directions": {false, []step{
			{1, false, SCTPInit1}, {2, true, SCTPCookieSent}, {10, false, SCTPCookieReplied}, {11, true, SCTPEstablished},
			{0, false, SCTPEstablished}, {3, true, SCTPEstablished}, {7, true, SCTPShutdownSent}, {8, false, SCTPClosed},
			{14, true, SCTPClosed}, {1, false, SCTPInit},
		}},
		"the client's packets only": {true, []step{
			{1, false, SCTPInit1}, {10, false, SCTPEstablished}, {0, false, SCTPEstablished}, {7, false, SCTPShutdownReceived},
			{14, false, SCTPClosed},
		}},
		"refused": {false, []step{{1, false, SCTPInit1}, {6, true, SCTPRejected}}},
	} {
		var e Entry
		if c.oneWay {
			e.Flags = OneWay
		}
		for i, s := range c.steps {
			if e.AdvanceSCTP(s.chunk, s.reply); e.State != s.want {
				t.Errorf("%s: step %d leads to %s, want %s", name, i, e.State, s.want)
			}
		}
	}
}
