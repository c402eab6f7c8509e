package e2e

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestCheckReportsEveryErrorAtOnceWithLineAndKey(t *testing.T) {
	file := write(t, "bad.yaml", `ports:
  - {name: wan, device: net_null0, addresses: [203.0.113.2/24], colour: red}
services:
  - name: web
    address: 203.0.113.10:80
    protocol: tcp
    mode: dr
    scheduler: best
    backends:
      - {address: 203.0.113.11:8080}
      - {address: 192.0.2.1:80, weight: 70000}
`)
	_, errs, code := run(t, "check", "-c", file)
	if code != 1 {
		t.Errorf("exit %d, want 1", code)
	}
	for _, want := range []string{
		`bad.yaml:2: .*colour`, `bad.yaml:8: .*scheduler`, `bad.yaml:10: .*backends\[0\]`, `bad.yaml:11: .*weight`,
	} {
		if !regexp.MustCompile(want).MatchString(errs) {
			t.Errorf("no line matches %q in\n%s", want, errs)
		}
	}
}

func TestRunSaysInOneSentenceWhatIsMissing(t *testing.T) {
	needRoot(t)
	port := func(device string) string {
		return "ports:\n  - {name: wan, device: \"" + device + "\", addresses: [203.0.113.2/24]}\napi: {socket: \"\"}\nmetrics: {listen: \"\"}\n"
	}
	for name, c := range map[string]struct{ config, want string }{
		"no such interface":   {port("net_af_packet0,iface=nosuch0"), "nosuch0"},
		"no such PCI device":  {port("0000:ff:1f.7"), "0000:ff:1f.7"},
		"no such core":        {port("net_null0") + "dataplane: {cores: [4095]}\n", "4095"},
		"hugepages required":  {port("net_null0") + "dataplane: {hugepages: require, memory_mb: 16000000}\n", "hugepages"},
		"unknown driver":      {port("net_nosuch0"), "net_nosuch0"},
		"no such config file": {"", "nosuch.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			file := "nosuch.yaml"
			if c.config != "" {
				file = write(t, "weir.yaml", c.config)
			}
			_, errs, code := run(t, "run", "-c", file)
			if code != 1 {
				t.Errorf("exit %d, want 1", code)
			}
			var lines []string
			for _, l := range strings.Split(strings.TrimSpace(errs), "\n") {
				if !strings.HasPrefix(l, "time=") {
					lines = append(lines, l)
				}
			}
			if len(lines) != 1 || !strings.Contains(lines[0], c.want) {
				t.Errorf("want one line with %q, got:\n%s", c.want, errs)
			}
		})
	}
}

func TestCheckWarnsOfWhatHasNoEffect(t *testing.T) {
	file := filepath.Join(t.TempDir(), "weir.yaml")
	const config = `ports: [{name: wan, device: net_null0, addresses: [203.0.113.2/24]}]
services:
  - {name: a, address: 203.0.113.10:80, protocol: tcp, mode: dr, scheduler: rr, backends: [{address: 203.0.113.12, weight: 2}, {address: 203.0.113.13}]}
`
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, code := run(t, "check", "-c", file)
	if want := file + ":3: services[0].backends[1].weight: warning: scheduler rr "; code != 0 || !strings.HasPrefix(errs, want) || !strings.Contains(out, "is valid") {
		t.Errorf("exit %d: %q, %q", code, out, errs)
	}
}

func TestClientsSayThatNoDaemonRuns(t *testing.T) {
	for _, args := range [][]string{
		{"show", "services"}, {"reload"}, {"backend", "drain", "web", "10.0.0.1:80"}, {"explain", "icmp 198.51.100.7 > 203.0.113.10"},
		{"capture", "-w", "/nonexistent/out.pcapng"},
	} {
		_, errs, code := run(t, append(args, "--socket", "/nonexistent/weir.sock")...)
		if code != 1 || !strings.Contains(errs, "/nonexistent/weir.sock") || strings.Count(errs, "\n") != 1 {
			t.Errorf("%v: exit %d: %s", args, code, errs)
		}
	}
}

func TestEveryErrorOfARefusedReloadIsALineOfItsOwn(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "weir.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	daemon := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = w.Write([]byte(`{"error": "weir.yaml:3: one\nweir.yaml:7: two"}`))
	})}
	go func() { _ = daemon.Serve(l) }()
	defer daemon.Close()
	_, errs, code := run(t, "reload", "--socket", socket)
	if want := "weir: weir.yaml:3: one\nweir: weir.yaml:7: two\n"; code != 1 || errs != want {
		t.Errorf("exit %d: %q, want %q", code, errs, want)
	}
}

func TestAMisspeltCommandIsAnError(t *testing.T) {
	for _, args := range [][]string{
		{"chek"}, {"show", "backend"}, {"backend", "drian"}, {"backend", "drian", "web", "10.0.0.1:80"},
	} {
		out, errs, code := run(t, args...)
		if code != 1 || out != "" || !strings.Contains(errs, `"`+args[min(len(args), 2)-1]+`"`) {
			t.Errorf("%v: exit %d: %s%s", args, code, out, errs)
		}
	}
}

