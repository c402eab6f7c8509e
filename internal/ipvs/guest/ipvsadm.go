package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirlb/weir/internal/ipvs"
)

// admin is an ipvsadm that stays: starting one takes longer than most scenarios.
type admin struct {
	command  *exec.Cmd
	lines    io.WriteCloser
	said     bytes.Buffer
	ended    chan error
	marked   bool
	timeouts ipvs.Timeouts
}

func startAdmin() (*admin, error) {
	a := &admin{command: exec.Command("ipvsadm", "-R"), ended: make(chan error, 1)}
	var err error
	if a.lines, err = a.command.StdinPipe(); err != nil {
		return nil, err
	}
	a.command.Stdout, a.command.Stderr = &a.said, &a.said
	if err := a.command.Start(); err != nil {
		return nil, err
	}
	go func() { a.ended <- a.command.Wait() }()
	return a, nil
}

// mark is a service that no packet meets: that it comes or goes shows that ipvsadm has done with the lines before it.
const mark = "-f 65535"

// patience is how long ipvsadm may take.
const patience = 20 * time.Second

// do hands ipvsadm lines and waits until it has done with them.
func (a *admin) do(lines string) error {
	verb, last := "-A", " -s rr"
	if a.marked {
		verb, last = "-D", ""
	}
	if _, err := fmt.Fprintf(a.lines, "%s%s %s%s\n", lines, verb, mark, last); err != nil {
		return fmt.Errorf("ipvsadm: %w: %s", err, a.said.String())
	}
	for deadline := time.Now().Add(patience); ; {
		// There is one CPU: ipvsadm gets it now, and gives it back when it has nothing to do.
		_, _, _ = unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
		select {
		case err := <-a.ended:
			return fmt.Errorf("ipvsadm ended (%w) over\n%s%s", err, lines, a.said.String())
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("ipvsadm does not come to an end with\n%s", lines)
		}
		data, err := os.ReadFile("/proc/net/ip_vs")
		if err != nil {
			return err
		}
		if strings.Contains(string(data), "FWM  0000FFFF") != a.marked {
			a.marked = !a.marked
			return nil
		}
	}
}

// set sets the timeouts, all of them.
func (a *admin) set(t ipvs.Timeouts) error {
	if t == a.timeouts {
		return nil
	}
	a.timeouts = t
	if said, err := exec.Command("ipvsadm", t.Ipvsadm()...).CombinedOutput(); err != nil {
		return fmt.Errorf("setting the timeouts: %w: %s", err, said)
	}
	return nil
}

func (a *admin) close() { _ = a.lines.Close() }

// Edit implements ipvs.Balancer.
func (k *kernel) Edit(from, to []ipvs.Service) error {
	if lines := ipvs.Ipvsadm(from, to); lines != "" {
		return k.admin.do(lines)
	}
	return nil
}
