package conf

import "testing"

func TestSloppyIsForProtocolsWithABeginning(t *testing.T) {
	if cfg := mustLoad(t, edits{"mode: dr", "mode: dr\n    sloppy: true"}.of(t, base)); !cfg.Services[2].Sloppy || cfg.Services[0].Sloppy {
		t.Error("it is not the service's that has the key")
	}
	testMistakes(t, []mistake{{"UDP", "mode: tun", "mode: tun\n    sloppy: true", says(
		"50: services[1].sloppy: has a meaning only for tcp and sctp, this one is udp, of which any packet begins a connection: remove the key")}})
}
