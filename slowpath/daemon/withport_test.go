package daemon

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/weirlb/weir/slowpath/api"
)

func TestAPortThatIsPlainNeedNotBeWritten(t *testing.T) {
	r := startIn(t, "", memory(), somePorts+`
services:
  - {name: dns, address: "203.0.113.10:53", protocol: udp, mode: dr, backends: [{address: 10.0.0.11}]}
  - {name: any, addresses: ["203.0.113.11:80", "203.0.113.11:81"], protocol: tcp, mode: tun, backends: [{address: 10.0.0.11}]}
  - {name: web, address: "203.0.113.10:80", protocol: tcp, mode: nat, backends: [{address: "10.0.0.11:8080"}, {address: "10.0.0.11:8081"}, {address: "10.0.0.12:90"}]}
`)
	add := func(service string, b netip.AddrPort) ([]string, error) {
		return r.api().AddBackend(t.Context(), api.Match{}, service, b, 1)
	}
	drain := func(service string, b netip.AddrPort) ([]string, error) {
		b, err := r.api().Complete(t.Context(), service, b)
		if err != nil {
			return nil, err
		}
		return r.api().Drain(t.Context(), api.Match{}, service, b, false)
	}
	for _, c := range []struct {
		do                     func(string, netip.AddrPort) ([]string, error)
		service, backend, want string
	}{
		{add, "dns", "10.0.0.13", "+ backend dns 10.0.0.13:53: weight 1"},
		{drain, "dns", "10.0.0.13", "~ backend dns 10.0.0.13:53: drains, weight 1 → 0; 0 connections are left"},
		{add, "any", "10.0.0.13", "+ backend any 10.0.0.13:0: weight 1"},
		{drain, "any", "10.0.0.13", "~ backend any 10.0.0.13:0: drains, weight 1 → 0; 0 connections are left"},
		{drain, "web", "10.0.0.12", "~ backend web 10.0.0.12:90: drains, weight 1 → 0; 0 connections are left"},
		{drain, "web", "10.0.0.11", "service web has several backends 10.0.0.11: say which of 10.0.0.11:8080, 10.0.0.11:8081"},
		{drain, "web", "10.0.0.13", "service web has no backend 10.0.0.13: there are 10.0.0.11:8080, 10.0.0.11:8081, 10.0.0.12:90"},
		{add, "web", "10.0.0.13", "backend web 10.0.0.13:0: has no port: write for example 10.0.0.13:80"},
	} {
		b, err := api.ParseBackend(c.backend)
		if err != nil {
			t.Fatal(err)
		}
		changes, err := c.do(c.service, b)
		got := strings.Join(changes, "; ")
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s %s: got %q, want %q", c.service, c.backend, got, c.want)
		}
	}
}
