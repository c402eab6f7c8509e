package api

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// complaintPeriod is how often the server complains of connections at most: anybody can make it do so by TCP.
const complaintPeriod = time.Second

// complaints takes what the HTTP server has to say of connections, and logs one in a while.
type complaints struct {
	mu     sync.Mutex
	next   time.Time
	silent int // since the last
}

var _ slog.Handler = (*complaints)(nil)

// Enabled implements slog.Handler.
func (c *complaints) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (c *complaints) Handle(_ context.Context, r slog.Record) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if now.Before(c.next) {
		c.silent++
		return nil
	}
	slog.Warn("the API has trouble with a connection", "error", r.Message, "others_since_the_last", c.silent)
	c.next, c.silent = now.Add(complaintPeriod), 0
	return nil
}

// WithAttrs implements slog.Handler; the HTTP server gives none.
func (c *complaints) WithAttrs([]slog.Attr) slog.Handler { return c }

// WithGroup implements slog.Handler.
func (c *complaints) WithGroup(string) slog.Handler { return c }
