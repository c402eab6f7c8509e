package ipvs

import "time"

// policies are what LVS has sysctls for, and Weir options of services: what becomes of the connections and clients of a
// backend that is drained or gone. conn_reuse_mode 1, expire_nodest_conn 0 and expire_quiescent_template 0 are the defaults, which
// all other scenarios have.
func policies() (all []Scenario) {
	for _, proto := range Protocols {
		for _, mode := range Modes {
			all = append(all, nodest(proto, mode), quiescent(proto, mode), reuse(proto, mode))
		}
	}
	return all
}

// nodest takes a backend away whose connections are to end with that.
func nodest(proto Protocol, mode Mode) Scenario {
	s := service(proto, mode, "rr", false, 1, 1, 1)
	s.Options = []Option{{"on_remove", "reschedule"}, {"expire_nodest", "true"}}
	t := newStory("policy/expire-nodest/"+string(proto)+"/"+string(mode), s)
	t.s.Sysctls = map[string]int{"expire_nodest_conn": 1}
	for i := range 6 {
		t.open(s, i)
	}
	t.edit(s.weights(0, 1, 1)) // connections stay
	t.send(s.further(0))
	t.send(s.further(1))
	t.send(s.further(3))
	t.table()
	t.edit(s.without(0))
	t.wait(time.Second) // Linux needs a moment
	for _, i := range []int{0, 3, 1} {
		t.send(s.opening(i))
	}
	t.table()
	t.edit(s)
	t.open(s, 7)
	t.table()
	return t.s
}

// quiescent drains a backend whose clients are to leave it.
func quiescent(proto Protocol, mode Mode) Scenario {
	s := service(proto, mode, "rr", false, 1, 1, 1)
	s.Persistence = 400 * time.Second
	s.Options = []Option{{"expire_quiescent", "true"}}
	t := newStory("policy/expire-quiescent/"+string(proto)+"/"+string(mode), s)
	t.s.Sysctls = map[string]int{"expire_quiescent_template": 1}
	for n := range 2 {
		for i := range 4 {
			t.send(s.again(i, n))
		}
	}
	t.edit(s.weights(0, 1, 1))
	for n := range 2 {
		for i := range 4 {
			t.send(s.again(i, 3+n))
		}
	}
	t.table()
	t.edit(s)
	for i := range 4 {
		t.send(s.again(i, 6))
	}
	t.table()
	return t.s
}

// reuse has clients begin connections anew from ports of former ones, in all their states.
func reuse(proto Protocol, mode Mode) Scenario {
	s := service(proto, mode, "rr", false, 1, 1, 1)
	t := newStory("policy/reuse/"+string(proto)+"/"+string(mode), s)
	ways := lives
	if proto == SCTP {
		ways = associations
	}
	if proto == UDP {
		ways = map[string]exchange{"": {">", "<", ">"}}
	}
	for i, name := range sorted(ways) {
		t.live(s, i, ways[name], false)
	}
	for range 2 {
		for i := range len(ways) {
			t.send(s.opening(i))
		}
		t.table()
	}
	return t.s
}
