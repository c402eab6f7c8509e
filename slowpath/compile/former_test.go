package compile

import "testing"

func TestServiceThatGainsOrLosesAddressesKeepsPlaces(t *testing.T) {
	r := newRig(t)
	s := web(first)
	r.compile(s)
	before, service := r.place(s, first), *r.c.services["web"]
	if r.c.Places(&s)[0].wide {
		t.Error("with one address its packets are all rewritten in one way")
	}
	s.Addresses = at("203.0.113.10:80", "203.0.113.11:80")
	r.compile(s)
	if p := r.place(s, first); p.Index != before.Index || p.Gen != before.Gen || !p.wide {
		t.Errorf("with two addresses: %+v, was %+v", p, before)
	}
	// There may be connections by way of the other one.
	s.Addresses = at("203.0.113.10:80")
	r.compile(s)
	if p := r.place(s, first); p.Gen != before.Gen || !p.wide {
		t.Errorf("with one again: %+v, was %+v", p, before)
	}
	s.Addresses = at("203.0.113.99:80")
	r.compile(s)
	if p := r.place(s, first); p.Gen == before.Gen || p.wide || r.c.services["web"].Index != service.Index {
		t.Errorf("with another: %+v, was %+v", p, before)
	}
}

func TestDestinationsKeepPlacesInAnyOrder(t *testing.T) {
	r := newRig(t)
	r.compile(web(first, second, third))
	a, b, c := r.place(web(), first), r.place(web(), second), r.place(web(), third)
	r.compile(web(third, "10.0.0.14:8080", first))
	if r.place(web(), first) != a || r.place(web(), third) != c || len(r.c.bePlaces.limbo) != 1 || r.c.bePlaces.limbo[0].index != b.Index {
		t.Errorf("%+v and %+v, given up: %+v", r.place(web(), first), r.place(web(), third), r.c.bePlaces.limbo)
	}
	r.compile(web(third))
	if r.place(web(), third) != c || r.snap.Backends.Len() != 4 {
		t.Errorf("%+v, %d places", r.place(web(), third), r.snap.Backends.Len())
	}
}
