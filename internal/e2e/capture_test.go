package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// capture is a running weir capture.
type capture struct {
	t    *testing.T
	cmd  *exec.Cmd
	file string
	errs bytes.Buffer
}

// capture begins a capture and waits until the workers take part.
func (d *daemon) capture(args ...string) *capture {
	d.t.Helper()
	c := &capture{t: d.t, file: filepath.Join(d.t.TempDir(), "out.pcapng")}
	c.cmd = exec.Command(weirPath(d.t), append([]string{"capture", "--socket", d.socket, "-w", c.file}, args...)...)
	c.cmd.Stderr = &c.errs
	before := strings.Count(d.logged(), "capture began")
	if err := c.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = c.cmd.Process.Kill() })
	d.until("the capture begins", func() bool { return strings.Count(d.logged(), "capture began") > before })
	return c
}

// end ends it as an operator does and returns its summary.
func (c *capture) end() string {
	c.t.Helper()
	_ = c.cmd.Process.Signal(os.Interrupt)
	return c.wait()
}

func (c *capture) wait() string {
	c.t.Helper()
	done := make(chan error, 1)
	go func() { done <- c.cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			c.t.Errorf("weir capture: %v: %s", err, c.errs.String())
		}
	case <-time.After(patience):
		c.t.Fatalf("weir capture does not end")
	}
	return c.errs.String()
}

