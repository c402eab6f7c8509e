package conf

import (
	"testing"
	"time"
)

func TestPersistenceHasIpvsadmsDefaults(t *testing.T) {
	cfg := mustLoad(t, edits{"scheduler: mh", "persistence: {}\n    scheduler: mh", "mode: tun", "mode: tun\n    persistence: {timeout: 5m, prefix: 64}"}.of(t, base))
	if got, want := *cfg.Services[0].Persistence, (Persistence{Timeout: 360 * time.Second, Mask: 32, Prefix: 128}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got, want := *cfg.Services[1].Persistence, (Persistence{Timeout: 300 * time.Second, Mask: 32, Prefix: 64}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if cfg.Services[2].Persistence != nil {
		t.Error("a service has persistence that it was not given")
	}
}

func TestMistakesInPersistence(t *testing.T) {
	testMistakes(t, []mistake{
		{"no bits", "scheduler: mh", "persistence: {mask: 0}\n    scheduler: mh", says(
			"29: services[0].persistence.mask: must be 1 to 32, is 0")},
		{"netmask", "scheduler: mh", "persistence: {mask: 255.255.255.0}\n    scheduler: mh", says(
			"29: services[0].persistence.mask: must be a number, is the text \"255.255.255.0\"")},
		{"for ever", "scheduler: mh", "persistence: {timeout: 1000h}\n    scheduler: mh", says(
			"29: services[0].persistence.timeout: must be 1s to 168h, is 1000h")},
		{"prefix for IPv4", "scheduler: mh", "persistence: {prefix: 64}\n    scheduler: mh", says(
			"29: services[0].persistence.prefix: is for IPv6 clients, the service is IPv4: write mask")},
		{"mask for IPv6", "mode: tun", "mode: tun\n    persistence: {mask: 24}", says(
			"50: services[1].persistence.mask: is for IPv4 clients, the service is IPv6: write prefix")},
		{"expire_quiescent alone", "scheduler: mh", "expire_quiescent: true\n    scheduler: mh", says(
			"29: services[0].expire_quiescent: has a meaning only with persistence: remove the key, or write persistence: {timeout: 360s}")},
	})
}
