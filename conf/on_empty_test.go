package conf

import "testing"

func TestMistakesInOnEmpty(t *testing.T) {
	testMistakes(t, []mistake{
		{"no sorry server", "scheduler: mh", "on_empty: sorry\n    scheduler: mh", says(
			"29: services[0].on_empty: needs a sorry server: write for example sorry: 10.0.0.99:8080")},
		{"one too many", "scheduler: mh", "on_empty: drop\n    sorry: 10.0.0.99:80\n    scheduler: mh", says(
			"29: services[0].on_empty: is drop, but there is a sorry server, which takes new connections then: remove one of the two")},
		{"reset of UDP", "mode: tun", "mode: tun\n    on_empty: reset", says(
			"50: services[1].on_empty: is reset, which only TCP has, and the service is udp: write icmp or drop")},
		{"misspelt", "scheduler: mh", "on_empty: rst\n    scheduler: mh", says(
			`29: services[0].on_empty: must be icmp, reset, drop or sorry, is "rst"`)},
	})
}
