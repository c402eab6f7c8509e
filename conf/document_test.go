package conf

import "testing"

// What the YAML parser means, and where, is told in the words of somebody who writes a configuration.
func TestFilesThatAreNotYAML(t *testing.T) {
	const (
		list     = "the list that begins here with [ is not ended well: its entries need a comma between them and a ] at the end"
		section  = "the section that begins here with { is not ended well: its keys need a comma between them and a } at the end"
		quotes   = "a text in quotes begins here and never ends"
		query    = `a text with a question mark needs quotes within { } and [ ]: "/healthz?full=1"`
		tab      = "is indented with a tab: YAML takes only spaces"
		noKey    = "a key was expected here: is it indented as the keys above it?"
		noEntry  = "an entry of a list was expected here: is it indented as the entries above it?"
		notHere  = "a key is not allowed here: does the line above lack its colon, or is this one not indented as the keys above it? A text with a colon in it needs quotes"
		noValue  = "a value was expected here: is a [ or { above never closed, or a comma too many? A text that begins with a colon needs quotes"
		noText   = "this character cannot begin a value: put the text in quotes"
		noAnchor = "an anchor or alias needs a name; a text that begins with & or * needs quotes"
	)
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"tab", "ports:\n\t- name: wan\n", says("2: " + tab)},
		{"several tabs", "ports:\n  - name: wan\n\t  device: x\n\tfoo\n", says("3: "+tab, "4: "+tab)},
		{"tab with Windows's line ends", "ports:\r\n  - name: wan\r\n\tdevice: x\r\n", says("3: " + tab)},
		{"tab after another error", "api: @\nports:\n\tx: y\n", says("1: "+noText, "3: "+tab)},
		{"list without an end", "ports:\n  - name: wan\n    addresses: [1.2.3.4/24, 5.6.7.8/24\n    tap: weir0\n", says("3: " + list)},
		{"list without an end on the first line", "ports: [wan\n", says("1: " + list)},
		{"list whose end is in a comment", "ports:\n  - name: wan\n    addresses: [203.0.113.2/24 # comment ]\n    tap: x\n", says("3: " + list)},
		{"list that ends lines later", "a: x\nservices: [{name: web}\n\n\nneighbors: []\n", says("2: " + list)},
		{"section without an end", "ports:\n  - {name: wan, addresses: [1.2.3.4/24], tap: weir0\n  - {name: lan}\n", says("2: " + section)},
		{"section without an end on the first line", "ports: {a: b\n", says("1: " + section)},
		{"question mark in a section", "services:\n  - health: {type: http, path: /healthz?full=1, rise: 2}\n", says("2: " + query)},
		{"question mark in a list", "- [a?b, c]\n", says("1: " + query)},
		{"question mark in quotes", "services:\n  - health: {path: \"/healthz?full=1\", type: http\n  - {name: web}\n", says("2: " + section)},
		{"YAML's version", "%YAML 1.2\n---\nports: []\n", says("1: a configuration needs no %YAML line: remove it")},
		{"another directive", "%FOO\n---\nports: []\n", says("1: a line that begins with % is no part of a configuration: remove it")},
		{"double quote without an end", "#\n\nports:\n  - name: \"wan\n    tap: x\n", says("4: " + quotes)},
		{"single quote without an end", "ports: 'it''s\n", says("1: " + quotes)},
		{"IPv6 address that begins with a colon", "neighbors: [{address: ::1, port: lan}]\n", says("1: " + noValue)},
		{"port that begins with a colon", "metrics: {listen: :9480}\n", says("1: " + noValue)},
		{"two commas", "ports: [{name: wan,, tap: x}]\n", says("1: " + noValue)},
		{"wrong bracket", "ports: ]\n", says("1: " + noValue)},
		{"key without a colon", "ports:\n  - name wan\n    device: x\n", says("3: " + notHere)},
		{"section without a colon", "ports\n  - name: wan\n", says("2: " + notHere)},
		{"value with a colon", "ports:\n  - name: wan: lan\n", says("2: " + notHere)},
		{"key indented too far", "ports:\n  - name: wan\n      device: x\n", says("3: " + notHere)},
		{"key indented too little", "ports:\n  - name: wan\n   device: x\n", says("3: " + noEntry)},
		{"key indented far too little", "ports:\n  - name: wan\n device: x\n", says("3: " + noKey)},
		{"key below a list", "- c\na: b\n", says("2: " + noEntry)},
		{"entry indented too far", "ports:\n- name: wan\n  device: x\n  - name: lan\n", says("4: " + noKey)},
		{"entry below a key", "a: b\n- c\n", says("2: " + noKey)},
		{"value that begins with @", "ports:\n  - name: @wan\n", says("2: " + noText)},
		{"value that begins with a backquote", "ports:\n  - name: wan\n    tap: `x\n", says("3: " + noText)},
		{"alias of nothing", "ports:\n  - name: *wan\n", says("2: the alias *wan has no anchor &wan above it; a text that begins with * needs quotes")},
		{"alias of nothing, spoken of before", "# *wan is nice\nports:\n  - tap: \"*wan\"\n\n    name: *wan\n    device: x\nservices: []\n", says(
			"5: the alias *wan has no anchor &wan above it; a text that begins with * needs quotes")},
		{"alias without a name", "ports:\n  - name: * x\n", says("2: " + noAnchor)},
		{"anchor without a name", "ports:\n  - name: &\n", says("2: " + noAnchor)},
		{"control character", "a: x\n\n\nb: \x07\n", says("4: has a control character in it: a configuration is plain text")},
		{"not UTF-8", "a: x\nb: y\n\nname: \xff\nfoo: x\n", says("4: is not YAML: invalid leading UTF-8 octet")},
		{"escape that is none", "a: x\nb: \"\\q\"\n", says("2: is not YAML: found unknown escape character")},
		{"another version of YAML", "%YAML 2.0\n---\nports: []\n", says("1: a configuration needs no %YAML line: remove it")},
		{"text behind the document's end", "ports: []\n...\nfoo", says("3: the document ended above: is this line indented as the lines above it?")},
		{"second document", "ports: []\n---\nservices: []\n", says("2: a second YAML document begins here: put all sections into one")},
		{"nothing", "", says("1: the file is empty: a configuration needs at least the section ports")},
		{"only comments", "# nothing\n", says("1: the file is empty: a configuration needs at least the section ports")},
		{"empty document", "---", says("1: the file has no configuration in it")},
	} {
		t.Run(c.name, func(t *testing.T) { expectErrors(t, c.text, c.want...) })
	}
}

