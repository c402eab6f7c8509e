package conf

import "testing"

func TestTheMSSIsLoweredWhereBothWaysPass(t *testing.T) {
	if cfg := mustLoad(t, edits{"mode: nat", "mode: nat\n    mss_clamp: true"}.of(t, base)); !cfg.Services[0].MSSClamp || cfg.Services[1].MSSClamp {
		t.Errorf("mss_clamp is %t and %t, want true and false", cfg.Services[0].MSSClamp, cfg.Services[1].MSSClamp)
	}
	testMistakes(t, []mistake{
		{"UDP", "mode: tun", "mode: tun\n    mss_clamp: true", says(
			"50: services[1].mss_clamp: has a meaning only for tcp, this one is udp: remove the key")},
		{"DR", "mode: dr", "mode: dr\n    mss_clamp: true", says(
			"58: services[2].mss_clamp: has no meaning for dr, whose backends answer clients directly: lower the MSS at the backends, as with ip route change default advmss")},
		{"a tunnel", "protocol: udp\n    mode: tun", "protocol: tcp\n    mode: tun\n    mss_clamp: false", says(
			"50: services[1].mss_clamp: has no meaning for tun, where it is the tunnel that takes room: write tunnel.mss_clamp")},
	})
}