func TestACommandWrittenWrongIsToldHowItIsWritten(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"show"}, "an argument is missing: write weir show services|"},
		{[]string{"show", "backend"}, `"backend" makes no sense here: write weir show services|backends|`},
		{[]string{"check", "weir.yaml"}, `"weir.yaml" makes no sense here: write weir check -c FILE`},
		{[]string{"run"}, "-c is missing: write weir run -c FILE"},
		{[]string{"replay", "-c", "weir.yaml"}, "-i, -o are missing: write weir replay -c FILE -i IN -o OUT"},
		{[]string{"backend", "drain", "web"}, "an argument is missing: write weir backend drain SERVICE ADDRESS[:PORT]"},
		{[]string{"explain"}, "an argument is missing: write weir explain [-c FILE] PACKET"},
		{[]string{"explain", "tcp"}, `"tcp" is no packet: write PROTO SOURCE > DESTINATION`},
		{[]string{"capture"}, "-w is missing: write weir capture -w FILE"},
		{[]string{"show", "connections", "--limit", "few"}, `--limit must be a number, is "few"`},
		{[]string{"run", "--config-file", "x"}, "unknown flag: --config-file: see weir run --help"},
	} {
		out, errs, code := run(t, c.args...)
		if code != 1 || out != "" || !strings.HasPrefix(errs, "weir: "+c.want) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%v: exit %d: %s%s", c.args, code, out, errs)
		}
	}
}

func TestVersionAndHelp(t *testing.T) {
	for _, arg := range []string{"version", "--version"} {
		out, _, code := run(t, arg)
		if code != 0 || !strings.HasPrefix(out, "weir ") || !strings.Contains(out, "DPDK") {
			t.Errorf("%s: %d: %s", arg, code, out)
		}
	}
	out, _, code := run(t, "--help")
	for _, cmd := range []string{"run", "check", "preflight", "show", "watch", "backend", "reload", "config", "explain", "capture", "replay", "import", "version"} {
		if code != 0 || !strings.Contains(out, "\n  "+cmd+" ") {
			t.Errorf("%d: help does not list %s:\n%s", code, cmd, out)
		}
	}
}

func TestAnImportedConfigurationPassesCheck(t *testing.T) {
	source := write(t, "keepalived.conf", `virtual_server 203.0.113.10 80 {
    delay_loop 6
    lb_algo wrr
    lb_kind NAT
    persistence_timeout 50
    real_server 203.0.113.11 8080 {
        weight 3
        TCP_CHECK {
        }
    }
}
`)
	file := filepath.Join(t.TempDir(), "weir.yaml")
	args := []string{"import", "keepalived", source, "--strict", "-o", file, "--device", "net_null0", "--address", "203.0.113.2/24"}
	out, errs, code := run(t, args...)
	if code != 0 || out != "" || !strings.Contains(errs, "1 service with 1 backend; 0 lines changed, 0 ignored, 0 missing\nwritten to "+file) {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	if out, errs, code := run(t, "check", "-c", file); code != 0 {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	if _, errs, code := run(t, args...); code != 1 || !strings.Contains(errs, file+" exists") {
		t.Errorf("a second time: exit %d: %s", code, errs)
	}
}

func TestAnImportTellsByLineWhatIsMissing(t *testing.T) {
	source := write(t, "lvs.txt", "-A -t 203.0.113.10:80 -s wlc\n-a -t 203.0.113.10:80 -r 10.0.0.11:8080 -m\n-A -f 1 -s rr\n-a -f 1 -r 203.0.113.12 -m\n")
	args := []string{"import", "ipvsadm", source, "--device", "net_null0", "--address", "203.0.113.2/24"}
	out, errs, code := run(t, args...)
	if code != 0 || !strings.Contains(out, "\n  - name: tcp-203.0.113.10-80 # "+source+":1\n") {
		t.Errorf("exit %d: %s", code, out)
	}
	for _, want := range []string{
		source + ":2: missing: weir check refuses backends[0].address of service tcp-203.0.113.10-80: ", // no gateway leads to it
		source + ":3: missing: firewall mark 1: ",
	} {
		if !strings.Contains(errs, want) {
			t.Errorf("%q is not in\n%s", want, errs)
		}
	}
	if _, _, code := run(t, append(args, "--strict")...); code != 1 {
		t.Errorf("with --strict: exit %d, want 1", code)
	}
	_, errs, code = run(t, append(args, "--strict", "--gateway", "203.0.113.1", "--mark", "1=203.0.113.10:443/tcp")...)
	if code != 0 || !strings.Contains(errs, ", 0 missing\n") {
		t.Errorf("with a gateway and what the mark stands for: exit %d: %s", code, errs)
	}
}

func TestPreflightTellsWhatIsWrong(t *testing.T) {
	file := write(t, "weir.yaml", "ports: [{name: wan, device: \"net_af_packet0,iface=nosuch0\", addresses: [203.0.113.2/24]}]\n"+
		"dataplane: {cores: [1023], memory_mb: 16}\n")
	out, errs, code := run(t, "preflight", "-c", file)
	if code != 1 || errs != "" {
		t.Errorf("exit %d: %s", code, errs)
	}
	for _, want := range []string{
		`(?m)^WRONG +interface +port wan: there is no network interface nosuch0: `, `(?m)^WRONG +core +core 1023 of worker 0 is not there`,
		`(?m)^ok +driver +port wan: DPDK has net_af_packet$`, `(?m)^ok +dpdk +DPDK \d+\.\d+`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("no line matches %q in\n%s", want, out)
		}
	}
}

func TestPreflightDoesNotFailWithoutAConfiguration(t *testing.T) {
	out, errs, code := run(t, "preflight", "-o", "json")
	if code != 0 || errs != "" {
		t.Errorf("exit %d: %s", code, errs)
	}
	var results []struct{ Check, Status, Found string }
	if err := json.Unmarshal([]byte(out), &results); err != nil || len(results) < 5 {
		t.Fatalf("%v in %s", err, out)
	}
	for _, r := range results {
		if r.Check == "" || r.Found == "" || r.Status != "ok" && r.Status != "warning" {
			t.Errorf("%+v", r)
		}
	}
}
