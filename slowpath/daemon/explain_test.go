package daemon

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/weirlb/weir/slowpath/api"
	"github.com/weirlb/weir/slowpath/explain"
	"github.com/weirlb/weir/slowpath/view"
)

func TestDaemonExplainsByWhatItIsNow(t *testing.T) {
	r := startIn(t, "", memory(), somePorts+oneService)
	c := api.Dial(r.socket)
	const syn = "tcp 203.0.113.9:40000 > 203.0.113.10:80"
	e, err := c.Explain(t.Context(), syn)
	if err != nil || e.Verdict != "waiting" || e.Service != "web" || e.Backend != "10.0.0.11:8080" || !e.Predicted {
		t.Fatalf("%+v, %v", e, err)
	}
	for _, backend := range []string{"10.0.0.11:8080", "10.0.0.12:8080"} {
		if _, err := c.Drain(t.Context(), api.Match{}, "web", netip.MustParseAddrPort(backend), false); err != nil {
			t.Fatal(err)
		}
	}
	e, err = c.Explain(t.Context(), syn)
	if err != nil || e.Verdict != "answered" || e.Reason != "no_backend" || e.Mend == "" {
		t.Errorf("after all were drained: %+v, %v", e, err)
	}
	var text strings.Builder
	if err := view.WriteExplanation(&text, e); err != nil || !strings.Contains(text.String(), "10.0.0.11:8080 draining") {
		t.Errorf("%v:\n%s", err, &text)
	}
	if _, err := c.Explain(t.Context(), "tcp nonsense"); err == nil || !strings.Contains(err.Error(), explain.Syntax) {
		t.Errorf("nonsense: %v", err)
	}
	for _, w := range r.workers() {
		if w.PacketsIn != 0 || w.Connections != 0 || w.Dropped != 0 {
			t.Errorf("explaining left its traces: %+v", w)
		}
	}
}

// What workers lose of a service's packets is still the service's after its neighbours in the file have come and gone.
func TestDropsAreOfTheServiceThatHasThePlaceNow(t *testing.T) {
	r := startIn(t, "", memory(), somePorts+oneService)
	c := api.Dial(r.socket)
	p, err := explain.Parse("tcp 203.0.113.9:40000 > 203.0.113.10:80 ack")
	if err != nil {
		t.Fatal(err)
	}
	frame, err := p.Frame([6]byte{2, 0, 0, 0, 0, 1}, [6]byte{2, 0, 0, 0, 0, 9})
	if err != nil {
		t.Fatal(err)
	}
	drops := func(by string) any {
		list, err := c.Show(t.Context(), "drops", api.Filter{By: by})
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	send := func() {
		if err := r.hw.devices[0].queues[0].Put(frame, 0); err != nil {
			t.Fatal(err)
		}
	}
	count := func(service string) (n uint64) {
		for _, d := range drops("service").([]view.ServiceDrop) {
			if d.Service == service && d.Reason == "no_connection" {
				n += d.Packets
			}
		}
		return n
	}
	send()
	r.until("the packet is counted for its service", func() bool { return count("web") == 1 })
	for _, d := range drops("port").([]view.PortDrop) {
		if want := map[bool]uint64{true: 1}[d.Port == "wan" && d.Reason == "no_connection"]; d.Packets != want {
			t.Errorf("%s on %s: %d, want %d", d.Reason, d.Port, d.Packets, want)
		}
	}
	for _, config := range []string{somePorts, somePorts + strings.NewReplacer("web", "other", ":80\n", ":81\n").Replace(oneService)} {
		r.rewrite(config)
		if _, err := r.reload(); err != nil {
			t.Fatal(err)
		}
	}
	if n := count("other"); n != 0 {
		t.Errorf("a new service has %d drops of the one before", n)
	}
}
