package metrics

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/weirlb/weir/slowpath/view"
	"github.com/weirlb/weir/slowpath/view/viewtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// expect compares some of the metrics of a source with the text format.
func expect(t *testing.T, src view.Source, want string, names ...string) {
	t.Helper()
	if err := testutil.CollectAndCompare(NewCollector(src, all), strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
}

func TestNamesAndHelpFollowPrometheusConventions(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(NewCollector(viewtest.Sample(), all))
	problems, err := testutil.GatherAndLint(registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestServiceTraffic(t *testing.T) {
	expect(t, viewtest.Sample(), `
# HELP weir_service_packets_total IP packets from clients (in) and, in nat and fullnat, to them (out).
# TYPE weir_service_packets_total counter
weir_service_packets_total{direction="in",service="dns6"} 99999
weir_service_packets_total{direction="in",service="far"} 4
weir_service_packets_total{direction="in",service="web"} 1.431022e+07
weir_service_packets_total{direction="out",service="dns6"} 0
weir_service_packets_total{direction="out",service="far"} 3
weir_service_packets_total{direction="out",service="web"} 1.9944021e+07
`, "weir_service_packets_total")
}

// Services may share local addresses: each is told once.
func TestLocalAddresses(t *testing.T) {
	src := viewtest.Sample()
	src.ServiceList = append(src.ServiceList, view.Service{Name: "other", Locals: []view.Local{{Address: "10.0.0.32", Ports: 1}}})
	expect(t, src, `
# HELP weir_local_address_ports_in_use Connections that have a port of a local address of fullnat services, which is used once for every backend.
# TYPE weir_local_address_ports_in_use gauge
weir_local_address_ports_in_use{address="10.0.0.32"} 1
weir_local_address_ports_in_use{address="10.0.0.33"} 0
`, "weir_local_address_ports_in_use")
}

func TestDrainingBackendIsUpWithoutAWeight(t *testing.T) {
	expect(t, viewtest.Sample(), `
# HELP weir_backend_up 0 if health checks or the configuration say that the backend is down.
# TYPE weir_backend_up gauge
weir_backend_up{backend="10.0.0.11:8080",service="web"} 1
weir_backend_up{backend="10.0.0.12:8080",service="web"} 0
weir_backend_up{backend="10.0.0.13:8080",service="web"} 1
weir_backend_up{backend="[2001:db8:0:1::53]:53",service="dns6"} 1
# HELP weir_backend_weight The backend's weight; one with weight 0 is draining.
# TYPE weir_backend_weight gauge
weir_backend_weight{backend="10.0.0.11:8080",service="web"} 3
weir_backend_weight{backend="10.0.0.12:8080",service="web"} 1
weir_backend_weight{backend="10.0.0.13:8080",service="web"} 0
weir_backend_weight{backend="[2001:db8:0:1::53]:53",service="dns6"} 1
`, "weir_backend_up", "weir_backend_weight")
}

func TestUncheckedBackendHasNoTimeOfHealth(t *testing.T) {
	if n := testutil.CollectAndCount(NewCollector(viewtest.Sample(), all), "weir_backend_health_since_timestamp_seconds"); n != 3 {
		t.Errorf("%d backends have one, 3 are checked", n)
	}
}

func TestWorkerWithoutACoreHasAnEmptyLabel(t *testing.T) {
	expect(t, viewtest.Sample(), `
# HELP weir_worker_info Always 1; a worker's core (empty: not pinned), and how packets reach the worker that owns their connection.
# TYPE weir_worker_info gauge
weir_worker_info{core="",steering="software",worker="1"} 1
weir_worker_info{core="1",steering="software",worker="0"} 1
`, "weir_worker_info")
}

func TestNeighborsAreCountedByPortAndState(t *testing.T) {
	expect(t, viewtest.Sample(), `
# HELP weir_neighbors Entries of the ARP and neighbour discovery table.
# TYPE weir_neighbors gauge
weir_neighbors{port="wan",state="failed"} 0
weir_neighbors{port="wan",state="incomplete"} 1
weir_neighbors{port="wan",state="reachable"} 1
weir_neighbors{port="wan",state="stale"} 0
weir_neighbors{port="wan",state="static"} 1
# HELP weir_neighbor_queued_packets Packets that wait for a neighbour's MAC.
# TYPE weir_neighbor_queued_packets gauge
weir_neighbor_queued_packets{port="wan"} 3
`, "weir_neighbors", "weir_neighbor_queued_packets")
}

func TestDropsOfTheSlowPathAndOfWorkers(t *testing.T) {
	expect(t, viewtest.Sample(), `
# HELP weir_drops_total Packets dropped, handed to the slow path or answered with ICMP, by reason; worker slowpath is the slow path itself.
# TYPE weir_drops_total counter
weir_drops_total{reason="neighbor_unresolved",worker="slowpath"} 123456
weir_drops_total{reason="no_service",worker="0"} 2007
weir_drops_total{reason="no_service",worker="1"} 11
weir_drops_total{reason="truncated",worker="0"} 0
`, "weir_drops_total")
}

func TestDropsOfPortsAndServices(t *testing.T) {
	expect(t, viewtest.Sample(), `
# HELP weir_port_drops_total Packets dropped, handed to the slow path or answered with ICMP, by reason and the port that they came in by or, for tx_full, could not leave by.
# TYPE weir_port_drops_total counter
weir_port_drops_total{port="wan",reason="neighbor_unresolved"} 123456
weir_port_drops_total{port="wan",reason="no_service"} 2018
weir_port_drops_total{port="wan",reason="truncated"} 0
# HELP weir_service_drops_total Packets dropped, handed to the slow path or answered with ICMP, by reason and service, as far as it could be told; absent until there is one.
# TYPE weir_service_drops_total counter
weir_service_drops_total{reason="no_backend",service="dns6"} 77
weir_service_drops_total{reason="no_connection",service="web"} 1204
`, "weir_port_drops_total", "weir_service_drops_total")
}

func TestPollGaps(t *testing.T) {
	// Worker 0 was away for 895 ns a million times, for 1023 ns twice, and for 57 µs once.
	var w0, w1 strings.Builder
	for power := gapBuckets.first; power <= gapBuckets.last; power++ {
		bound := float64(uint64(1)<<power) * 1e-9
		n := 1_000_002
		if bound > 57e-6 {
			n++
		}
		fmt.Fprintf(&w0, "weir_worker_poll_gap_seconds_bucket{worker=\"0\",le=\"%g\"} %d\n", bound, n)
		fmt.Fprintf(&w1, "weir_worker_poll_gap_seconds_bucket{worker=\"1\",le=\"%g\"} 0\n", bound)
	}
	expect(t, viewtest.Sample(), `
# HELP weir_worker_poll_gap_seconds Time from one of a worker's looks at its queues to the next, without its naps when idle.
# TYPE weir_worker_poll_gap_seconds histogram
`+w0.String()+`weir_worker_poll_gap_seconds_bucket{worker="0",le="+Inf"} 1000003
weir_worker_poll_gap_seconds_sum{worker="0"} 0.9001
weir_worker_poll_gap_seconds_count{worker="0"} 1000003
`+w1.String()+`weir_worker_poll_gap_seconds_bucket{worker="1",le="+Inf"} 0
weir_worker_poll_gap_seconds_sum{worker="1"} 0
weir_worker_poll_gap_seconds_count{worker="1"} 0
`, "weir_worker_poll_gap_seconds")
}

func TestQueues(t *testing.T) {
	expect(t, viewtest.Sample(), `
# HELP weir_worker_queue_used What waits in a worker's queue to the slow path (punt), from it (inject), or from other workers (handover, the fullest), in the unit that the label says.
# TYPE weir_worker_queue_used gauge
weir_worker_queue_used{queue="handover",unit="frames",worker="0"} 512
weir_worker_queue_used{queue="inject",unit="bytes",worker="0"} 0
weir_worker_queue_used{queue="punt",unit="bytes",worker="0"} 20972
`, "weir_worker_queue_used")
}

func TestSetupTimes(t *testing.T) {
	// A million below 2^18 ns, 203,400 below 2^19, and 72 below 2^30.
	var b strings.Builder
	for power := 16; power <= 34; power += 2 {
		n := 0
		switch {
		case power >= 30:
			n = 1_203_472
		case power >= 20:
			n = 1_203_400
		case power >= 18:
			n = 1_000_000
		}
		fmt.Fprintf(&b, "weir_service_connection_setup_seconds_bucket{service=\"web\",le=\"%g\"} %d\n", float64(uint64(1)<<power)*1e-9, n)
	}
	expect(t, viewtest.Sample(), `
# HELP weir_service_connection_setup_seconds Time from a client's first SYN to the backend's SYN+ACK, for tcp in nat, as Weir saw them; absent until there was one.
# TYPE weir_service_connection_setup_seconds histogram
`+b.String()+`weir_service_connection_setup_seconds_bucket{service="web",le="+Inf"} 1203472
weir_service_connection_setup_seconds_sum{service="web"} 361.0416
weir_service_connection_setup_seconds_count{service="web"} 1203472
`, "weir_service_connection_setup_seconds")
}

func TestFailedConnections(t *testing.T) {
	expect(t, viewtest.Sample(), `
# HELP weir_service_connections_failed_total TCP connections that failed: as weir_backend_connections_failed_total.
# TYPE weir_service_connections_failed_total counter
weir_service_connections_failed_total{how="refused",service="dns6"} 0
weir_service_connections_failed_total{how="refused",service="far"} 0
weir_service_connections_failed_total{how="refused",service="web"} 1002
weir_service_connections_failed_total{how="reset",service="dns6"} 0
weir_service_connections_failed_total{how="reset",service="far"} 0
weir_service_connections_failed_total{how="reset",service="web"} 17
weir_service_connections_failed_total{how="unanswered",service="dns6"} 0
weir_service_connections_failed_total{how="unanswered",service="far"} 0
weir_service_connections_failed_total{how="unanswered",service="web"} 84
`, "weir_service_connections_failed_total")
}

// What has no series of its own is in the totals all the same.
func TestBeyondTheLimitsOnlyTotalsCount(t *testing.T) {
	collect := func(limits Limits, name string) string {
		t.Helper()
		var b strings.Builder
		registry := prometheus.NewRegistry()
		registry.MustRegister(NewCollector(viewtest.Sample(), limits))
		gathered, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range gathered {
			if f.GetName() == name {
				for _, m := range f.GetMetric() {
					for _, l := range m.GetLabel() {
						b.WriteString(l.GetValue() + " ")
					}
					fmt.Fprintf(&b, "%v; ", m.GetCounter().GetValue()+m.GetGauge().GetValue())
				}
			}
		}
		return b.String()
	}
	for _, c := range []struct {
		limits                           Limits
		out, services, backends, dropped string
	}{
		{all, "backend 0; service 0; ", "dns6 88010; far 1; web 1.204558e+06; ", "10.0.0.11:8080 web 1; 10.0.0.12:8080 web 0; 10.0.0.13:8080 web 1; [2001:db8:0:1::53]:53 dns6 1; ", "no_backend dns6 77; no_connection web 1204; "},
		{Limits{1, 2}, "backend 2; service 2; ", "web 1.204558e+06; ", "10.0.0.11:8080 web 1; 10.0.0.12:8080 web 0; ", "no_connection web 1204; "},
		{Limits{}, "backend 4; service 3; ", "", "", ""},
	} {
		for name, want := range map[string]string{
			"weir_metrics_left_out": c.out, "weir_service_connections_total": c.services, "weir_backend_up": c.backends, "weir_service_drops_total": c.dropped,
			"weir_connections_total": "1.292569e+06; ", "weir_backends": "down 1; draining 1; maintenance 0; sorry 0; standby 0; up 2; ",
		} {
			if got := collect(c.limits, name); got != want {
				t.Errorf("%+v: %s: %s, want %s", c.limits, name, got, want)
			}
		}
	}
}

// all is more than there is.
var all = Limits{1000, 1000}

// notExported are the fields of the views that have no metric of their own, and why.
var notExported = map[string]string{
	"Service.Addresses": "weir_service_info has as many as there is room for",
	"Service.Match":     "free text; the configuration tells",
	"Service.Reason":    "free text; weir_service_up tells",
	"Service.Locals":    "see TestLocalAddresses",
	"Service.Shares":    "weir_backend_connections_total tells, over any time",
	"Backend.Share":     "weir_backend_connections_total tells, over any time",
	"Backend.Health":    "free text; weir_backend_up tells",
	"Backend.Changed":   "weir_backends_changed counts them",
	"Daemon.Revision":   "free text; weir_config_generation tells of changes",
	"Backend.LastError": "free text; weir_backend_last_error_timestamp_seconds tells when",
	"Port.Link":         "weir_port_link_up tells",
	"Port.Changed":      "the same as long as it runs; preflight and weir show ports tell",
	"Worker.Queues":     "see TestQueues",
	"Neighbor.Address":  "neighbours are counted",
	"Neighbor.MAC":      "neighbours are counted",
	"Neighbor.Age":      "neighbours are counted",
	"Drop.Help":         "docs/reasons.md explains the reasons",
	"PortDrop.Help":     "docs/reasons.md explains the reasons",
	"ServiceDrop.Help":  "docs/reasons.md explains the reasons",
}

func TestEveryFieldOfTheViewsIsExported(t *testing.T) {
	src := &viewtest.Source{
		ServiceList:  make([]view.Service, 1),
		BackendList:  make([]view.Backend, 1),
		WorkerList:   make([]view.Worker, 1),
		PortList:     make([]view.Port, 1),
		NeighborList: make([]view.Neighbor, 1),
		DropList:     make([]view.Drop, 1),
		PortDropList: make([]view.PortDrop, 1), ServiceDropList: make([]view.ServiceDrop, 1),
	}
	fields := map[string]string{} // path: the value that must be found
	for _, v := range []any{
		&src.ServiceList[0], &src.BackendList[0], &src.WorkerList[0], &src.PortList[0], &src.NeighborList[0],
		&src.DropList[0], &src.PortDropList[0], &src.ServiceDropList[0], &src.Process,
	} {
		structure := reflect.ValueOf(v).Elem()
		fill(t, structure, structure.Type().Name(), fields)
	}
	found := exported(t, src)
	for path, value := range fields {
		why, skipped := notExported[path]
		if found[value] == skipped {
			t.Errorf("%s: exported %v, and the reason why not is %q", path, found[value], why)
		}
	}
	for path := range notExported {
		if _, ok := fields[path]; !ok {
			t.Errorf("there is no field %s any more", path)
		}
	}
}

// fill gives every field a value that nothing else has.
func fill(t *testing.T, structure reflect.Value, path string, fields map[string]string) {
	for i := range structure.NumField() {
		field := structure.Field(i)
		name := path + "." + structure.Type().Field(i).Name
		n := 7001 + len(fields)
		switch field.Kind() {
		case reflect.Struct:
			fill(t, field, path, fields)
			continue
		case reflect.Int, reflect.Int64:
			field.SetInt(int64(n))
		case reflect.Uint64:
			field.SetUint(uint64(n))
		case reflect.Float64:
			field.SetFloat(float64(n))
		case reflect.String:
			field.SetString(fmt.Sprint("text", n))
		case reflect.Slice:
			if field.Type() == reflect.TypeFor[[]view.Duration]() {
				continue // see TestPollGaps
			}
			if field.Type().Elem().Kind() != reflect.String {
				fields[name] = fmt.Sprint("text", n)
				continue
			}
			field.Set(reflect.ValueOf([]string{fmt.Sprint("text", n)}))
		case reflect.Bool:
			continue // has no value of its own; see TestDaemon
		default:
			t.Fatalf("%s has a kind this test does not know", name)
		}
		fields[name] = strings.Trim(fmt.Sprint(field), "[]")
	}
}

// exported is every value and label of a scrape, and the numbers that labels hold.
func exported(t *testing.T, src view.Source) map[string]bool {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(NewCollector(src, all))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			found[fmt.Sprint(m.GetCounter().GetValue()+m.GetGauge().GetValue())] = true
			found[fmt.Sprint(m.GetHistogram().GetSampleCount())] = true
			found[fmt.Sprint(math.Round(m.GetHistogram().GetSampleSum()*1e9))] = true
			for _, l := range m.GetLabel() {
				found[l.GetValue()] = true
			}
		}
	}
	return found
}

func TestDaemon(t *testing.T) {
	src := viewtest.Sample()
	for value, on := range map[string]bool{"1": true, "0": false} {
		src.Process.Hugepages = on
		expect(t, src, `
# HELP weir_hugepages 1 if memory comes from huge pages.
# TYPE weir_hugepages gauge
weir_hugepages `+value+"\n", "weir_hugepages")
	}
}

func TestEverythingDescribedIsCollected(t *testing.T) {
	descriptions := make(chan *prometheus.Desc, 1000)
	NewCollector(viewtest.Sample(), all).Describe(descriptions)
	registry := prometheus.NewRegistry()
	registry.MustRegister(NewCollector(viewtest.Sample(), all))
	gathered, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if len(gathered) != len(descriptions) {
		t.Errorf("%d metrics are collected, %d are described", len(gathered), len(descriptions))
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func get(t *testing.T, s *Server, path string) (int, string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + s.Addr().String() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestScrapeOverHTTP(t *testing.T) {
	s, err := Serve("127.0.0.1:0", viewtest.Sample(), all, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	status, body := get(t, s, "/metrics")
	for _, want := range []string{
		`weir_build_info{goversion="go`, `version="1.0.0"} 1`, "\ngo_goroutines ", "\nprocess_open_fds ",
		`weir_service_connections_total{service="web"} 1.204558e+06`,
	} {
		if status != 200 || !strings.Contains(body, want) {
			t.Errorf("%d, without %s:\n%s", status, want, body)
		}
	}
	if status, body := get(t, s, "/healthz"); status != 200 || body != "ok\n" {
		t.Errorf("/healthz: %d %q", status, body)
	}
	if status, _ := get(t, s, "/"); status != 404 {
		t.Errorf("/: %d", status)
	}
}

func TestOneBadNameDoesNotHideTheOtherMetrics(t *testing.T) {
	src := viewtest.Sample()
	src.ServiceList[0].Name = "\xff"
	s, err := Serve("127.0.0.1:0", src, all, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	status, body := get(t, s, "/metrics")
	if status != 200 || !strings.Contains(body, `weir_service_connections_total{service="dns6"} 88010`) {
		t.Errorf("%d %s", status, body)
	}
}

func TestAnAddressOfAnotherMachineIsASentence(t *testing.T) {
	const other = "192.0.2.77:9480" // for documentation (RFC 5737)
	_, err := Serve(other, viewtest.Sample(), all, quiet())
	if err == nil || !strings.HasPrefix(err.Error(), "metrics.listen "+other+": no interface of this machine has that address") {
		t.Errorf("got %v", err)
	}
}

func TestAddressInUseIsASentence(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = Serve(l.Addr().String(), viewtest.Sample(), all, quiet())
	want := "metrics.listen " + l.Addr().String() + ": another program listens there: choose another address or port"
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	if _, err := Serve("nonsense", viewtest.Sample(), all, quiet()); err == nil || !strings.HasPrefix(err.Error(), "metrics.listen nonsense: ") {
		t.Errorf("got %v", err)
	}
}

func TestCloseFreesTheAddress(t *testing.T) {
	s, err := Serve("127.0.0.1:0", viewtest.Sample(), all, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	l, err := net.Listen("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
}

// Close gives a client the time it gives a scrape, and then cuts it off: no reason for weir to end with an error.
func TestAClientThatSaysNothingDoesNotMakeTheEndFail(t *testing.T) {
	s, err := Serve("127.0.0.1:0", viewtest.Sample(), all, quiet())
	if err != nil {
		t.Fatal(err)
	}
	silent, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	get(t, s, "/healthz") // accepted after the silent one
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	_ = silent.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := silent.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("it was not cut off: %v", err)
	}
}
