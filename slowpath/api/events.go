package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	api "github.com/weirlb/weir/docs/api"
	"github.com/weirlb/weir/slowpath/view"
)

// alivePeriod is how often a watcher hears something, so that either end finds out when the other is gone.
const alivePeriod = 30 * time.Second

// events answers with one event a line, in JSON, until either end has enough.
func (h *handler) events(w http.ResponseWriter, r *http.Request) {
	wanted, err := eventFilter(r)
	if err != nil {
		refuse(w, err)
		return
	}
	watcher, err := h.ctl.Watch()
	if err != nil {
		refuse(w, failf(http.StatusServiceUnavailable, codeTooMany, "%v", err))
		return
	}
	defer watcher.Close()
	out := &stream{w, http.NewResponseController(w)}
	_ = out.ctl.SetReadDeadline(time.Time{}) // the server's would end the request's context; writing fails by itself
	w.Header().Set("Content-Type", "application/x-ndjson")
	say := func(e view.Event) bool {
		if e.Time.IsZero() {
			e.Time = time.Now()
		}
		line, _ := json.Marshal(e) // strings and numbers always can
		_, err := out.Write(append(line, '\n'))
		return err == nil
	}
	revision := h.src.Daemon().Revision
	if !say(view.Event{Type: view.EventWatching, Text: "from now on; the configuration has revision " + revision, Revision: revision}) || out.Flush() != nil {
		return
	}
	alive := time.NewTicker(alivePeriod)
	defer alive.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-alive.C:
			if !say(view.Event{Type: view.EventAlive, Text: "nothing happened"}) || out.Flush() != nil {
				return
			}
		case e, more := <-watcher.Events():
			if !more {
				if watcher.Behind() {
					_ = say(view.Event{Type: view.EventBehind, Text: "this watcher did not keep up and is cut off: watch again, and look at what there is"})
				}
				return
			}
			if wanted(e) && (!say(e) || len(watcher.Events()) == 0 && out.Flush() != nil) {
				return
			}
		}
	}
}

// eventFilter is what a request wants to hear of: what is said to the watcher itself, always.
func eventFilter(r *http.Request) (func(view.Event) bool, error) {
	query := r.URL.Query()
	if err := only(query, "type", "service"); err != nil {
		return nil, err
	}
	var types []string
	for _, v := range query["type"] {
		for t := range strings.SplitSeq(v, ",") {
			if t != "" {
				types = append(types, t)
			}
		}
	}
	for _, t := range types {
		if !slices.Contains(view.EventTypes, t) {
			return nil, failf(http.StatusBadRequest, codeBadRequest, "there are no events of type %q: there are %s", t, strings.Join(view.EventTypes, ", "))
		}
	}
	service := query.Get("service")
	return func(e view.Event) bool {
		return e.Type == view.EventStopping ||
			(len(types) == 0 || slices.Contains(types, e.Type)) && (service == "" || service == e.Service)
	}, nil
}

// description answers with the API's own.
func (h *handler) description(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(api.Description) // the peer may be gone: nobody is left to tell
}
