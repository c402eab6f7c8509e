// Package logging makes the daemon's log: a line for each change of state, as text or JSON, and no more than somebody can
// read. What happens to ten thousand backends at once, or again and again, is told by its first lines and a number.
package logging

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// burst is how many lines of a kind may come at once, and perSecond how many after that.
	burst     = 100
	perSecond = 10
	// reportAfter is how long lines are suppressed before their number is told.
	reportAfter = 10 * time.Second
)

// New makes a log of a format (text or json) and a lowest level (debug, info, warn or error). flush tells at once what has
// been suppressed so far; nothing is told later of what comes before it.
func New(w io.Writer, format, level string) (log *slog.Logger, flush func(), err error) {
	var l slog.Level
	switch level {
	case "debug", "info", "warn", "error":
		_ = l.UnmarshalText([]byte(level)) // knows these
	default:
		return nil, nil, fmt.Errorf("--log-level is debug, info, warn or error, not %s", level)
	}
	options := &slog.HandlerOptions{Level: l}
	var out slog.Handler
	switch format {
	case "text":
		out = slog.NewTextHandler(w, options)
	case "json":
		out = slog.NewJSONHandler(w, options)
	default:
		return nil, nil, fmt.Errorf("--log is text or json, not %s", format)
	}
	h := newLimited(out)
	return slog.New(h), h.limits.flush, nil
}

// limited passes on a bounded number of lines of each kind. A kind is where in the program they come from, so that their
// number is bounded, too.
type limited struct {
	slog.Handler
	limits *limits
}

type kind struct {
	pc    uintptr
	level slog.Level
}

// limits are shared by a handler and those made of it.
type limits struct {
	out   slog.Handler
	mu    sync.Mutex
	kinds map[kind]*limit
}

// limit is one kind's.
type limit struct {
	rate       *rate.Limiter
	suppressed int
	message    string // of the last line that was
	timer      *time.Timer
}

func newLimited(out slog.Handler) *limited {
	return &limited{out, &limits{out: out, kinds: map[kind]*limit{}}}
}

// Handle implements slog.Handler.
func (h *limited) Handle(ctx context.Context, r slog.Record) error {
	if !h.limits.admit(&r) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *limited) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &limited{h.Handler.WithAttrs(attrs), h.limits}
}

// WithGroup implements slog.Handler.
func (h *limited) WithGroup(name string) slog.Handler {
	return &limited{h.Handler.WithGroup(name), h.limits}
}

func (l *limits) admit(r *slog.Record) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := kind{r.PC, r.Level}
	of := l.kinds[k]
	if of == nil {
		of = &limit{rate: rate.NewLimiter(perSecond, burst)}
		l.kinds[k] = of
	}
	if of.rate.AllowN(r.Time, 1) {
		return true
	}
	of.message = r.Message
	if of.suppressed++; of.suppressed == 1 {
		of.timer = time.AfterFunc(reportAfter, func() { l.report(k) })
	}
	return false
}

// report tells how many lines of a kind were suppressed.
func (l *limits) report(k kind) {
	l.mu.Lock()
	of := l.kinds[k]
	n, message := of.suppressed, of.message
	of.suppressed = 0
	of.timer.Stop()
	l.mu.Unlock()
	if n == 0 {
		return
	}
	r := slog.NewRecord(time.Now(), k.level, fmt.Sprintf("%d similar suppressed", n), k.pc)
	r.AddAttrs(slog.String("last", message))
	_ = l.out.Handle(context.Background(), r) // as slog.Logger does
}

// flush reports all kinds.
func (l *limits) flush() {
	l.mu.Lock()
	var waiting []kind
	for k, of := range l.kinds {
		if of.suppressed > 0 {
			waiting = append(waiting, k)
		}
	}
	l.mu.Unlock()
	for _, k := range waiting {
		l.report(k)
	}
}
