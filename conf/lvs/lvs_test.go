package lvs

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirlb/weir/conf"
)

var update = flag.Bool("update", false, "write the golden files")

// imported is what an import writes: the configuration, then the report.
func imported(t *testing.T, s *Setup, source string, marks map[int]Marked) string {
	t.Helper()
	p := Port{Device: "net_null0", Addresses: []string{"192.0.2.2/24", "2001:db8::2/64"}, Gateways: []string{"192.0.2.1", "2001:db8::1"}}
	s.Resolve(marks)
	s.Verify(p)
	var b, report strings.Builder
	if err := errors.Join(s.YAML(&b, source, p), s.Report(&report)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "weir.yaml")
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := conf.Load(file); err != nil && s.Complete() {
		t.Errorf("nothing is said to be missing, but weir check says %v\n%s", err, b.String())
	}
	return b.String() + report.String()
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s, with -update if it is right (-want +got):\n%s", file, diff)
	}
}

func marksOf(t *testing.T, texts ...string) map[int]Marked {
	t.Helper()
	out := map[int]Marked{}
	for _, text := range texts {
		n, m, err := ParseMark(text)
		if err != nil {
			t.Fatal(err)
		}
		out[n] = m
	}
	return out
}

func TestKeepalivedBecomesAConfigurationAndAReport(t *testing.T) {
	s, err := Keepalived("testdata/keepalived.conf", "main")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/keepalived.golden", imported(t, s, "testdata/keepalived.conf", nil))
	if s.Complete() {
		t.Error("complete, with things missing")
	}
}

func TestSavedIpvsadmBecomesAConfigurationAndAReport(t *testing.T) {
	s, err := IPVSAdm("testdata/ipvsadm.txt")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/ipvsadm.golden", imported(t, s, "testdata/ipvsadm.txt", marksOf(t, "1=192.0.2.10:8000,192.0.2.10:8001/tcp")))
}

