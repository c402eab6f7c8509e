package conf

import (
	"strings"
	"testing"
)

func TestAWordInPlaceOfASectionIsAnsweredWithTheSection(t *testing.T) {
	const service = "services: [{name: web, address: 203.0.113.10:80, protocol: tcp, mode: MODE, backends: [{address: 203.0.113.11:80}, {address: 203.0.113.12:80}], HERE}]"
	nat, tun := strings.Replace(service, "MODE", "nat", 1), strings.Replace(service, "MODE", "tun", 1)
	nested := strings.Replace(nat, "HERE", "health: {type: tcp, HERE}", 1)
	for _, c := range []struct{ in, key, word, advice string }{
		{nat, "persistence", "300", "{timeout: 300s}"},
		{nat, "persistence", "5m", "{timeout: 5m}"},
		{nat, "persistence", "true", "{timeout: 360s}"},
		{nat, "persistence", "false", ""},
		{nat, "persistence", "long", ""},
		{nat, "persistence", "[300s]", ""},
		{nat, "quorum", "2", "{backends: 2}"},
		{nat, "quorum", `"2"`, "{backends: 2}"},
		{nat, "quorum", "50%", ""},
		{nat, "quorum", "0", ""},
		{nat, "match", "198.51.100.0/24", "{source: [198.51.100.0/24]}"},
		{nat, "match", "lan", ""},
		{nat, "health", "tcp", "{type: tcp}"},
		{nat, "health", "tpc", ""},
		{nat, "health", "true", ""},
		{nat, "on_change", "/usr/local/bin/changed", "{command: [/usr/local/bin/changed]}"},
		{nat, "on_change", "true", ""},
		{nat, "timeouts", "15m", ""},
		{tun, "tunnel", "gre", "{type: gre}"},
		{tun, "tunnel", "4", ""},
		{nested, "flapping", "5", "{falls: 5}"},
		{nested, "passive", "30%", "{share: 30%}"},
		{nested, "passive", "30", "{share: 30%}"},
		{nested, "passive", "true", "{share: 20%}"},
		{"HERE", "metrics", "0.0.0.0:9480", "{listen: 0.0.0.0:9480}"},
		{"HERE", "api", "/run/other.sock", "{socket: /run/other.sock}"},
		{"HERE", "api", "127.0.0.1:9481", ""},
		{"HERE", "dataplane", "4", ""},
	} {
		t.Run(c.key+": "+c.word, func(t *testing.T) {
			expectAdvice(t, c.in, c.key, c.word, "must be a section with keys, is ", c.advice)
		})
	}
}

func TestAWordInPlaceOfAListIsAnsweredWithTheList(t *testing.T) {
	const service = "services: [{name: web, address: 203.0.113.10:80, protocol: tcp, mode: nat, HERE}]"
	for _, c := range []struct{ in, key, word, advice string }{
		{service, "backends", "203.0.113.11:80", "[{address: 203.0.113.11:80}]"},
		{service, "backends", "web1", ""},
		{"HERE", "services", "web", ""},
		{"HERE", "neighbors", "203.0.113.11", ""},
	} {
		t.Run(c.key+": "+c.word, func(t *testing.T) {
			expectAdvice(t, c.in, c.key, c.word, "must be a list, is ", c.advice)
		})
	}
}

// expectAdvice gives a word to a key in the place of HERE, and what is advised instead, which has to be a configuration.
func expectAdvice(t *testing.T, in, key, word, begins, advice string) {
	t.Helper()
	config := func(value string) string {
		return "ports: [{name: wan, device: net_null0, addresses: [203.0.113.2/24]}]\n" + strings.Replace(in, "HERE", key+": "+value, 1) + "\n"
	}
	got := errorAt(t, config(word), key)
	if _, says, _ := strings.Cut(got, ": write "); says != advice || !strings.HasPrefix(got, begins) {
		t.Errorf("it says %q, want the advice %q", got, advice)
	}
	if advice != "" {
		mustLoad(t, config(advice))
	}
}

// errorAt is what the only error of a configuration says, which is about a key of that name.
func errorAt(t *testing.T, text, key string) string {
	t.Helper()
	_, err := loadText(text)
	errs, _ := err.(Errors)
	if len(errs) != 1 {
		t.Fatalf("%d errors, want one about %s: %v", len(errs), key, err)
	}
	if !strings.HasSuffix("."+errs[0].Key, "."+key) {
		t.Fatalf("the error is about %s: %v", errs[0].Key, err)
	}
	return errs[0].Msg
}
