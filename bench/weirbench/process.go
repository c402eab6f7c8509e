package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a program under test. It can be stopped and continued: a stopped one takes no processor time, so that
// programs that both poll on one core are measured in turn without starting them anew.
type process struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  output
	done chan struct{} // closed once it has ended
	err  error         // of its end
}

// output is what a process has written so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// from is everything behind the first n bytes.
func (o *output) from(n int) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text.Bytes()[n:])
}

func (o *output) len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Len()
}

// gate is held while something is made that has to be cleaned up. Whoever cleans up because of a signal takes it and
// keeps it, so that nothing is made behind its back.
var gate sync.Mutex

// running are the processes to end if the benchmark is interrupted.
var running struct {
	sync.Mutex
	all map[*process]bool
}

// launch starts a program with additions to the environment. It is killed when this one dies.
func launch(env []string, name string, args ...string) (*process, error) {
	gate.Lock()
	defer gate.Unlock()
	p := &process{cmd: exec.Command(name, args...), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	running.Lock()
	if running.all == nil {
		running.all = map[*process]bool{}
	}
	running.all[p] = true
	running.Unlock()
	go func() {
		p.err = p.cmd.Wait()
		running.Lock()
		delete(running.all, p)
		running.Unlock()
		close(p.done)
	}()
	return p, nil
}

// killAll ends whatever runs.
func killAll() {
	running.Lock()
	var all []*process
	for p := range running.all {
		all = append(all, p)
	}
	running.Unlock()
	for _, p := range all {
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

func (p *process) signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// pause stops the process where it is; resume lets it go on.
func (p *process) pause() error  { return p.signal(syscall.SIGSTOP) }
func (p *process) resume() error { return p.signal(syscall.SIGCONT) }

// await looks at what the process has written behind the first n bytes until ok holds.
func (p *process) await(n int, limit time.Duration, ok func(string) bool) (string, error) {
	deadline := time.Now().Add(limit)
	for {
		text := p.out.from(n)
		if ok(text) {
			return text, nil
		}
		select {
		case <-p.done:
			if text = p.out.from(n); ok(text) { // its last words
				return text, nil
			}
			return text, p.failed("ended")
		case <-time.After(2 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return text, p.failed("did not answer in time")
		}
	}
}

// end asks for the process's end by ask, and insists on it after a while.
func (p *process) end(ask func() error) error {
	_ = p.resume()
	err := ask()
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
		return p.failed("did not end when asked to")
	}
	if p.err != nil {
		return p.failed("ended badly")
	}
	return err
}

// failed is an error with the last of what the process wrote.
func (p *process) failed(what string) error {
	const most = 1500
	text := strings.TrimSpace(p.out.from(0))
	if len(text) > most {
		text = "…" + text[len(text)-most:]
	}
	return errors.New(p.cmd.Path + " " + what + "; it wrote:\n" + text)
}