func TestCallsOfIpvsadmAreCarriedOutInTheirOrder(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a server is edited", "-e -t 192.0.2.10:80 -r 10.0.0.1:80 -m -w 9 -x 5", `
scheduler: rr
      - {address: 10.0.0.2:80}
      - {address: 10.0.0.1:80, weight: 9, upper_threshold: 5}
`},
		{"a server is taken away and comes back", "-d -t 192.0.2.10:80 -r 10.0.0.1:80\n-a -t 192.0.2.10:80 -r 10.0.0.1:80 -m", `
scheduler: rr
      - {address: 10.0.0.1:80}
      - {address: 10.0.0.2:80}
`},
		{"the service is edited", "-E -t 192.0.2.10:80 -s sh -b sh-port", `
scheduler: sh
scheduler_flags: [sh-port]
      - {address: 10.0.0.2:80}
      - {address: 10.0.0.1:80}
`},
		{"comments", "# -d -t 192.0.2.10:80 -r 10.0.0.1:80\n-e -t 192.0.2.10:80 -r 10.0.0.1:80 -m -w 2 # was 1", `
scheduler: rr
      - {address: 10.0.0.2:80}
      - {address: 10.0.0.1:80, weight: 2}
`},
		{"the service goes", "-D -t 192.0.2.10:80", "\n"},
		{"everything goes", "ipvsadm -C", "\n"},
		{"everything goes and something comes", "--clear\n/sbin/ipvsadm -A -u 192.0.2.9:53 -s lc", "\nscheduler: lc\n"},
		{"a service is added twice", "-A -t 192.0.2.10:80 -s lc", `
scheduler: rr
      - {address: 10.0.0.2:80}
      - {address: 10.0.0.1:80}
lvs.txt:4: missing: the service is added twice: this line is left out
`},
		{"a server is added twice", "-a -t 192.0.2.10:80 -r 10.0.0.1:80 -m -w 5", `
scheduler: rr
      - {address: 10.0.0.2:80}
      - {address: 10.0.0.1:80}
lvs.txt:4: missing: 10.0.0.1:80 is added twice: this line is left out
`},
		{"a service that is not there", "-D -t 192.0.2.11:80\n-E -t 192.0.2.11:80\n-d -t 192.0.2.11:80 -r 10.0.0.1:80", `
scheduler: rr
      - {address: 10.0.0.2:80}
      - {address: 10.0.0.1:80}
lvs.txt:4: missing: there is no such service to delete
lvs.txt:5: missing: there is no such service to edit
lvs.txt:6: missing: the service of this server has not been added
`},
		{"a server that is not there", "-e -t 192.0.2.10:80 -r 10.0.0.9:80 -m", `
scheduler: rr
      - {address: 10.0.0.2:80}
      - {address: 10.0.0.1:80}
lvs.txt:4: missing: the service has no server 10.0.0.9:80
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := savedIPVSAdm("-A -t 192.0.2.10:80 -s rr\n-a -t 192.0.2.10:80 -r 10.0.0.1:80 -m\n-a -t 192.0.2.10:80 -r 10.0.0.2:80 -m\n"+c.text, "lvs.txt")
			if err != nil {
				t.Fatal(err)
			}
			got := "\n"
			for _, line := range strings.Split(imported(t, s, "lvs.txt", nil), "\n") {
				if strings.HasPrefix(line, "      - ") || strings.Contains(line, ": missing: ") {
					got += line + "\n"
				} else if line = strings.TrimSpace(line); strings.HasPrefix(line, "scheduler") {
					got += line + "\n"
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestACompleteImportIsAConfigurationThatLoads(t *testing.T) {
	s, err := Keepalived("testdata/complete.conf", "main")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/complete.golden", imported(t, s, "testdata/complete.conf", marksOf(t, "2=192.0.2.60:80,192.0.2.60:443/tcp")))
	if !s.Complete() {
		t.Error("not complete")
	}
}

func TestWhatWeirCheckWouldRefuseIsInTheReport(t *testing.T) {
	server := "real_server 10.0.0.1 80 {\n"
	for _, c := range []struct{ name, text, want string }{
		{"flag of another scheduler", "lb_algo rr\nsh-port\n" + server + "}", ":1: missing: weir check refuses scheduler_flags[0] of service tcp-192.0.2.10-80: "},
		{"one packet of TCP", "ops\n" + server + "}", ":1: missing: weir check refuses one_packet "},
		{"quorum above all weights", "quorum 9\n" + server + "}", ":1: missing: weir check refuses quorum.weight "},
		{"thresholds the wrong way round", server + "uthreshold 3\nlthreshold 5\n}", ":2: missing: weir check refuses backends[0].lower_threshold "},
		{"weight", server + "weight 70000\n}", ":2: missing: weir check refuses backends[0].weight "},
		{"expression of Perl", server + "HTTP_GET { url { regex a(?=b)\n}\n}\n}", ":3: missing: weir check refuses health.body "},
		{"program without a path", server + "MISC_CHECK { misc_path check.sh\n}\n}", ":3: missing: weir check refuses health.command[0] "},
		{"program that is not here", server + "MISC_CHECK { misc_path /nonexistent/check.sh\n}\n}", ":3: missing: weir check refuses health.command[0] "},
		{"GRE with a port", "lb_kind TUN type gre port 5\n" + server + "}", ":1: missing: weir check refuses tunnel.port "},
		{"backend of another link in DR", "lb_kind DR\n" + server + "}", ":3: missing: weir check refuses backends[0].address "},
		{"sorry server that is a backend", "sorry_server 10.0.0.1 80\n" + server + "}", ":1: missing: weir check refuses sorry "},
		{"port of a check", server + "TCP_CHECK { connect_port {x}\n}\n}", "is no port"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := keepalivedOf(t, "virtual_server 192.0.2.10 80 {\n"+c.text+"\n}\n")
			if err != nil {
				t.Fatal(err)
			}
			if got := imported(t, s, "keepalived.conf", nil); !strings.Contains(got, c.want) {
				t.Errorf("%q is not in\n%s", c.want, got)
			}
		})
	}
	s, err := savedIPVSAdm("--set 900 999999 0\n", "lvs.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got := imported(t, s, "lvs.txt", nil); !strings.Contains(got, "lvs.txt:1: missing: weir check refuses dataplane.timeouts.tcp_fin: ") {
		t.Error(got)
	}
}

// keepalivedOf reads a keepalived.conf with this content.
func keepalivedOf(t *testing.T, text string) (*Setup, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "keepalived.conf")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return Keepalived(file, "main")
}

func TestKeepalivedLanguage(t *testing.T) {
	for _, c := range []struct{ name, text, address string }{
		{"plain", "virtual_server 192.0.2.1 80 {\n}\n", "192.0.2.1:80"},
		{"brace on its own line", "virtual_server 192.0.2.1 80\n{\n}\n", "192.0.2.1:80"},
		{"all on one line", "virtual_server 192.0.2.1 80 { protocol TCP }", "192.0.2.1:80"},
		{"comments", "! a\n# b { \nvirtual_server 192.0.2.1 80 { # }\n}\n", "192.0.2.1:80"},
		{"definition", "$A=192.0.2\nvirtual_server ${A}.1 80 {\n}\n", "192.0.2.1:80"},
		{"definition within a definition", "$B=${A}.7\n$A=192.0.2\nvirtual_server $B 80 {\n}\n", "192.0.2.7:80"},
		{"definition of several lines", "$V= \\\nvirtual_server ${A} 80 { \\\nprotocol TCP \\\n}\n$A=192.0.2.9\n$V\n", "192.0.2.9:80"},
		{"line for this director", "@main virtual_server 192.0.2.1 80 {\n@main }\n", "192.0.2.1:80"},
		{"line for the others", "@^other virtual_server 192.0.2.1 80 {\n}\n", "192.0.2.1:80"},
		{"line for another", "@other virtual_server 192.0.2.1 80 {\n@other }\n", ""},
		{"quotes", `virtual_server "192.0.2.1" '80' {` + "\n}\n", "192.0.2.1:80"},
		{"no port", "virtual_server 192.0.2.1 {\n}\n", "192.0.2.1:0"},
		{"IPv6", "virtual_server 2001:db8::1 80 {\n}\n", "[2001:db8::1]:80"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := keepalivedOf(t, c.text)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, v := range s.Services {
				for _, e := range v.Endpoints {
					got += e.String()
				}
			}
			if got != c.address {
				t.Errorf("services: %q, want %q", got, c.address)
			}
		})
	}
}

