package daemon

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/internal/netnstest"
	"github.com/weirlb/weir/slowpath/api"
	"github.com/weirlb/weir/slowpath/view"
)

// patience is how long a test waits for what should happen soon.
const patience = 20 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a daemon in a test.
type rig struct {
	t      *testing.T
	hw     *wires
	file   string
	socket string
	log    *lockedBuffer
	hup    chan os.Signal
	stop   context.CancelFunc
	ended  chan error
	once   sync.Once
}

// lockedBuffer collects the log.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// load writes and loads a configuration, with the API on a socket of the test's own and no metrics.
func load(t *testing.T, file, config string) *conf.Config {
	t.Helper()
	config += "\napi: {socket: " + filepath.Join(filepath.Dir(file), "weir.sock") + "}\nmetrics: {listen: \"\"}\n"
	if _, more, ok := strings.Cut(config, "# api: "); ok { // what the section has besides
		more, _, _ = strings.Cut(more, "\n")
		config = strings.Replace(config, "api: {socket: ", "api: {"+more+", socket: ", 1)
	}
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	cfg, err := conf.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// startIn runs a daemon on some hardware, in a network namespace unless ns is empty, until the test ends.
func startIn(t *testing.T, ns string, hw *wires, config string) *rig {
	t.Helper()
	r := &rig{t: t, hw: hw, file: filepath.Join(t.TempDir(), "weir.yaml"), log: &lockedBuffer{}, hup: make(chan os.Signal), ended: make(chan error, 1)}
	cfg := load(t, r.file, config)
	r.socket = cfg.API.Socket
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	ready := make(chan struct{})
	go func() {
		if ns != "" {
			runtime.LockOSThread()
			if err := netnstest.Enter(ns); err != nil {
				r.ended <- err
				return
			}
		}
		r.ended <- Run(ctx, Options{
			Config: cfg, Hardware: hw, Version: "test", Log: slog.New(slog.NewTextHandler(r.log, nil)),
			Reload: r.hup, Ready: func() { close(ready) },
		})
	}()
	select {
	case <-ready:
	case err := <-r.ended:
		t.Fatalf("the daemon did not come up: %v\n%s", err, r.log)
	case <-time.After(patience):
		t.Fatalf("the daemon does not get ready:\n%s", r.log)
	}
	t.Cleanup(r.end)
	return r
}

// end stops the daemon, which must go without an error.
func (r *rig) end() {
	r.once.Do(func() {
		r.stop()
		select {
		case err := <-r.ended:
			if err != nil {
				r.t.Errorf("the daemon ended with: %v\n%s", err, r.log)
			}
			r.balanced()
		case <-time.After(patience):
			r.t.Fatalf("the daemon does not end:\n%s", r.log)
		}
	})
}

var totals = regexp.MustCompile(`packets_in=(\d+) packets_out=(\d+) packets_own=(\d+) packets_dropped=(\d+) packets_punted=(\d+) packets_waiting=(\d+)`)

// balanced looks at what the daemon said last of its packets.
func (r *rig) balanced() {
	m := totals.FindStringSubmatch(r.log.String())
	if m == nil {
		r.t.Errorf("the daemon did not say what became of its packets:\n%s", r.log)
		return
	}
	var n [6]int
	for i := range n {
		n[i], _ = strconv.Atoi(m[i+1])
	}
	if in, out, own, dropped, punted, waiting := n[0], n[1], n[2], n[3], n[4], n[5]; in != out+dropped+punted+waiting-own {
		r.t.Errorf("packets do not add up: %s", m[0])
	}
}

func (r *rig) until(what string, cond func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("waited in vain until %s; the log:\n%s", what, r.log)
		}
	}
}

// workers asks the daemon for its workers, as weir show does.
func (r *rig) workers() []view.Worker {
	r.t.Helper()
	list, err := api.Dial(r.socket).Show(r.t.Context(), "workers", api.Filter{})
	if err != nil {
		r.t.Fatal(err)
	}
	return list.([]view.Worker)
}

// conserved waits until every packet that came in is accounted for, and returns the workers' figures.
func (r *rig) conserved() (workers []view.Worker) {
	r.t.Helper()
	r.until("in = out + punted + dropped - own", func() bool {
		workers = r.workers()
		var sum view.Worker
		for _, w := range workers {
			sum.PacketsIn += w.PacketsIn
			sum.PacketsOut += w.PacketsOut
			sum.Punted += w.Punted
			sum.Dropped += w.Dropped
			sum.Own += w.Own
		}
		return sum.PacketsIn == sum.PacketsOut+sum.Punted+sum.Dropped-sum.Own
	})
	return workers
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
