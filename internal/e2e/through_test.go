package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// twoWays are two services of a mode and family with the same backends: one is checked through itself, the other at the
// backends' own addresses.
func twoWays(mode, family string) (config, url string) {
	health := "health: {type: http, path: /healthz, interval: 100ms, timeout: 500ms, rise: 2, fall: 2%s}"
	through, url := service(mode, family, fmt.Sprintf(health, ", via: service"))
	plain, _ := service(mode, family, fmt.Sprintf(health, ""))
	plain = strings.Replace(strings.ReplaceAll(plain, ":80\"", ":8080\""), "name: "+mode+family, "name: plain", 1)
	return "services:\n" + through + plain, url
}

// expectStates waits until the backends of both services are in a state.
func (d *daemon) expectStates(what string, want map[string]string) {
	d.t.Helper()
	var got map[string]string
	d.until(what, func() bool {
		got = map[string]string{}
		for _, r := range d.show("backends") {
			got[fmt.Sprintf("%s %s", r["service"], r["address"])] = fmt.Sprint(r["state"])
		}
		for k, v := range want {
			if got[k] != v {
				return false
			}
		}
		return true
	})
}

func TestABackendWithoutTheVIPOrTheTunnelIsDownThoughItsOwnAddressAnswers(t *testing.T) {
	l := needLab(t)
	add := func(args string) func(*testing.T) {
		return func(t *testing.T) { l.do(t, "rs1", strings.Fields(args)...) }
	}
	signal := func(s string) func(*testing.T) { return func(t *testing.T) { l.signalDecap(t, "rs1", s) } }
	for _, c := range []struct {
		name, mode, family string
		fail, heal         func(*testing.T)
	}{
		{"the VIP is missing in dr", "dr", "4", add("ip addr del 203.0.113.12/32 dev lo"), add("ip addr add 203.0.113.12/32 dev lo")},
		{"the IPv6 VIP is missing in dr", "dr", "6", add("ip addr del 2001:db8::12/128 dev lo"), add("ip addr add 2001:db8::12/128 dev lo nodad")},
		{"the VIP is missing in tun", "tun", "4", add("ip addr del 203.0.113.11/32 dev lo"), add("ip addr add 203.0.113.11/32 dev lo")},
		{"the IPv6 VIP is missing in tun", "tun", "6", add("ip addr del 2001:db8::11/128 dev lo"), add("ip addr add 2001:db8::11/128 dev lo nodad")},
		{"the tunnel does not work", "tun", "4", signal("-STOP"), signal("-CONT")},
	} {
		t.Run(c.name, func(t *testing.T) {
			config, url := twoWays(c.mode, c.family)
			d := l.start(t, "", config)
			net, port := "10.0.0.1", ":"
			if c.family == "6" {
				net, port = "[fd00::1", "]:"
			}
			through, plain := c.mode+c.family+" "+net, "plain "+net
			states := func(rs1 string) map[string]string {
				return map[string]string{
					through + "1" + port + "80": rs1, through + "2" + port + "80": "up",
					plain + "1" + port + "8080": "up", plain + "2" + port + "8080": "up",
				}
			}
			d.until("all backends have answered a check", func() bool {
				n := 0
				for _, r := range d.show("backends") {
					if strings.HasPrefix(r["health"].(string), "200 OK") {
						n++
					}
				}
				return n == 4
			})
			healed := false
			heal := func() { c.heal(t); healed = true }
			t.Cleanup(func() {
				if !healed {
					heal()
				}
			})
			c.fail(t)
			d.expectStates("only the check through the service misses it", states("down"))
			if got := l.servers(t, url, 6); got["rs2"] != 6 {
				t.Errorf("with rs1 down, served: %v", got)
			}
			d.expectStates("the other checks go on as ever", states("down"))
			heal()
			d.expectStates("it is back", states("up"))
			if got := l.servers(t, url, 6); got["rs1"] != 3 || got["rs2"] != 3 {
				t.Errorf("with rs1 back, served: %v", got)
			}
		})
	}
}

// signalDecap sends a signal to the end of a real server's tunnels, where that is the lab's program.
func (l *lab) signalDecap(t *testing.T, ns, signal string) {
	t.Helper()
	out, err := exec.Command("ip", "netns", "pids", l.ns(ns)).Output()
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, pid := range strings.Fields(string(out)) {
		if comm, _ := os.ReadFile("/proc/" + pid + "/comm"); string(comm) == "decap\n" {
			l.do(t, ns, "kill", signal, pid)
			found = true
		}
	}
	need(t, found, "the lab's decap, which takes the place of the kernel's tunnels where there are none,")
}
