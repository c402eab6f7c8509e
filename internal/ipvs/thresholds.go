package ipvs

// thresholds fills backends up and empties them again, under every scheduler.
func thresholds() (all []Scenario) {
	for _, name := range Schedulers {
		if name == "lblc" { // see the differences
			continue
		}
		s := service(TCP, NAT, name, false, 2, 1, 1)
		for i, upper := range []int{3, 4, 0} {
			s.Backends[i].Upper = upper
		}
		s.Backends[1].Lower = 2
		t := newStory("threshold/"+name, s)
		for i := range 12 {
			t.open(s, i)
		}
		t.table()
		for i := range 6 { // some end
			t.send(s.from(i, "R"))
		}
		t.wait(11 * 1e9)
		for i := range 8 {
			t.open(s, 20+i)
		}
		t.table()
		if name == "wrr" { // see the differences
			all = append(all, t.s)
			continue
		}
		more := s.weights(2, 1, 1)
		more.Backends[0].Upper, more.Backends[1].Upper, more.Backends[2].Upper = 0, 20, 30
		more.Backends[1].Lower = 0
		t.edit(more)
		for i := range 6 {
			t.open(s, 40+i)
		}
		t.table()
		all = append(all, t.s)
	}
	return all
}