// tshark reads fields of every packet of a file, after a display filter.
func tshark(t *testing.T, file, display string, fields ...string) (rows [][]string) {
	t.Helper()
	path, err := exec.LookPath("tshark")
	need(t, err == nil, "tshark (scripts/setup test)")
	args := []string{"-r", file, "-Y", display, "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-T", "fields"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	cmd := exec.Command(path, args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil || strings.Contains(errs.String(), "cut short") {
		t.Fatalf("tshark: %v: %s", err, errs.String())
	}
	for _, line := range strings.Split(strings.TrimRight(string(out), "\n"), "\n") {
		if line != "" {
			rows = append(rows, strings.Split(line, "\t"))
		}
	}
	return rows
}

func TestWiresharkReadsACaptureOfEveryMode(t *testing.T) {
	l := needLab(t)
	config := "services:\n"
	var urls []string
	for _, mode := range []string{"nat", "tun", "dr"} {
		for _, family := range []string{"4", "6"} {
			c, url := service(mode, family, "")
			config, urls = config+c, append(urls, url)
		}
	}
	d := l.start(t, "", config)
	c := d.capture()
	for _, url := range urls {
		if _, err := l.curl(url + "1m"); err != nil {
			t.Fatal(err)
		}
	}
	if s := c.end(); !regexp.MustCompile(`^captured [1-9]\d* packets as [1-9]\d* frames, .* filtered 0, .* lost 0 frames; on request\n$`).MatchString(s) {
		t.Errorf("the summary is %q", s)
	}
	rows := tshark(t, c.file, "frame", "frame.interface_name", "frame.packet_flags_direction", "frame.comment")
	var seen []string
	for _, r := range rows {
		way := map[string]string{"0x00000001": "in", "0x00000002": "out", "1": "in", "2": "out"}[r[1]]
		if !strings.Contains(r[2], ", "+way+",") && !strings.HasSuffix(r[2], ", "+way) {
			t.Errorf("direction %s, comment %q", r[1], r[2])
		}
		if text := r[0] + ": " + r[2]; !slices.Contains(seen, text) {
			seen = append(seen, text)
		}
	}
	for _, want := range []string{
		"wan: worker 0, in, nat nat4 → 10.0.0.11:8080", "lan: worker 0, out, nat nat4 → 10.0.0.11:8080",
		"lan: worker 0, in, nat nat4 ← 10.0.0.11:8080", "wan: worker 0, out, nat nat4 ← 10.0.0.11:8080",
		"wan: worker 0, in, nat nat6 → [fd00::11]:8080", "lan: worker 0, out, nat nat6 → [fd00::11]:8080",
		"wan: worker 0, in, tun tun4 → 10.0.0.11:80", "lan: worker 0, out, tun tun6 → [fd00::11]:80",
		"wan: worker 0, in, dr dr4 → 10.0.0.11:80", "lan: worker 0, out, dr dr6 → [fd00::11]:80",
	} {
		if !slices.Contains(seen, want) {
			t.Errorf("no packet with the comment %q; there are\n%s", want, strings.Join(seen, "\n"))
		}
	}
	if bad := tshark(t, c.file, `_ws.malformed or tcp.checksum.status == "Bad" or ip.checksum.status == "Bad"`, "frame.number", "frame.comment", "frame.protocols", "tcp.len", "tcp.checksum.status", "ip.checksum.status"); bad != nil {
		t.Errorf("damaged: %q", bad)
	}
	// Both frames of a packet have one number.
	ids := map[string]int{}
	for _, r := range tshark(t, c.file, `frame.comment contains "nat nat4 →"`, "frame.packet_id") {
		ids[r[0]]++
	}
	for id, n := range ids {
		if n != 2 && n != 1 { // 1: before the next hop's MAC was known
			t.Errorf("%d frames of packet %s", n, id)
		}
	}
}

func TestCaptureFindsWhatIsLost(t *testing.T) {
	l := needLab(t)
	config, url := service("nat", "4", "")
	d := l.start(t, "", "services:\n"+config)
	c := d.capture("--reason", "dropped", "--client", "198.51.100.0/24", "--count", "1")
	if _, err := l.curl(url); err != nil {
		t.Fatal(err)
	}
	_, _ = l.try("client", "curl", "-sS", "--max-time", "1", "http://203.0.113.10:81/") // nobody answers
	if s := c.wait(); !strings.Contains(s, "captured 1 packet as 1 frame") || !strings.Contains(s, "all packets that were asked for are there") {
		t.Errorf("the summary is %q", s)
	}
	rows := tshark(t, c.file, "frame", "frame.comment", "ip.src", "tcp.dstport")
	if len(rows) != 1 || strings.Join(rows[0], " ") != "worker 0, in, dropped: no_service 198.51.100.7 81" {
		t.Errorf("captured %q", rows)
	}
}

func TestCaptureIntoAPipe(t *testing.T) {
	l := needLab(t)
	path, err := exec.LookPath("tshark")
	need(t, err == nil, "tshark (scripts/setup test)")
	config, url := service("nat", "4", "")
	d := l.start(t, "", "services:\n"+config)
	weir := exec.Command(weirPath(t), "capture", "--socket", d.socket, "-w", "-", "--service", "nat4", "--filter", "tcp[tcpflags] & tcp-syn != 0", "--count", "2")
	reader := exec.Command(path, "-r", "-", "-T", "fields", "-e", "frame.comment")
	if reader.Stdin, err = weir.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	reader.Stdout = &out
	for _, cmd := range []*exec.Cmd{weir, reader} {
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill() })
	}
	d.until("the capture begins", func() bool { return strings.Contains(d.logged(), "capture began") })
	for range 2 { // the first one's MACs may be unknown yet
		if _, err := l.curl(url); err != nil {
			t.Fatal(err)
		}
	}
	if err := reader.Wait(); err != nil {
		t.Error(err)
	}
	if err := weir.Wait(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(out.String(), "worker 0, in, nat nat4 → 10.0.0.1") {
		t.Errorf("tshark read %q", out.String())
	}
}

func TestCaptureWhoseClientDiesEnds(t *testing.T) {
	needRoot(t)
	d := start(t, "", "dataplane: {memory_mb: 64, max_connections: 1000}\nports: [{name: wan, device: net_null0}]\n")
	c := d.capture("--filter", "arp") // of the frames that the device invents, none
	_ = c.cmd.Process.Signal(syscall.SIGKILL)
	_ = c.cmd.Wait() // it was killed
	d.until("the daemon knows", func() bool { return strings.Contains(d.logged(), "capture ended") })
}

func TestCaptureThatIsRefusedWritesNothing(t *testing.T) {
	needRoot(t)
	d := start(t, "", "dataplane: {memory_mb: 64, max_connections: 1000}\nports: [{name: wan, device: net_null0}]\n")
	file := filepath.Join(t.TempDir(), "out.pcapng")
	for want, args := range map[string][]string{
		"there is no service web":      {"--service", "web"},
		"expected a number from 0":     {"--filter", "port http"},
		`there is no reason "because"`: {"--reason", "because"},
		"--max-size must be a number":  {"--max-size", "much"},
	} {
		_, errs, code := run(t, append([]string{"capture", "--socket", d.socket, "-w", file}, args...)...)
		if code != 1 || !strings.Contains(errs, want) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%v: exit %d: %s", args, code, errs)
		}
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("the file is there")
	}
}
