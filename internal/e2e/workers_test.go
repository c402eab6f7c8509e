package e2e

import (
	"encoding/json"
	"testing"
)

// TestTwoWorkersOnTwoQueues sends bulk TCP over several connections; af_packet's fanout spreads them over the queues
// as it likes, so that about half the packets must be handed over.
func TestTwoWorkersOnTwoQueues(t *testing.T) {
	l := needLab(t)
	for _, c := range []struct{ name, devargs string }{{"a queue for each", ""}, {"one queue for both", ",qpairs=1"}} {
		t.Run(c.name, func(t *testing.T) {
			d := l.start(t, c.devargs, `dataplane: {memory_mb: 256, max_connections: 20000, cores: [0, 1], idle: sleep}
services:
  - {name: iperf, address: "203.0.113.10:5201", protocol: tcp, mode: nat, scheduler: rr, backends: [{address: "10.0.0.11:5201"}]}
`)
			l.background(t, "rs1", "iperf3", "-s", "-B", "10.0.0.11")
			until(t, "iperf3 gets through", func() bool {
				out, err := l.try("client", "iperf3", "-c", "203.0.113.10", "-P", "8", "-n", "4M", "-J")
				if err != nil {
					t.Logf("%s", out) // the server is not up yet
					return false
				}
				var report struct {
					End struct {
						Received struct{ Bytes float64 } `json:"sum_received"`
					} `json:"end"`
				}
				if err := json.Unmarshal([]byte(out), &report); err != nil {
					t.Fatal(err)
				}
				// What is under way at the end of a test does not count.
				return report.End.Received.Bytes >= 2<<20
			})
			d.accounted()
			handed := 0.0
			for _, w := range d.show("workers") {
				handed += w["packets_handed_over"].(float64)
				if w["connections"] == 0.0 {
					t.Errorf("worker %v has no connection", w["worker"])
				}
				if w["steering"] != "software" {
					t.Errorf("steering is %v", w["steering"])
				}
			}
			if handed == 0 {
				t.Error("no packet was handed over")
			}
		})
	}
}
