package ipvs

import "time"

// onePacket has services whose every packet is scheduled for itself (ipvsadm -o), also persistent ones.
func onePacket() (all []Scenario) {
	for _, mode := range Modes {
		for _, v6 := range []bool{false, true} {
			for _, scheduler := range []string{"rr", "wrr", "wlc", "sh", "mh"} {
				s := service(UDP, mode, scheduler, v6, 3, 1, 2)
				s.OnePacket = true
				t := newStory("one-packet/"+scheduler+"/"+string(mode)+"/"+version(v6), s)
				t.once(s)
				all = append(all, t.s)
			}
			s := service(UDP, mode, "rr", v6, 1, 1, 1)
			s.OnePacket, s.Persistence = true, 300*time.Second
			t := newStory("one-packet/persistence/"+string(mode)+"/"+version(v6), s)
			t.once(s)
			all = append(all, t.s)
		}
	}
	return all
}

// once sends from the same ports again and again.
func (t *story) once(s Service) {
	for n := range 3 {
		for i := range 4 {
			p := s.opening(i)
			p.Payload = 20 + n
			t.send(p)
		}
	}
	t.table()
	t.edit(s.weights(1, 0, 2))
	for i := range 6 {
		t.send(s.opening(i))
	}
	t.edit(s.weights(1, 0, 2).without(2))
	for i := range 4 {
		t.send(s.opening(i))
	}
	t.edit(s.weights(0, 0, 0))
	t.send(s.opening(0))
	t.table()
}
