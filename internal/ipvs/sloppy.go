package ipvs

// strangers are connections of which the first that is seen is not the first packet, as after a balancer's restart.
var strangers = map[Protocol]map[string]exchange{
	TCP: {
		"data":          {">A", "<A", ">PA", "<PA"},
		"fin":           {">FA", "<FA", ">A"},
		"push":          {">PA", ">PA", "<FA", ">A", ">FA", "<A"},
		"handshake":     {">S", "<SA", ">A"},
		"answer":        {">SA", "<A"},
		"reset":         {">R", ">A"},
		"reset-and-ack": {">RA"},
		"no-flags":      {">", "<A"},
	},
	SCTP: {
		"data":              {">DATA", "<SACK", ">DATA"},
		"cookie":            {">COOKIE-ECHO", "<COOKIE-ACK", ">DATA"},
		"handshake":         {">INIT", "<INIT-ACK", ">COOKIE-ECHO", "<COOKIE-ACK"},
		"heartbeat":         {">HEARTBEAT", "<DATA"},
		"shutdown":          {">SHUTDOWN", "<SHUTDOWN-ACK", ">SHUTDOWN-COMPLETE"},
		"shutdown-complete": {">SHUTDOWN-COMPLETE"},
		"abort":             {">ABORT", ">DATA"},
		"init-ack":          {">INIT-ACK"},
	},
}

// sloppy has those where both let them begin a connection: sloppy_tcp, sloppy_sctp.
func sloppy() (all []Scenario) {
	for _, proto := range []Protocol{TCP, SCTP} {
		for _, name := range sorted(strangers[proto]) {
			for _, mode := range Modes {
				for _, v6 := range []bool{false, true} {
					s := service(proto, mode, "rr", v6, 1, 1)
					s.Options = []Option{{"sloppy", "true"}}
					t := newStory("sloppy/"+string(proto)+"/"+name+"/"+string(mode)+"/"+version(v6), s)
					t.s.Sysctls = map[string]int{"sloppy_" + string(proto): 1}
					t.live(s, 0, strangers[proto][name], true)
					t.live(s, 1, strangers[proto][name], false)
					all = append(all, t.s)
				}
			}
		}
	}
	return all
}
