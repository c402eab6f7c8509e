package conf

import (
	"strings"
	"testing"
)

func TestMistakesInAService(t *testing.T) {
	testMistakes(t, []mistake{
		{"service without a name", "  - name: web\n    address", "  - address", says(
			"25: services[0].name: is missing: write for example name: web")},
		{"service's name in capitals", "name: web", "name: Web", says(
			"25: services[0].name: must be in lower case: write web")},
		{"service's name too long", "name: web", "name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", says(
			"25: services[0].name: is 64 characters long: names have at most 63")},
		{"VIP without a port", "address: 203.0.113.10:80", "address: 203.0.113.10", says(
			"26: services[0].address: has no port: write 203.0.113.10:80")},
		{"IPv6 VIP without a port", `"[2001:db8::10]:53"`, `"2001:db8::10"`, says(
			"47: services[1].address: has no port: write [2001:db8::10]:80")},
		{"IPv6 VIP whose last part may be the port", `"[2001:db8::10]:53"`, `"2001:db8::10:53"`, says(
			"47: services[1].address: has no port: write [2001:db8::10:53]:80, or [2001:db8::10]:53 if 53 is the port")},
		{"IPv6 VIP without brackets", `"[2001:db8::10]:53"`, `"2001:db8::10:53:udp"`, says(
			`47: services[1].address: must be an IP address and a port such as 203.0.113.10:80 or [2001:db8::10]:80, is "2001:db8::10:53:udp"`)},
		{"VIP that is a name", "address: 203.0.113.10:80", "address: www.example.com:80", says(
			`26: services[0].address: must be an IP address and a port such as 203.0.113.10:80 or [2001:db8::10]:80, is "www.example.com:80"`)},
		{"VIP with a port over 65535", "address: 203.0.113.10:80", "address: 203.0.113.10:65536", says(
			`26: services[0].address: has the port "65536": write one from 1 to 65535, a range such as 8000-8100, or 0 for all`)},
		{"VIP that is link-local", `"[2001:db8::10]:53"`, `"[fe80::10]:53"`, says(
			"47: services[1].address: fe80::10 is a link-local address, which does not tell on which port it is: write a global or unique local one")},
		{"VIP of all zeros", "address: 203.0.113.10:80", "address: 0.0.0.0:80", says(
			"26: services[0].address: 0.0.0.0 stands for no host: write the address of one")},
		{"service without a protocol", "    protocol: udp\n", "", says(
			"46: services[1].protocol: is missing: write for example protocol: tcp")},
		{"service without a mode", "    mode: tun\n", "", says(
			"46: services[1].mode: is missing: write for example mode: nat")},
		{"service without an address", "    address: \"[2001:db8::10]:53\"\n", "", says(
			"46: services[1].address: is missing: write for example address: 203.0.113.10:80")},
		{"service without backends", "    backends: [{address: 203.0.113.15}, {address: 203.0.113.16:25, weight: 0}]\n", "", says(
			"54: services[2].backends: is missing: write for example backends: [{address: 10.0.0.11:8080}]")},
		{"protocol that no service can have", "protocol: udp", "protocol: dccp", says(
			`48: services[1].protocol: must be tcp, udp or sctp, is "dccp"`)},
		{"protocol misspelt", "protocol: udp", "protocol: udb", says(
			`48: services[1].protocol: must be tcp, udp or sctp, is "udb": did you mean udp?`)},
		{"protocol in capitals", "protocol: udp", "protocol: UDP", says(
			`48: services[1].protocol: must be tcp, udp or sctp, is "UDP": write udp`)},
		{"mode by keepalived's name", "mode: dr", "mode: route", says(
			`57: services[2].mode: must be nat, tun, dr or fullnat, is "route": write dr`)},
		{"mode as ipvsadm lists it", "mode: dr", "mode: Masq", says(
			`57: services[2].mode: must be nat, tun, dr or fullnat, is "Masq": write nat`)},
		{"key by keepalived's name", "mode: dr", "lb_kind: DR", says(
			"54: services[2].mode: is missing: write for example mode: nat",
			"57: services[2].lb_kind: unknown key: did you mean mode?")},
		{"scheduler that nobody has", "scheduler: mh", "scheduler: fastest", says(
			`29: services[0].scheduler: must be dh, fo, lblc, lblcr, lc, mh, nq, ovf, p2c, random, rr, sed, sh, twos, wlc or wrr, is "fastest"`)},
		{"scheduler misspelt", "scheduler: mh", "scheduler: whlc", says(
			`29: services[0].scheduler: must be dh, fo, lblc, lblcr, lc, mh, nq, ovf, p2c, random, rr, sed, sh, twos, wlc or wrr, is "whlc": did you mean wlc?`)},
		{"mh table that is no prime", "mh_table_size: 251", "mh_table_size: 252", says(
			"30: services[0].mh_table_size: an mh table cannot have 252 entries: use a prime from 2 to 1048576, such as 4093")},
		{"mh table too large", "mh_table_size: 251", "mh_table_size: 1048577", says(
			"30: services[0].mh_table_size: must be 2 to 1048576, is 1048577")},
		{"mh table without a number", "mh_table_size: 251", "mh_table_size: large", says(
			`30: services[0].mh_table_size: must be a number, is the text "large"`)},
		{"mh table without mh", "scheduler: mh", "scheduler: wlc", says(
			"30: services[0].mh_table_size: has a meaning only for scheduler mh, this one is wlc: remove the key")},
		{"mh table with the default scheduler", "    scheduler: mh\n", "", says(
			"29: services[0].mh_table_size: has a meaning only for scheduler mh, this one is wlc: remove the key")},
		{"flag of another scheduler", "scheduler: mh", "scheduler: mh\n    scheduler_flags: [sh-port]", says(
			"30: services[0].scheduler_flags[0]: sh-port is not a flag of scheduler mh: it takes mh-port and mh-fallback")},
		{"flag of a scheduler without any", "protocol: udp", "protocol: udp\n    scheduler_flags: [mh-port]", says(
			"49: services[1].scheduler_flags[0]: mh-port is not a flag of scheduler wlc: it takes none")},
		{"flag twice", "scheduler: mh", "scheduler: mh\n    scheduler_flags: [mh-port, mh-fallback, mh-port]", says(
			"30: services[0].scheduler_flags[2]: mh-port is given twice")},
		{"flag misspelt", "scheduler: mh", "scheduler: mh\n    scheduler_flags: [mh-ports]", says(
			`30: services[0].scheduler_flags[0]: must be sh-port, sh-fallback, mh-port or mh-fallback, is "mh-ports": did you mean mh-port?`)},
		{"flags without a list", "scheduler: mh", "scheduler: mh\n    scheduler_flags: mh-port", says(
			`30: services[0].scheduler_flags: must be a list, is the text "mh-port": write [mh-port]`)},
		{"slow start without a unit", "scheduler: mh", "scheduler: mh\n    slow_start: 30", says(
			"30: services[0].slow_start: needs a unit: write 30s if seconds are meant")},
		{"slow start too short", "scheduler: mh", "scheduler: mh\n    slow_start: 500ms", says(
			"30: services[0].slow_start: must be 1s to 1h, is 500ms")},
		{"tunnel without mode tun", "mode: nat", "mode: nat\n    tunnel: {df: set}", says(
			"29: services[0].tunnel: has a meaning only in mode tun, this one is nat: remove it")},
		{"tunnel's DF by another word", "df: set", "df: 1", says(
			"50: services[1].tunnel.df: must be text, is the number 1: put it in quotes")},
		{"tunnel's DF misspelt", "df: set", "df: st", says(
			`50: services[1].tunnel.df: must be copy, set or clear, is "st": did you mean set?`)},
		{"unknown key of a tunnel", "mss_clamp: false", "mss: false", says(
			"50: services[1].tunnel.mss: unknown key: known here are checksum, df, key, mac, mss_clamp, port, sources, type and vni")},
		{"unknown key of a service", "protocol: udp", "protocol: udp\n    weight: 1", says(
			"49: services[1].weight: unknown key: known here are address, addresses, backend_group, backends, client_address, expire_nodest, expire_quiescent, health, limits, local_addresses, local_ports, match, mh_table_size, mode, mss_clamp, name, on_change, on_empty, on_remove, one_packet, persistence, protocol, quorum, scheduler, scheduler_flags, sloppy, slow_start, sorry, timeouts and tunnel")},
	})
}

