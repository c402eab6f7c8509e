package conf

import (
	"testing"
	"time"
)

func TestAServicesTimeoutsStandOverTheDataPlanes(t *testing.T) {
	cfg := mustLoad(t, edits{"scheduler: mh", "timeouts: {tcp: 1h}\n    scheduler: mh"}.of(t, base))
	want := Timeouts{TCP: time.Hour}
	if got := cfg.Services[0].Timeouts; got != want {
		t.Errorf("the service has %+v, want %+v", got, want)
	}
	want = Timeouts{TCP: time.Hour, TCPFin: 30 * time.Second, UDP: 10 * time.Second, SCTP: 900 * time.Second}
	if got := cfg.Services[0].Timeouts.Over(cfg.Dataplane.Timeouts); got != want {
		t.Errorf("over the data plane's it has %+v, want %+v", got, want)
	}
}

func TestMistakesInAServicesTimeouts(t *testing.T) {
	testMistakes(t, []mistake{
		{"UDP's for TCP", "scheduler: mh", "timeouts: {udp: 10s}\n    scheduler: mh", says(
			"29: services[0].timeouts.udp: has a meaning only for protocol udp, this one is tcp: remove the key")},
		{"SCTP's for TCP", "scheduler: mh", "timeouts: {sctp: 10s}\n    scheduler: mh", says(
			"29: services[0].timeouts.sctp: has a meaning only for protocol sctp, this one is tcp: remove the key")},
		{"TCP's for UDP", "tunnel: {df: set, mss_clamp: false}", "timeouts: {tcp_fin: 10s}", says(
			"50: services[1].timeouts.tcp_fin: has a meaning only for protocol tcp, this one is udp: remove the key")},
		{"too short", "scheduler: mh", "timeouts: {tcp: 10ms}\n    scheduler: mh", says(
			"29: services[0].timeouts.tcp: must be 1s to 168h, is 10ms")},
	})
}
