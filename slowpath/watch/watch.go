// Package watch tells those who look on what happens in the running daemon. Who publishes never waits: a watcher that
// does not keep up is cut off, and told so.
package watch

import (
	"fmt"
	"sync"
	"time"

	"github.com/weirlb/weir/slowpath/view"
)

// Bounds of watchers, and of the events that wait for each.
const (
	MaxWatchers = 64
	MaxWaiting  = 256
)

// Hub passes events on. Its methods may be called from any goroutine, and return at once.
type Hub struct {
	mu       sync.Mutex
	number   uint64
	watchers map[*Watcher]struct{}
	closed   bool
}

// NewHub makes a hub without watchers.
func NewHub() *Hub { return &Hub{watchers: map[*Watcher]struct{}{}} }

// Watcher gets the events from its beginning on.
type Watcher struct {
	hub *Hub
	// events is closed by the hub when no more come.
	events chan view.Event
	// behind is set, before events is closed, if there was no room for an event.
	behind bool
}

// Publish numbers an event, gives it the time, and passes it to all watchers.
func (h *Hub) Publish(e view.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.number++
	e.Number, e.Time = h.number, time.Now()
	for w := range h.watchers {
		select {
		case w.events <- e:
		default:
			w.behind = true
			h.remove(w)
		}
	}
}

// remove is for the holder of the lock.
func (h *Hub) remove(w *Watcher) {
	if _, ok := h.watchers[w]; ok {
		delete(h.watchers, w)
		close(w.events)
	}
}

// Watch begins to watch; the watcher is to be closed.
func (h *Hub) Watch() (*Watcher, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.watchers) >= MaxWatchers {
		return nil, fmt.Errorf("there are %d watchers already, which is the most: end one of them", MaxWatchers)
	}
	w := &Watcher{hub: h, events: make(chan view.Event, MaxWaiting)}
	if h.closed {
		close(w.events)
		return w, nil
	}
	h.watchers[w] = struct{}{}
	return w, nil
}

// Watchers is how many there are.
func (h *Hub) Watchers() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.watchers)
}

// Close ends all watchers; what is published afterwards nobody gets.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for w := range h.watchers {
		h.remove(w)
	}
}

// Events are those since Watch. The channel is closed after the last.
func (w *Watcher) Events() <-chan view.Event { return w.events }

// Behind reports, once the channel is closed, whether the watcher did not keep up.
func (w *Watcher) Behind() bool {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	return w.behind
}

// Close ends the watcher.
func (w *Watcher) Close() {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	w.hub.remove(w)
}