func TestMistakesInAHealthCheck(t *testing.T) {
	testMistakes(t, []mistake{
		{"check of a later version", "type: http", "type: smtp", says(
			"32: services[0].health.type: this version does not support smtp: supported are tcp, http, https, http2, grpc, tls, sctp, udp, dns, ping and exec")},
		{"check of no version", "type: http", "type: httpss", says(
			`32: services[0].health.type: must be tcp, http, https, http2, grpc, tls, sctp, udp, dns, ping or exec, is "httpss": did you mean https?`)},
		{"check without a type", "      type: http\n", "", says(
			"31: services[0].health.type: is missing: write for example type: http")},
		{"check without anything", "health:\n      type: http\n      path: /healthz\n      host: www.example.com\n      status: [200, 204]\n      port: 8081\n      interval: 3s\n      timeout: 2s\n      rise: 1\n      fall: 4\n", "health:\n", says(
			"31: services[0].health: has no value: give it one or remove the key")},
		{"keys of an http check in a tcp check", "type: http", "type: tcp", says(
			"33: services[0].health.path: has a meaning only for type http, https or http2, this one is tcp: remove the key",
			"34: services[0].health.host: has a meaning only for type http, https, http2 or grpc, this one is tcp: remove the key",
			"35: services[0].health.status: has a meaning only for type http, https or http2, this one is tcp: remove the key")},
		{"path without a slash", "path: /healthz", "path: healthz", says(
			`33: services[0].health.path: must begin with a slash, as in /healthz, is "healthz"`)},
		{"path with two slashes", "path: /healthz", "path: //healthz", says(
			`33: services[0].health.path: must begin with one slash: write "/healthz"`)},
		{"path that is a URL", "path: /healthz", "path: http://www.example.com/", says(
			`33: services[0].health.path: must begin with a slash, as in /healthz, is "http://www.example.com/"`)},
		{"path with a fragment", "path: /healthz", `path: "/a#b"`, says(
			"33: services[0].health.path: has a fragment, which is never sent: write it without # and what follows, or %23 for the character")},
		{"path with a space", "path: /healthz", `path: "/a b"`, says(
			`33: services[0].health.path: must be the path of a URL, with spaces and other special characters escaped as %20, is "/a b"`)},
		{"path with an escape that is none", "path: /healthz", "path: /a%zz", says(
			`33: services[0].health.path: must be the path of a URL, with spaces and other special characters escaped as %20, is "/a%zz"`)},
		{"empty path", "path: /healthz", `path: ""`, says(
			`33: services[0].health.path: must begin with a slash, as in /healthz, is ""`)},
		{"path too long", "path: /healthz", "path: /" + strings.Repeat("a", 1024), says(
			"33: services[0].health.path: is 1025 characters long: a path has at most 1024")},
		{"host of colons", "host: www.example.com", `host: "[:::]"`, says(
			`34: services[0].health.host: must be a host such as www.example.com or [2001:db8::1]:8080, is "[:::]"`)},
		{"host with a space", "host: www.example.com", "host: www example.com", says(
			`34: services[0].health.host: must be a host such as www.example.com or www.example.com:8080, is "www example.com"`)},
		{"host that is a URL", "host: www.example.com", "host: http://www.example.com", says(
			`34: services[0].health.host: must be a host such as www.example.com or www.example.com:8080, is "http://www.example.com"`)},
		{"host with a user", "host: www.example.com", "host: me@www.example.com", says(
			`34: services[0].health.host: must be a host such as www.example.com or www.example.com:8080, is "me@www.example.com"`)},
		{"host with a port over 65535", "host: www.example.com", "host: www.example.com:70000", says(
			"34: services[0].health.host: has a port that is not 1 to 65535")},
		{"status of an interim response", "status: [200, 204]", "status: [100]", says(
			"35: services[0].health.status[0]: must be 200 to 599, is 100")},
		{"status that is none", "status: [200, 204]", "status: [600]", says(
			"35: services[0].health.status[0]: must be 200 to 599, is 600")},
		{"status twice", "status: [200, 204]", "status: [200, 200]", says(
			"35: services[0].health.status[1]: 200 is given twice")},
		{"status without a list", "status: [200, 204]", "status: 200", says(
			"35: services[0].health.status: must be a list, is the number 200: write [200]")},
		{"port 0 to check", "port: 8081", "port: 0", says(
			"36: services[0].health.port: must be 1 to 65535, is 0")},
		{"interval without a unit", "interval: 3s", "interval: 3", says(
			"37: services[0].health.interval: needs a unit: write 3s if seconds are meant")},
		{"interval too short", "interval: 3s", "interval: 9ms", says(
			"37: services[0].health.interval: must be 10ms to 1h, is 9ms")},
		{"interval too long", "interval: 3s", "interval: 61m", says(
			"37: services[0].health.interval: must be 10ms to 1h, is 61m")},
		{"timeout of many intervals", "interval: 3s", "interval: 100ms", says(
			"38: services[0].health.timeout: must be at most 10 times the interval, is 2s with the interval 100ms: more checks of a backend than that would be under way at once")},
		{"no successes", "rise: 1", "rise: 0", says(
			"39: services[0].health.rise: must be 1 to 1000, is 0")},
		{"too many failures", "fall: 4", "fall: 1001", says(
			"40: services[0].health.fall: must be 1 to 1000, is 1001")},
		{"unknown key of a check", "rise: 1", "retries: 1", says(
			"39: services[0].health.retries: unknown key: known here are body, ca, certificate, command, dynamic, expect, fall, flapping, grpc_service, host, interval, jitter, key, method, name, passive, path, port, rcode, record, rise, send, sni, source, start, status, timeout, tls, type, verify and via")},
	})
}
