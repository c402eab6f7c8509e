package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/weirlb/weir/slowpath/view"
)

func TestADrainTellsHowManyAreLeftHowFastAndHowLong(t *testing.T) {
	began := time.Unix(1000, 0)
	for _, c := range []struct {
		terminal bool
		left     []int // one a second
		want     string
	}{
		{false, []int{10}, "10 connections left, 0.0 end each second, no end in sight (0s)\n"},
		{false, []int{10, 8, 6}, "10 connections left, 0.0 end each second, no end in sight (0s)\n"}, // the next line is due later
		{true, []int{10, 8}, "\r\033[K[..............................] 10 connections left, 0.0 end each second, no end in sight (0s)" +
			"\r\033[K[######........................] 8 connections left, 2.0 end each second, about 4s to go (1s)\n"},
		{true, []int{2, 0}, "\r\033[K[..............................] 2 connections left, 0.0 end each second, no end in sight (0s)" +
			"\r\033[K[##############################] 0 connections left, 2.0 end each second (1s)\n"},
		{true, []int{2, 4}, "\r\033[K[..............................] 2 connections left, 0.0 end each second, no end in sight (0s)" +
			"\r\033[K[..............................] 4 connections left, 0.0 end each second, no end in sight (1s)\n"},
	} {
		var out bytes.Buffer
		p := newProgress(&out, began)
		p.terminal = c.terminal
		for i, left := range c.left {
			p.show(began.Add(time.Duration(i)*time.Second), left)
		}
		if p.end(); out.String() != c.want {
			t.Errorf("%v:\n%q, want\n%q", c.left, out.String(), c.want)
		}
	}
}

func TestTheRateForgetsWhatWasLongAgo(t *testing.T) {
	var r drainRate
	now := time.Unix(1000, 0)
	for i := range 100 {
		r.look(now.Add(time.Duration(i)*time.Second), max(900, 1000-10*i))
	}
	if got := r.perSecond(); got != 0 {
		t.Errorf("nothing has ended for long, and the rate is %f", got)
	}
}

func TestADrainThatSomebodyElseEndsIsNoSuccess(t *testing.T) {
	var out bytes.Buffer
	_, err := followDrain(t.Context(), newProgress(&out, time.Now()), func() (view.Backend, error) { return view.Backend{Weight: 2}, nil })
	if err == nil || !strings.Contains(err.Error(), "somebody else") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	left, err := followDrain(ctx, newProgress(&out, time.Now()), func() (view.Backend, error) { cancel(); return view.Backend{Active: 1, Inactive: 2}, nil })
	if left != 3 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d left, %v", left, err)
	}
}

func TestTheErrorsOfAReloadStandBelowEachOther(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.Local)
	got := eventLine(view.Event{Time: at, Type: view.EventReload, Text: "not reloaded: weir.yaml:3: one\nweir.yaml:7: two", By: "uid 0"})
	want := "03:04:05.006  reload    not reloaded: weir.yaml:3: one\n                        weir.yaml:7: two (by uid 0)\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestAnEventIsALineAndItsChangesBelow(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.Local)
	got := eventLine(view.Event{Time: at, Type: view.EventReload, Text: "configuration reloaded: 1 change", By: "uid 0", Changes: []string{"- service dns"}})
	want := "03:04:05.006  reload    configuration reloaded: 1 change (by uid 0)\n                        - service dns\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
