package watch

import (
	"testing"

	"github.com/weirlb/weir/slowpath/view"
)

func TestEventsAreNumberedForAllWatchersAlike(t *testing.T) {
	h := NewHub()
	h.Publish(view.Event{Type: view.EventReload}) // before anybody watches
	a, err := h.Watch()
	if err != nil {
		t.Fatal(err)
	}
	h.Publish(view.Event{Type: view.EventWeight})
	b, err := h.Watch()
	if err != nil {
		t.Fatal(err)
	}
	h.Publish(view.Event{Type: view.EventDrain})
	h.Close()
	for w, want := range map[*Watcher][]uint64{a: {2, 3}, b: {3}} {
		var got []uint64
		for e := range w.Events() {
			if got = append(got, e.Number); e.Time.IsZero() {
				t.Error("an event has no time")
			}
		}
		if len(got) != len(want) || got[0] != want[0] || w.Behind() {
			t.Errorf("got %d, want %d, behind %t", got, want, w.Behind())
		}
	}
}

func TestAWatcherThatDoesNotKeepUpIsCutOffAndNobodyElse(t *testing.T) {
	h := NewHub()
	slow, err := h.Watch()
	if err != nil {
		t.Fatal(err)
	}
	quick, err := h.Watch()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 * MaxWaiting {
		h.Publish(view.Event{})
		if e := <-quick.Events(); e.Number != uint64(i+1) {
			t.Fatalf("event %d came as %d", i+1, e.Number)
		}
	}
	n := 0
	for range slow.Events() {
		n++
	}
	if n != MaxWaiting || !slow.Behind() || quick.Behind() || h.Watchers() != 1 {
		t.Errorf("%d events waited, behind %t and %t, %d watchers", n, slow.Behind(), quick.Behind(), h.Watchers())
	}
	slow.Close() // what has ended can be closed
	quick.Close()
	quick.Close()
	if h.Watchers() != 0 {
		t.Errorf("%d watchers are left", h.Watchers())
	}
}

func TestThereIsABoundToWatchers(t *testing.T) {
	h := NewHub()
	var last *Watcher
	for range MaxWatchers {
		w, err := h.Watch()
		if err != nil {
			t.Fatal(err)
		}
		last = w
	}
	if _, err := h.Watch(); err == nil {
		t.Error("there is one more")
	}
	last.Close()
	if _, err := h.Watch(); err != nil {
		t.Error(err)
	}
	h.Close()
	if w, err := h.Watch(); err != nil || !closed(w) {
		t.Errorf("a closed hub: %v", err)
	}
}

func closed(w *Watcher) bool {
	_, more := <-w.Events()
	return !more
}
