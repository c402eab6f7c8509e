package conf

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestEnvironmentGoesBeforeTheFile(t *testing.T) {
	for _, c := range []struct {
		variable, text string
		got            func(*Config) any
		want           any
	}{
		{"WEIR_DATAPLANE_CORES", "3,4,5", func(c *Config) any { return c.Dataplane.Cores }, []int{3, 4, 5}},
		{"WEIR_DATAPLANE_CORES", "3 4", func(c *Config) any { return c.Dataplane.Cores }, []int{3, 4}},
		{"WEIR_DATAPLANE_CORES", " 3, 4 ", func(c *Config) any { return c.Dataplane.Cores }, []int{3, 4}},
		{"WEIR_DATAPLANE_HUGEPAGES", "require", func(c *Config) any { return c.Dataplane.Hugepages }, HugepagesRequire},
		{"WEIR_DATAPLANE_MEMORY_MB", "1024", func(c *Config) any { return c.Dataplane.MemoryMB }, 1024},
		{"WEIR_DATAPLANE_IDLE", "pause", func(c *Config) any { return c.Dataplane.Idle }, IdlePause},
		{"WEIR_DATAPLANE_MAX_CONNECTIONS", "77", func(c *Config) any { return c.Dataplane.MaxConnections }, 77},
		{"WEIR_DATAPLANE_TIMEOUTS_TCP", "1h", func(c *Config) any { return c.Dataplane.Timeouts.TCP }, time.Hour},
		{"WEIR_DATAPLANE_TIMEOUTS_TCP_FIN", "5s", func(c *Config) any { return c.Dataplane.Timeouts.TCPFin }, 5 * time.Second},
		{"WEIR_DATAPLANE_TIMEOUTS_UDP", "6s", func(c *Config) any { return c.Dataplane.Timeouts.UDP }, 6 * time.Second},
		{"WEIR_API_SOCKET", "/run/other.sock", func(c *Config) any { return c.API.Socket }, "/run/other.sock"},
		{"WEIR_API_SOCKET", "", func(c *Config) any { return c.API.Socket }, ""},
		{"WEIR_METRICS_LISTEN", ":9000", func(c *Config) any { return c.Metrics.Listen }, ":9000"},
		{"WEIR_METRICS_LISTEN", "", func(c *Config) any { return c.Metrics.Listen }, ""},
	} {
		t.Run(c.variable+"="+c.text, func(t *testing.T) {
			t.Setenv(c.variable, c.text)
			for name, text := range map[string]string{"with the key in the file": base, "without the section in the file": least} {
				want := mustLoad(t, text)
				got, err := Load(write(t, text))
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if diff := cmp.Diff(c.want, c.got(got)); diff != "" {
					t.Errorf("%s: - want, + got:\n%s", name, diff)
				}
				if c.variable == "WEIR_DATAPLANE_MEMORY_MB" {
					got.File, got.Dataplane.MemoryMB = want.File, want.Dataplane.MemoryMB
					if diff := cmp.Diff(want, got, byValue); diff != "" {
						t.Errorf("%s: something else changed: - without, + with:\n%s", name, diff)
					}
				}
			}
		})
	}
}

func TestEveryKeyOutsideListsHasAVariable(t *testing.T) {
	want := []string{
		"dataplane.cores", "dataplane.hugepages", "dataplane.memory_mb", "dataplane.idle", "dataplane.max_connections", "dataplane.max_templates",
		"dataplane.timeouts.tcp", "dataplane.timeouts.tcp_fin", "dataplane.timeouts.udp", "dataplane.timeouts.sctp", "api.socket", "api.listen",
		"api.certificate", "api.key", "api.client_ca", "metrics.listen", "metrics.max_services", "metrics.max_backends",
	}
	var got []string
	for _, k := range single {
		got = append(got, k.path)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("- want, + got:\n%s", diff)
	}
}

