package api

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/weirlb/weir/slowpath/view"
)

// Controller changes the running daemon. Its methods are called from several goroutines at a time. After an error,
// nothing has changed. Those that change the configuration return what changed, a line each, and its revision then.
type Controller interface {
	// Reload applies the configuration file again.
	Reload(ReloadOptions) (done view.Reload, revision string, err error)
	// Save writes what was changed at run time to the file; force: even if the file is not the one that was loaded.
	Save(o ChangeOptions, force bool) (changes []string, revision string, err error)
	// SetWeight changes a backend's weight, 0 (take no new connections) to 65535.
	SetWeight(o ChangeOptions, service string, backend netip.AddrPort, weight int) (changes []string, revision string, err error)
	// Drain makes a backend take no new connections, or, undone, as many as before.
	Drain(o ChangeOptions, service string, backend netip.AddrPort, undo bool) (changes []string, revision string, err error)
	AddBackend(o ChangeOptions, service string, backend netip.AddrPort, weight int) (changes []string, revision string, err error)
	RemoveBackend(o ChangeOptions, service string, backend netip.AddrPort) (changes []string, revision string, err error)
	// Capture begins a capture, which runs until its Run returns.
	Capture(view.CaptureRequest) (Capture, error)
	// EndCapture makes the capture of that number come to its end.
	EndCapture(id int) error
	// Watch begins to watch events.
	Watch() (Watcher, error)
}

// ChangeOptions are those of every change.
type ChangeOptions struct {
	Match Match
	By    string // who asks for it
}

// ReloadOptions are those of a reload.
type ReloadOptions struct {
	ChangeOptions
	DryRun      bool // only tell
	KeepRuntime bool // what was changed at run time stays
}

// Watcher gets events.
type Watcher interface {
	// Events is closed after the last.
	Events() <-chan view.Event
	// Behind reports, then, whether the watcher did not keep up.
	Behind() bool
	Close()
}

// Match is the revisions of the configuration for which a change is meant; the zero value is any.
type Match struct {
	given, any bool
	revisions  []string
}

// Only is the match of one revision.
func Only(revision string) Match { return Match{given: true, revisions: []string{revision}} }

// Holds reports whether a change is meant for a revision.
func (m Match) Holds(revision string) bool {
	return !m.given || m.any || slices.Contains(m.revisions, revision)
}

// matchOf reads If-Match (RFC 9110 section 13.1.1). It takes strong comparison: a weak tag matches nothing.
func matchOf(r *http.Request) (m Match, err error) {
	text := strings.Join(r.Header.Values("If-Match"), ",")
	if text == "" {
		return m, nil
	}
	m.given = true
	tags, any, err := parseTags(text)
	if err != nil {
		return m, failf(http.StatusBadRequest, codeBadRequest, "If-Match %q: %v", text, err)
	}
	m.any = any
	for _, t := range tags {
		if !t.weak {
			m.revisions = append(m.revisions, t.opaque)
		}
	}
	return m, nil
}

// tag is an entity tag (RFC 9110 section 8.8.3).
type tag struct {
	weak   bool
	opaque string
}

// parseTags reads a list of entity tags, or *.
func parseTags(text string) (tags []tag, any bool, err error) {
	if text = strings.TrimSpace(text); text == "*" {
		return nil, true, nil
	}
	for text != "" {
		var t tag
		text, t.weak = strings.CutPrefix(text, "W/")
		rest, ok := strings.CutPrefix(text, `"`)
		if !ok {
			return nil, false, fmt.Errorf(`an entity tag stands in quotes, as ETag gives it, or is *`)
		}
		if t.opaque, text, ok = strings.Cut(rest, `"`); !ok {
			return nil, false, fmt.Errorf("an entity tag ends with a quote")
		}
		tags = append(tags, t)
		text = strings.TrimLeft(text, " \t,")
	}
	return tags, false, nil
}

func entityTag(revision string) string { return `"` + revision + `"` }