func TestKeepalivedThatCannotBeRead(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"open block", "virtual_server 192.0.2.1 80 {\n", ":1: the block that begins here is not closed"},
		{"closing brace too many", "a b\n}\n", ":2: this closing brace closes nothing"},
		{"brace after nothing", "{\n}\n", ":1: this opening brace follows no keyword"},
		{"definition of itself", "$A= \\\n$A\n$A\n", "nested more than 16 deep"},
		{"deep blocks", strings.Repeat("a {\n", 40) + strings.Repeat("}\n", 40), "blocks are nested more than 16 deep"},
		{"include of itself", "include keepalived.conf\n", "nested more than 16 deep"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := keepalivedOf(t, c.text); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
	if _, err := Keepalived("testdata/none.conf", ""); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestIncludedFilesAreReadWhereTheyStand(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"keepalived.conf": "include conf.d/*.conf\ninclude none.conf\n",
		"conf.d/a.conf":   "virtual_server 192.0.2.1 80 {\nnonsense\n}\n",
		"conf.d/b.conf":   "virtual_server 192.0.2.2 80 {\n}\n",
	} {
		if err := errors.Join(os.MkdirAll(filepath.Join(dir, "conf.d"), 0o755), os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Keepalived(filepath.Join(dir, "keepalived.conf"), "")
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Services) != 2 {
		t.Fatalf("%d services", len(s.Services))
	}
	want := []Note{
		{Place{filepath.Join(dir, "keepalived.conf"), 2}, Missing, "include " + filepath.Join(dir, "none.conf") + ": there is no such file here"},
		{Place{filepath.Join(dir, "conf.d/a.conf"), 2}, Missing, "virtual_server: nonsense is no keyword that is known here"},
	}
	if diff := cmp.Diff(want, s.Notes); diff != "" {
		t.Error(diff)
	}
}

func TestRangeBecomesTheFewestPrefixes(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.1":               "192.0.2.1/32",
		"192.0.2.0-255":           "192.0.2.0/24",
		"192.0.2.1-10":            "192.0.2.1/32 192.0.2.2/31 192.0.2.4/30 192.0.2.8/31 192.0.2.10/32",
		"192.0.2.250-192.0.3.2":   "192.0.2.250/31 192.0.2.252/30 192.0.3.0/31 192.0.3.2/32",
		"192.0.2.9/29":            "192.0.2.8/29",
		"0.0.0.0-255.255.255.255": "0.0.0.0/0",
		"2001:db8::1-4":           "2001:db8::1/128 2001:db8::2/127 2001:db8::4/128",
		"192.0.2.5-5":             "192.0.2.5/32",
		"192.0.2.5-4":             "error",
		"192.0.2.5-2001:db8::1":   "error",
		"x-5":                     "error",
		"1.2.3.4/99":              "error",
	} {
		got := "error"
		if list, err := parseRange(text); err == nil {
			var words []string
			for _, p := range list {
				words = append(words, p.String())
			}
			got = strings.Join(words, " ")
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestMarkOnTheCommandLine(t *testing.T) {
	for _, text := range []string{"", "1", "1=", "x=1.2.3.4:80/tcp", "1=1.2.3.4:80", "1=1.2.3.4/tcp", "1=1.2.3.4:80/icmp", "1=1.2.3.4:80,/tcp"} {
		if _, _, err := ParseMark(text); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
	n, m, err := ParseMark("7=192.0.2.1:80,[2001:db8::1]:81/udp")
	if err != nil || n != 7 || m.Protocol != "udp" || len(m.Endpoints) != 2 || m.Endpoints[1].String() != "[2001:db8::1]:81" {
		t.Errorf("%d %v %v", n, m, err)
	}
}

func fuzz(f *testing.F, seed string, read func(string) (*Setup, error)) {
	data, err := os.ReadFile(seed)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(data))
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ReplaceAll(text, "include", "incl") // files of this machine are none of its business
		if s, err := read(text); err == nil {
			imported(t, s, "in", nil)
		}
	})
}

func FuzzKeepalived(f *testing.F) {
	fuzz(f, "testdata/keepalived.conf", func(text string) (*Setup, error) {
		r := newReader("main")
		if err := r.lines(text, Place{"in", 1}, false, 0); err != nil {
			return nil, err
		}
		return r.setUp()
	})
}

func FuzzIPVSAdm(f *testing.F) {
	fuzz(f, "testdata/ipvsadm.txt", func(text string) (*Setup, error) { return savedIPVSAdm(text, "in") })
}
