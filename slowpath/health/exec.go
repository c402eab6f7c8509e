package health

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// execCheck runs a program: exit status 0 is healthy. If it is dynamic, statuses from 2 on are, too, and give the
// backend a weight two below the status, as keepalived's misc_dynamic; 0 leaves the weight as it is.
type execCheck struct {
	argv        []string
	environment []string
	dynamic     bool
}

// searchPath is PATH for programs that a check or a hook starts.
const searchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func newExecCheck(p *probe, _ *stock) (kind, error) {
	c := &p.Check.Exec
	if len(c.Command) == 0 || !strings.HasPrefix(c.Command[0], "/") {
		return nil, errors.New("command must begin with the program's path from the root")
	}
	address, port := p.remote.Addr().String(), strconv.Itoa(int(p.remote.Port()))
	fill := strings.NewReplacer("{address}", address, "{port}", port, "{service}", p.Service)
	check := &execCheck{dynamic: c.Dynamic, environment: []string{
		searchPath, "LC_ALL=C", "WEIR_SERVICE=" + p.Service, "WEIR_ADDRESS=" + address, "WEIR_PORT=" + port,
	}}
	for _, word := range c.Command {
		check.argv = append(check.argv, fill.Replace(word))
	}
	return check, nil
}

// afterKill is how long a program's children may hold on to its output once it was killed.
const afterKill = 100 * time.Millisecond

func (c *execCheck) ask(ctx context.Context, p *probe) (outcome, func()) {
	begun := time.Now()
	var said head
	cmd := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...)
	cmd.Env, cmd.Dir = c.environment, "/"
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // its children, too
	cmd.WaitDelay = afterKill
	if err := cmd.Start(); err != nil {
		return notAsked("cannot run %s: %s", c.argv[0], startFault(err)), nothing
	}
	err := cmd.Wait()
	if ctx.Err() != nil {
		return p.failed(ctx.Err(), "running "+c.argv[0]), nothing
	}
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) && cmd.ProcessState == nil {
		return notAsked("cannot run %s: %s", c.argv[0], printable(err.Error())), nothing
	}
	return c.judge(cmd.ProcessState.Sys().(syscall.WaitStatus), time.Since(begun), said.line()), nothing
}

func startFault(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return printable(err.Error())
}

func (c *execCheck) judge(status syscall.WaitStatus, took time.Duration, said string) outcome {
	o := outcome{verdict: fail, took: took, wanted: "exit status 0"}
	if c.dynamic {
		o.wanted = "exit status 0, or 2 to 255"
	}
	switch code := status.ExitStatus(); {
	case status.Signaled():
		o.what = fmt.Sprintf("ended by signal %d", status.Signal())
	case code == 0, c.dynamic && code >= 2:
		o.verdict, o.wanted = pass, ""
		if code != 0 {
			o.weight = code - 2 + 1
		}
		fallthrough
	default:
		o.what = fmt.Sprintf("exit status %d", code)
	}
	if said != "" {
		o.what += fmt.Sprintf(" (%s)", said)
	}
	return o
}

// head keeps the beginning of what a program writes.
type head struct{ b bytes.Buffer }

// Write implements io.Writer. exec calls it from one goroutine at a time if it gets the same for both outputs.
func (h *head) Write(p []byte) (int, error) {
	h.b.Write(p[:min(len(p), 4*maxShown-h.b.Len())])
	return len(p), nil
}

// line is the first line, made safe to show.
func (h *head) line() string {
	first, _, _ := strings.Cut(strings.TrimSpace(h.b.String()), "\n")
	return printable(strings.TrimSpace(first))
}
