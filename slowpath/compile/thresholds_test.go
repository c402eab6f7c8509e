package compile

import "testing"

func TestThresholdsReachTheLoadWithTheCommit(t *testing.T) {
	r := newRig(t)
	s := web(first, second)
	r.compile(s)
	load := r.place(s, first).Load
	s.Backends[0].UpperThreshold = 2
	_, commit, err := r.c.Compile(r.now, config(s), r.status, r.acked)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if !load.Reserve() {
			t.Fatal("a threshold counts before the commit")
		}
	}
	commit()
	if load.Reserve() {
		t.Error("the threshold does not count after the commit")
	}
	r.compile(s)
	for i := range uint64(4) {
		if n := r.picks(4)[r.place(s, first).Index]; n != 0 {
			t.Errorf("look %d: the full backend was picked %d times of 4", i, n)
		}
	}
	s.Backends[0].UpperThreshold = 0
	r.compile(s)
	if load.Full() || !load.Reserve() {
		t.Error("the backend is full without a threshold")
	}
}
