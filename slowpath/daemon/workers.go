package daemon

import (
	"fmt"
	"runtime"
	"time"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath"
	"github.com/weirlb/weir/fastpath/reason"
)

// startWorkers runs every worker on a thread of its own. It returns once all of them poll, or with the
// error of the first that could not.
func (d *Daemon) startWorkers(cfg *conf.Config) (func() error, error) {
	workers := d.node.Workers()
	errs := make(chan error, len(workers))
	for i, w := range workers {
		core := -1
		if len(cfg.Dataplane.Cores) > 0 {
			core = cfg.Dataplane.Cores[i]
		}
		d.workers.Add(1)
		go d.runWorker(w, i, core, idles[cfg.Dataplane.Idle], errs)
	}
	down := func() error {
		d.stop.Store(true)
		d.workers.Wait()
		d.logTotals()
		return nil
	}
	for range workers {
		if err := <-errs; err != nil {
			return down, err
		}
	}
	return down, nil
}

// logTotals tells what became of all packets, once no worker runs: the figures of weir show workers and weir show drops
// are exact only then. Waiting are those on their way from worker to worker.
func (d *Daemon) logTotals() {
	var in, out, own, dropped, punted uint64
	for _, w := range d.node.Workers() {
		c := w.Counters()
		in, out, own = in+c.In, out+c.Out, own+c.Own
		for r, n := range c.Reasons {
			switch r := reason.Reason(r); {
			case r.Punt():
				punted += n
			case r.Drop():
				dropped += n
			}
		}
	}
	d.log.Info("workers stopped", "packets_in", in, "packets_out", out, "packets_own", own,
		"packets_dropped", dropped, "packets_punted", punted, "packets_waiting", d.node.Waiting())
}

func (d *Daemon) runWorker(w *fastpath.Worker, id, core int, idle fastpath.Idle, started chan<- error) {
	defer d.workers.Done()
	// Never unlocked: the thread ends with the goroutine, and with it the affinity it was given.
	runtime.LockOSThread()
	leave, err := d.hw.Enter(core)
	if err != nil {
		started <- fmt.Errorf("worker %d: %w", id, err)
		return
	}
	defer leave()
	started <- nil
	w.Run(&d.stop, idle)
}

// busyMeter turns the workers' busy time into shares of the time since the last look, a second ago or more, and of the
// packets that came meanwhile.
type busyMeter struct {
	at   time.Time
	was  []fastpath.Counters
	last []busy
}

// busy is what a worker did between two looks.
type busy struct {
	share       float64 // of the time
	nsPerPacket float64 // 0: there was none
}

// look updates the shares; it belongs to the loop.
func (m *busyMeter) look(now time.Time, workers []*fastpath.Worker) {
	if now.Sub(m.at) < time.Second {
		return
	}
	m.at = now
	if m.was == nil {
		m.was, m.last = make([]fastpath.Counters, len(workers)), make([]busy, len(workers))
	}
	for i, w := range workers {
		c, was := w.Counters(), &m.was[i]
		if dt := c.NowNs - was.NowNs; dt > 0 && was.NowNs > 0 {
			m.last[i] = busy{share: min(1, float64(c.BusyNs-was.BusyNs)/float64(dt))}
			if n := c.In - was.In; n > 0 {
				m.last[i].nsPerPacket = float64(c.BusyNs-was.BusyNs) / float64(n)
			}
		}
		*was = c
	}
}