// These are YAML, but not what its writer took it for.
func TestYAMLThatMeansSomethingElse(t *testing.T) {
	const noPorts = "1: ports: is missing: write for example ports: [{name: wan, device: 0000:03:00.0, addresses: [203.0.113.2/24]}]"
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"text", "hello\n", says(`1: must be a section with keys, is the text "hello"`)},
		{"number", "5\n", says("1: must be a section with keys, is the number 5")},
		{"list", "- x\n", says("1: must be a section with keys, is a list")},
		{"section twice", "ports: [{name: wan, device: net_null0}]\nports: []\n", says("2: ports: is given twice: first on line 1")},
		{"key twice in a line", "ports:\n  - {name: wan, name: lan, device: net_null0}\n", says("2: ports[0].name: is given twice: first on line 2")},
		{"colon without a space", "ports:\n  - {name:wan, device: net_null0}\n", says(
			"2: ports[0].name:wan: unknown key: a colon needs a space after it",
			"2: ports[0].name: is missing: write for example name: wan")},
		{"word without a colon in braces", "ports:\n  - {name: wan, device: net_null0, fast}\n", says(
			"2: ports[0].fast: unknown key: known here are addresses, device, gateways, mac, mtu, name, parent, promiscuous, queues, rss, rx_descriptors, tap, tx_descriptors and vlan")},
		{"dash without a space", "ports:\n  -name: wan\n", says("1: ports: must be a list, is a section with keys: a dash needs a space after it")},
		{"comma in braces without quotes", "ports:\n  - {name: wan, device: net_af_packet0,iface=eth1}\n", says(
			"2: ports[0].iface=eth1: unknown key: in { } a comma begins the next key, so a text with a comma in it needs quotes")},
		{"bracket at the beginning", "ports: [{name: wan, device: net_null0}]\nservices:\n  - {name: web, address: 203.0.113.10:80, protocol: tcp, mode: nat, backends: [[2001:db8::10]:80]}\n", says(
			`3: services[0].backends[0]: has a key that is not a word: keys are plain text. A text that begins with [ needs quotes: "[2001:db8::10]:80"`,
			"3: services[0].backends[0].address: is missing: write for example address: 10.0.0.11:8080")},
		{"key that is a list", "? [a, b]\n: c\n", says(
			`1: has a key that is not a word: keys are plain text. A text that begins with [ needs quotes: "[2001:db8::10]:80"`, noPorts)},
		{"key that is a section", "? {a: b}\n: c\n", says("1: has a key that is not a word: keys are plain text", noPorts)},
		{"key without text", "\"\": x\n", says("1: has a key that is not a word: keys are plain text", noPorts)},
		{"key with a control character", "\"a\\a\": x\n", says(`1: a\a: unknown key: known here are api, backend_groups, dataplane, metrics, neighbors, ports and services`, noPorts)},
		{"merge of sections", "<<: {ports: []}\n", says(
			"1: <<: merging sections is not supported: write the keys out, or use an alias for a whole value", noPorts)},
		{"tag", "ports: !!binary aGVsbG8=\n", says(`1: ports: must be a list, is a value with the YAML tag "!!binary"`)},
		{"tag of somebody else's", "ports: !foo bar\n", says(`1: ports: must be a list, is a value with the YAML tag "!foo"`)},
		{"null", "ports: ~\n", says("1: ports: has no value: give it one or remove the key")},
		{"sections without anything", "ports:\nservices:\n", says(
			"1: ports: has no value: give it one or remove the key", "2: services: has no value: give it one or remove the key")},
		{"dash without an entry", "ports:\n  - {name: wan, device: net_null0}\n  -\n", says(
			"3: ports[1]: is empty: write something there or remove the entry")},
		{"switch instead of a section", "ports: [{name: wan, device: net_null0}]\napi: true\nmetrics: 2001-01-01\n", says(
			"2: api: must be a section with keys, is true: write {socket: /run/weir.sock}", "3: metrics: must be a section with keys, is the date 2001-01-01")},
		{"date", "ports: [{name: 2001-01-01, device: [2001-01-01]}]\n", says("1: ports[0].device: must be text, is a list")},
	} {
		t.Run(c.name, func(t *testing.T) { expectErrors(t, c.text, c.want...) })
	}
}

func TestByteOrderMarkIsSkipped(t *testing.T) {
	mustLoad(t, "\ufeff"+base)
	expectErrors(t, "\ufeffports: [wan\n", "1: the list that begins here with [ is not ended well: its entries need a comma between them and a ] at the end")
}
