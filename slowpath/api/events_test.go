package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirlb/weir/slowpath/view"
	"github.com/weirlb/weir/slowpath/view/viewtest"
	"github.com/weirlb/weir/slowpath/watch"
)

var errEnough = errors.New("enough")

// watchUntil watches until an event of the type stopping comes, and returns the types and services of all.
func watchUntil(t *testing.T, path string, f WatchFilter, ready func()) (got []string) {
	t.Helper()
	err := Dial(path).Watch(t.Context(), f, func(e view.Event) error {
		got = append(got, strings.TrimSpace(e.Type+" "+e.Service))
		switch e.Type {
		case view.EventWatching:
			if e.Revision != revision {
				t.Errorf("the first event has revision %q", e.Revision)
			}
			ready()
		case view.EventStopping:
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Fatalf("watching ends with %v after %q", err, got)
	}
	return got
}

func TestWatchersGetWhatTheyAskedFor(t *testing.T) {
	for want, f := range map[string]WatchFilter{
		"watching,weight web,backend dns,reload,stopping": {},
		"watching,weight web,stopping":                    {Types: []string{"weight", "drain"}},
		"watching,backend dns,stopping":                   {Service: "dns"},
		"watching,stopping":                               {Service: "dns", Types: []string{"weight"}},
	} {
		rec := &recorder{}
		path, _ := serve(t, viewtest.Sample(), rec)
		got := watchUntil(t, path, f, func() {
			for _, e := range []view.Event{
				{Type: view.EventWeight, Service: "web"}, {Type: view.EventBackend, Service: "dns"}, {Type: view.EventReload}, {Type: view.EventStopping},
			} {
				rec.hub().Publish(e)
			}
		})
		if strings.Join(got, ",") != want {
			t.Errorf("%+v: got %q, want %s", f, got, want)
		}
	}
}

// TestASlowWatcherIsCutOffAndTold publishes more than waits for a watcher before it has read any.
func TestASlowWatcherIsCutOffAndTold(t *testing.T) {
	rec := &recorder{}
	path, _ := serve(t, viewtest.Sample(), rec)
	long := strings.Repeat("x", 1<<16) // more than a socket's buffer holds of few
	n := 0
	err := Dial(path).Watch(t.Context(), WatchFilter{}, func(e view.Event) error {
		if e.Type == view.EventWatching {
			for range 4 * watch.MaxWaiting {
				rec.hub().Publish(view.Event{Type: view.EventReload, Text: long})
			}
		}
		n++
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "did not keep up") {
		t.Errorf("got %v", err)
	}
	if n < watch.MaxWaiting || n > 3*watch.MaxWaiting {
		t.Errorf("%d events came before", n)
	}
}

func TestTooManyWatchersAreRefused(t *testing.T) {
	rec := &recorder{}
	for range watch.MaxWatchers {
		if _, err := rec.hub().Watch(); err != nil {
			t.Fatal(err)
		}
	}
	path, _ := serve(t, viewtest.Sample(), rec)
	err := Dial(path).Watch(t.Context(), WatchFilter{}, func(view.Event) error { return nil })
	var refused Refusal
	if !errors.As(err, &refused) || refused.Code != codeTooMany {
		t.Errorf("got %v", err)
	}
	if status, _ := request(t, path, http.MethodGet, "/v1/events", ""); status != http.StatusServiceUnavailable {
		t.Errorf("status %d", status)
	}
}

func TestAWatcherThatGoesIsForgotten(t *testing.T) {
	rec := &recorder{}
	path, _ := serve(t, viewtest.Sample(), rec)
	ctx, cancel := context.WithCancel(t.Context())
	err := Dial(path).Watch(ctx, WatchFilter{}, func(view.Event) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	for deadline := time.Now().Add(20 * time.Second); rec.hub().Watchers() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the watcher is still there")
		}
	}
}

func TestEventTypesAreDescribed(t *testing.T) {
	var seen []string
	for _, typ := range view.EventTypes {
		if slices.Contains(seen, typ) {
			t.Errorf("%s is there twice", typ)
		}
		seen = append(seen, typ)
		if _, err := eventFilter(&http.Request{URL: mustURL(t, "/v1/events?type="+typ)}); err != nil {
			t.Error(err)
		}
	}
	if _, err := eventFilter(&http.Request{URL: mustURL(t, "/v1/events?type=x")}); err == nil || !strings.Contains(fmt.Sprint(err), "reload") {
		t.Errorf("got %v", err)
	}
}
