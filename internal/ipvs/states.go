package ipvs

import "time"

// exchange is packets between a client and its backend, one after the other: ">" and TCP flags (or SCTP chunks) from the
// client, "<" from the backend.
type exchange []string

// lives are the ways in which TCP connections come and go.
var lives = map[string]exchange{
	"client-closes":        {">S", "<SA", ">A", ">PA", "<A", "<PA", ">A", ">FA", "<A", "<FA", ">A"},
	"backend-closes":       {">S", "<SA", ">A", "<FA", ">A", ">FA", "<A"},
	"both-close":           {">S", "<SA", ">A", ">FA", "<FA", ">A", "<A"},
	"client-resets":        {">S", "<SA", ">A", ">R", ">A"},
	"backend-resets":       {">S", "<SA", ">A", "<RA", ">A"},
	"refused":              {">S", "<RA", ">S"},
	"reset-in-handshake":   {">S", "<SA", ">R"},
	"repeated-handshake":   {">S", ">S", "<SA", ">S", "<SA", ">A", ">A"},
	"data-before-answer":   {">S", ">A", ">PA"},
	"fin-in-handshake":     {">S", ">FA", "<FA"},
	"new-after-close":      {">S", "<SA", ">A", ">FA", "<FA", ">A", ">S", "<SA", ">A"},
	"new-after-reset":      {">S", "<SA", ">A", ">R", ">S", "<SA", ">A"},
	"new-while-open":       {">S", "<SA", ">A", ">S", "<A", ">R", ">S"},
	"new-while-closing":    {">S", "<SA", ">A", ">FA", ">S", "<SA"},
	"no-flags":             {">S", "<SA", ">A", ">P", ">A"},
	"half-closed-and-data": {">S", "<SA", ">A", ">FA", "<A", "<PA", ">A", "<PA", ">A", "<FA", ">A"},
}

// associations are the ways of SCTP.
var associations = map[string]exchange{
	"client-closes":      {">INIT", "<INIT-ACK", ">COOKIE-ECHO", "<COOKIE-ACK", ">DATA", "<SACK", ">SHUTDOWN", "<SHUTDOWN-ACK", ">SHUTDOWN-COMPLETE"},
	"backend-closes":     {">INIT", "<INIT-ACK", ">COOKIE-ECHO", "<COOKIE-ACK", "<DATA", ">SACK", "<SHUTDOWN", ">SHUTDOWN-ACK", "<SHUTDOWN-COMPLETE"},
	"client-aborts":      {">INIT", "<INIT-ACK", ">COOKIE-ECHO DATA", "<COOKIE-ACK SACK", ">ABORT", ">DATA"},
	"backend-aborts":     {">INIT", "<INIT-ACK", ">COOKIE-ECHO", "<COOKIE-ACK", "<ABORT", ">DATA"},
	"refused":            {">INIT", "<ABORT", ">INIT"},
	"repeated-handshake": {">INIT", ">INIT", "<INIT-ACK", "<INIT-ACK", ">COOKIE-ECHO", ">COOKIE-ECHO", "<COOKIE-ACK"},
	"stale-cookie":       {">INIT", "<INIT-ACK", ">COOKIE-ECHO", "<ERROR", ">INIT"},
	"heartbeats":         {">INIT", "<INIT-ACK", ">COOKIE-ECHO", "<COOKIE-ACK", "<HEARTBEAT", ">HEARTBEAT"},
	"new-after-close":    {">INIT", "<INIT-ACK", ">COOKIE-ECHO", "<COOKIE-ACK", ">SHUTDOWN", "<SHUTDOWN-ACK", ">SHUTDOWN-COMPLETE", ">INIT", "<INIT-ACK"},
	"data-first":         {">DATA", ">INIT"},
}

// states are those ways, with a look at the connection after every packet.
func states() (all []Scenario) {
	for _, name := range sorted(lives) {
		for _, mode := range Modes {
			s := service(TCP, mode, "rr", false, 1, 1)
			t := newStory("state/"+name+"/"+string(mode), s)
			t.live(s, 0, lives[name], true)
			all = append(all, t.s)
		}
		s := service(TCP, NAT, "rr", true, 1, 1)
		t := newStory("state/"+name+"/nat/v6", s)
		t.live(s, 0, lives[name], false)
		all = append(all, t.s)
	}
	for _, name := range sorted(associations) {
		for _, mode := range Modes {
			s := service(SCTP, mode, "rr", false, 1, 1)
			t := newStory("state/sctp/"+name+"/"+string(mode), s)
			t.live(s, 0, associations[name], true)
			all = append(all, t.s)
		}
	}
	return all
}

// live takes client i's connection through an exchange. Without nat the backend's packets do not pass.
func (t *story) live(s Service, i int, x exchange, look bool) {
	last := -1 // the client's packet that a backend's answers
	for _, p := range x {
		switch {
		case p[0] == '>':
			last = t.send(s.from(i, p[1:]))
		case s.Mode == NAT:
			t.reply(last, Packet{Flags: p[1:]})
		default:
			continue
		}
		if look {
			t.table()
		}
	}
}

// timeouts lets connections in all states wait for nearly their time and for longer, and looks whether they are still there.
func timeouts() (all []Scenario) {
	short := Timeouts{TCP: 40 * time.Second, TCPFin: 20 * time.Second, UDP: 30 * time.Second}
	for _, c := range []struct {
		name  string
		x     exchange
		after time.Duration
		set   Timeouts
	}{
		{"syn-recv", exchange{">S"}, 60 * time.Second, Timeouts{}},
		{"established", exchange{">S", "<SA", ">A"}, 900 * time.Second, Timeouts{}},
		{"established-set", exchange{">S", "<SA", ">A"}, 40 * time.Second, short},
		{"close-wait", exchange{">S", "<SA", ">A", ">FA"}, 60 * time.Second, Timeouts{}},
		{"fin-wait", exchange{">S", "<SA", ">A", "<FA"}, 120 * time.Second, Timeouts{}},
		{"fin-wait-set", exchange{">S", "<SA", ">A", "<FA"}, 20 * time.Second, short},
		{"time-wait", exchange{">S", "<SA", ">A", ">FA", "<FA"}, 120 * time.Second, Timeouts{}},
		{"close", exchange{">S", "<SA", ">A", "<RA"}, 10 * time.Second, Timeouts{}},
	} {
		s := service(TCP, NAT, "rr", false, 1, 1)
		t := newStory("timeout/tcp/"+c.name, s)
		t.s.Timeouts = c.set
		t.live(s, 0, c.x, false)
		t.wait(c.after * 3 / 4)
		t.table()
		t.wait(c.after)
		t.table()
		all = append(all, t.s)
	}
	for _, mode := range Modes {
		for _, set := range []Timeouts{{}, short} {
			after := or(set.UDP, 300*time.Second)
			s := service(UDP, mode, "rr", false, 1, 1)
			t := newStory("timeout/udp/"+string(mode)+"/"+after.String(), s)
			t.s.Timeouts = set
			first := t.send(s.from(0, ""))
			t.wait(after * 3 / 4)
			t.send(s.from(0, "")) // goes to the same, and puts the end off
			if mode == NAT {
				t.reply(first, Packet{Payload: 10})
			}
			t.wait(after * 3 / 4)
			t.table()
			t.send(s.from(0, ""))
			t.wait(after * 2)
			t.table()
			t.send(s.from(0, "")) // a new connection: the next in turn
			t.table()
			all = append(all, t.s)
		}
	}
	return all
}