func TestMistakesInTheEnvironmentNameTheVariable(t *testing.T) {
	for _, c := range []struct{ name, variable, text, want string }{
		{"out of range", "WEIR_DATAPLANE_MEMORY_MB", "5", "WEIR_DATAPLANE_MEMORY_MB: dataplane.memory_mb: must be 16 to 16777216, is 5"},
		{"not a number", "WEIR_DATAPLANE_MEMORY_MB", "", `WEIR_DATAPLANE_MEMORY_MB: dataplane.memory_mb: must be a whole number from 16 to 16777216, is ""`},
		{"no unit", "WEIR_DATAPLANE_TIMEOUTS_UDP", "90", "WEIR_DATAPLANE_TIMEOUTS_UDP: dataplane.timeouts.udp: needs a unit: write 90s if seconds are meant"},
		{"wrong word", "WEIR_DATAPLANE_IDLE", "slep", `WEIR_DATAPLANE_IDLE: dataplane.idle: must be spin, pause or sleep, is "slep": did you mean sleep?`},
		{"wrong entry of a list", "WEIR_DATAPLANE_CORES", "1,x", `WEIR_DATAPLANE_CORES: dataplane.cores[1]: must be a whole number from 0 to 1023, is "x"`},
		{"entry twice", "WEIR_DATAPLANE_CORES", "1 2 1", "WEIR_DATAPLANE_CORES: dataplane.cores[2]: core 1 is given twice: a worker needs a core of its own"},
		{"too many entries", "WEIR_DATAPLANE_CORES", strings.Repeat("1,", 129), "WEIR_DATAPLANE_CORES: dataplane.cores: has 129 entries: at most 128 are supported"},
		{"relative socket", "WEIR_API_SOCKET", "weir.sock", `WEIR_API_SOCKET: api.socket: must be a path from the root, for clients in any directory: write for example /run/weir.sock, not "weir.sock"`},
		{"bare port", "WEIR_METRICS_LISTEN", "9480", "WEIR_METRICS_LISTEN: metrics.listen: is only a port: write 127.0.0.1:9480, or :9480 for every address of this machine"},
		{"misspelt", "WEIR_DATAPLANE_MEMROY_MB", "512", "WEIR_DATAPLANE_MEMROY_MB: stands for no key: did you mean WEIR_DATAPLANE_MEMORY_MB?"},
		{"section", "WEIR_DATAPLANE_TIMEOUTS", "512", "WEIR_DATAPLANE_TIMEOUTS: stands for no key: known are WEIR_DATAPLANE_CORES, WEIR_DATAPLANE_HUGEPAGES, WEIR_DATAPLANE_MEMORY_MB, " +
			"WEIR_DATAPLANE_IDLE, WEIR_DATAPLANE_MAX_CONNECTIONS, WEIR_DATAPLANE_MAX_TEMPLATES, WEIR_DATAPLANE_TIMEOUTS_TCP, WEIR_DATAPLANE_TIMEOUTS_TCP_FIN, WEIR_DATAPLANE_TIMEOUTS_UDP, WEIR_DATAPLANE_TIMEOUTS_SCTP, WEIR_API_SOCKET, WEIR_API_LISTEN, " +
			"WEIR_API_CERTIFICATE, WEIR_API_KEY, WEIR_API_CLIENT_CA, WEIR_METRICS_LISTEN, WEIR_METRICS_MAX_SERVICES and WEIR_METRICS_MAX_BACKENDS"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv(c.variable, c.text)
			_, err := Load(write(t, least))
			errs, _ := err.(Errors)
			if len(errs) == 0 || errs[0].Error() != "environment variable "+c.want || errs[0].Line != 0 {
				t.Errorf("got %v, want environment variable %s", err, c.want)
			}
		})
	}
}

// The file is what stays when the variable is gone: it has to be right as well.
func TestFileIsJudgedAlsoWhereAVariableGoesBefore(t *testing.T) {
	t.Setenv("WEIR_DATAPLANE_MEMORY_MB", "x")
	file := write(t, edits{"memory_mb: 256", "memory_mb: 5"}.of(t, base))
	_, err := Load(file)
	want := "environment variable WEIR_DATAPLANE_MEMORY_MB: dataplane.memory_mb: must be a whole number from 16 to 16777216, is \"x\"\n" +
		file + ":4: dataplane.memory_mb: must be 16 to 16777216, is 5"
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant\n%s", err, want)
	}
}

func TestChecksOfSeveralKeysSeeTheEnvironment(t *testing.T) {
	t.Setenv("WEIR_DATAPLANE_CORES", "7")
	file := write(t, base)
	_, err := Load(file)
	want := file + ":15: ports[0].queues: is 2, more than the workers that dataplane.cores makes (1): write auto"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestOtherVariablesAreNotWeirsToJudge(t *testing.T) {
	for _, name := range []string{"WEIR_CONFIG", "WEIR_LAB_NAME", "WEIR_PORTS_0_NAME", "WEIRD_DATAPLANE_X", "WEIR_APIS", "weir_api_socket"} {
		t.Setenv(name, "x")
	}
	if _, err := Load(write(t, base)); err != nil {
		t.Error(err)
	}
}

func TestVariablesDoNotChangeTheSyntaxErrorsOfAFile(t *testing.T) {
	t.Setenv("WEIR_DATAPLANE_MEMORY_MB", "512")
	_, err := Load(write(t, "dataplane: 5\n"))
	var lines []string
	for _, e := range err.(Errors) {
		lines = append(lines, e.Key+": "+e.Msg)
	}
	if !slices.Contains(lines, "dataplane: must be a section with keys, is the number 5") {
		t.Errorf("%q", lines)
	}
}
