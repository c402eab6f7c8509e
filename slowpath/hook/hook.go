// Package hook runs operators' programs when a backend or a service goes up or down: away from everything that has to
// go on meanwhile, each for a limited time, and the changes of one service in their order.
package hook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"
)

// Program is what to run for a service's changes.
type Program struct {
	Command []string // the path and the arguments
	Timeout time.Duration
}

// Change is what a program is told, in its environment.
type Change struct {
	Service string
	Backend string // empty: the service itself changed
	Up      bool
	Reason  string
}

// Name is the change's kind: backend-up, backend-down, service-up or service-down.
func (c Change) Name() string {
	what, state := "service", "down"
	if c.Backend != "" {
		what = "backend"
	}
	if c.Up {
		state = "up"
	}
	return what + "-" + state
}

func (c Change) environment() []string {
	return []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
		"WEIR_EVENT=" + c.Name(), "WEIR_SERVICE=" + c.Service, "WEIR_BACKEND=" + c.Backend, "WEIR_REASON=" + c.Reason,
	}
}

// Bounds of what may wait for a service's program, and of the programs that run at a time.
const (
	maxWaiting = 1000
	maxRunning = 16
)

// Runner runs programs. Its methods may be called from any goroutine, and return at once; Close waits.
type Runner struct {
	log     *slog.Logger
	ctx     context.Context
	end     context.CancelFunc
	running sync.WaitGroup
	slots   chan struct{}

	mu       sync.Mutex // guards what follows
	programs map[string]Program
	waiting  map[string][]Change // by service; there while its program runs
	closed   bool
}

// New makes a runner without programs. It logs what goes wrong with them.
func New(log *slog.Logger) *Runner {
	ctx, cancel := context.WithCancel(context.Background())
	return &Runner{log: log, ctx: ctx, end: cancel, slots: make(chan struct{}, maxRunning), waiting: map[string][]Change{}}
}

// Set tells which program belongs to which service from now on.
func (r *Runner) Set(programs map[string]Program) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.programs = programs
}

// Fire has the service's program run, after those of its earlier changes. Without a program, it does nothing.
func (r *Runner) Fire(c Change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.programs[c.Service]; !ok || r.closed {
		return
	}
	queue, busy := r.waiting[c.Service]
	if len(queue) >= maxWaiting {
		r.log.Warn("a change was not told to its hook: too many wait for it to end", "service", c.Service, "event", c.Name(), "backend", c.Backend)
		return
	}
	r.waiting[c.Service] = append(queue, c)
	if !busy {
		r.running.Go(func() { r.work(c.Service) })
	}
}

// work runs a service's program until nothing waits for it.
func (r *Runner) work(service string) {
	for {
		c, p, ok := r.next(service)
		if !ok {
			return
		}
		select {
		case r.slots <- struct{}{}:
		case <-r.ctx.Done():
			continue
		}
		begun := time.Now()
		err := run(r.ctx, p, c)
		<-r.slots
		if err != nil && r.ctx.Err() == nil {
			r.log.Warn("a hook failed", "service", service, "event", c.Name(), "backend", c.Backend, "program", p.Command[0],
				"took", time.Since(begun).Round(time.Millisecond), "error", err)
		}
	}
}

// next takes a change out of a service's queue. The program is the one of the configuration in force by now.
func (r *Runner) next(service string) (c Change, p Program, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	queue := r.waiting[service]
	p, ok = r.programs[service]
	if len(queue) == 0 || !ok || r.closed {
		delete(r.waiting, service)
		return c, p, false
	}
	r.waiting[service] = queue[1:]
	return queue[0], p, true
}

// Close kills what runs and waits for its end. Nothing is run any more.
func (r *Runner) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.end()
	r.running.Wait()
}

// afterKill is how long a program's children may hold on to its output once it has ended or was killed.
const afterKill = 100 * time.Millisecond

// run runs a program to its end. The error is a sentence for the log.
func run(ctx context.Context, p Program, c Change) error {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	var said head
	cmd := exec.CommandContext(ctx, p.Command[0], p.Command[1:]...)
	cmd.Env, cmd.Dir = c.environment(), "/"
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // its children, too
	cmd.WaitDelay = afterKill
	err := cmd.Run()
	switch {
	case err == nil || errors.Is(err, exec.ErrWaitDelay):
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("killed, as it had not ended after %v", p.Timeout)
	case said.b.Len() > 0:
		return fmt.Errorf("%w: %s", err, said.line())
	}
	return err
}

const maxShown = 120 // characters

// head keeps the beginning of what a program writes.
type head struct{ b bytes.Buffer }

// Write implements io.Writer. exec calls it from one goroutine at a time if it gets the same for both outputs.
func (h *head) Write(p []byte) (int, error) {
	h.b.Write(p[:min(len(p), maxShown-h.b.Len())])
	return len(p), nil
}

// line is the first line, made safe to show.
func (h *head) line() string {
	first, _, _ := strings.Cut(strings.TrimSpace(h.b.String()), "\n")
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, first)
}
