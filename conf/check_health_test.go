package conf

import "testing"

// withHealth is base with another health check.
func withHealth(t *testing.T, lines string) string {
	t.Helper()
	return edits{"      type: http\n      path: /healthz\n      host: www.example.com\n      status: [200, 204]\n      port: 8081\n", lines}.of(t, base)
}

func TestMistakesInChecksOfEveryKind(t *testing.T) {
	for _, c := range []struct {
		name, lines string
		want        []string
	}{
		{"status range backwards", "      type: http\n      status: [299-200]\n", says(
			"33: services[0].health.status[0]: is a range that ends before it begins: write 200-299")},
		{"status range of text", "      type: http\n      status: [2xx]\n", says(
			`33: services[0].health.status[0]: must be a whole number from 200 to 599, is "2xx"`)},
		{"status range too far", "      type: http\n      status: [500-600]\n", says(
			`33: services[0].health.status[0]: must be a status or a range such as 200-299, within 200 to 599, is "500-600"`)},
		{"status ranges that overlap", "      type: http\n      status: [200-299, 204]\n", says(
			"33: services[0].health.status[1]: 204 overlaps 200-299")},
		{"body that is no pattern", "      type: http\n      body: \"(ok\"\n", says(
			`33: services[0].health.body: is no regular expression (RE2): missing closing ) in "(ok"`)},
		{"body of an answer to HEAD", "      type: http\n      method: HEAD\n      body: ok\n", says(
			"34: services[0].health.body: cannot be looked at: an answer to HEAD has none. Use method GET")},
		{"method in small letters", "      type: http\n      method: get\n", says(
			`33: services[0].health.method: must be GET, HEAD, OPTIONS or POST, is "get"`)},
		{"jitter without a sign", "      type: tcp\n      jitter: 10\n", says(
			"33: services[0].health.jitter: needs a percent sign: write 10%")},
		{"jitter over the half", "      type: tcp\n      jitter: 51%\n", says(
			`33: services[0].health.jitter: must be 0% to 50%, is "51%"`)},
		{"source of the other family", "      type: tcp\n      source: \"2001:db8::2\"\n", says(
			"33: services[0].health.source: 2001:db8::2 is IPv6, but the backend 10.0.0.11 is IPv4")},
		{"source that is no address", "      type: tcp\n      source: eth0\n", says(
			`33: services[0].health.source: must be an IP address such as 203.0.113.1 or 2001:db8::1, is "eth0"`)},
		{"TLS of a check without any", "      type: http\n      sni: www.example.com\n", says(
			"33: services[0].health.sni: has a meaning only for type https, http2, grpc or tls, this one is http: remove the key")},
		{"TLS of an HTTP/2 check in plain text", "      type: http2\n      verify: true\n", says(
			"33: services[0].health.verify: has a meaning only over TLS: add tls: true, or remove the key")},
		{"ca that is not asked", "      type: tls\n      ca: /etc/weir/ca.pem\n", says(
			"33: services[0].health.ca: has a meaning only if the backend's certificate is verified: add verify: true, or remove the key")},
		{"certificate without its key", "      type: tls\n      certificate: /etc/weir/check.pem\n", says(
			"33: services[0].health.certificate: needs the key that belongs to it: add key: FILE")},
		{"key without its certificate", "      type: tls\n      key: /etc/weir/check.key\n", says(
			"33: services[0].health.key: needs the certificate that belongs to it: add certificate: FILE")},
		{"file that is not from the root", "      type: tls\n      verify: true\n      ca: ca.pem\n", says(
			`34: services[0].health.ca: must be the path of a file from the root, such as /etc/weir/check.pem, is "ca.pem"`)},
		{"SNI that is no name", "      type: tls\n      sni: www..com\n", says(
			`33: services[0].health.sni: must be a domain name such as www.example.com, is "www..com"`)},
		{"port to ping", "      type: ping\n      port: 80\n", says(
			"33: services[0].health.port: has a meaning only for type tcp, http, https, http2, grpc, tls, sctp, udp, dns or exec, this one is ping: remove the key")},
		{"DNS without a name", "      type: dns\n", says(
			"31: services[0].health.name: is missing: write what to ask for, for example name: www.example.com")},
		{"DNS name that is none", "      type: dns\n      name: \"www example\"\n", says(
			`33: services[0].health.name: must be a domain name such as www.example.com, or ".", is "www example"`)},
		{"DNS record that is none", "      type: dns\n      name: example.com\n      record: AAA\n", says(
			`34: services[0].health.record: must be A, AAAA, CNAME, MX, NS, PTR, SOA, SRV or TXT, is "AAA": did you mean AAAA?`)},
		{"bytes with a backslash too many", "      type: udp\n      send: '\\q'\n", says(
			`33: services[0].health.send: has a backslash that means nothing in "\\q": known are \n, \r, \t, \0, \\ and \x with two hexadecimal digits`)},
		{"bytes that are text", "      type: udp\n      expect: ü\n", says(
			`33: services[0].health.expect: matches bytes, not text: write \x and two hexadecimal digits for each byte that is not ASCII, not "ü"`)},
		{"gRPC service with a space", "      type: grpc\n      grpc_service: a b\n", says(
			`33: services[0].health.grpc_service: must be the name of a service such as shop.v1.Orders, is "a b"`)},
		{"exec without a command", "      type: exec\n", says(
			"31: services[0].health.command: is missing: write the program and its arguments, for example command: [/usr/local/bin/check, --fast]")},
		{"exec of nothing", "      type: exec\n      command: []\n", says(
			"33: services[0].health.command: is empty: write the program and its arguments, for example [/usr/local/bin/check, --fast]")},
		{"program that is not from the root", "      type: exec\n      command: [check, -x]\n", says(
			`33: services[0].health.command[0]: must be the program's path from the root, such as /usr/local/bin/check, is "check"`)},
		{"one fall that is flapping", "      type: tcp\n      flapping: {falls: 1}\n", says(
			"33: services[0].health.flapping.falls: must be 2 to 1000, is 1")},
		{"start by another word", "      type: tcp\n      start: Down\n", says(
			`33: services[0].health.start: must be up or down, is "Down": write down`)},
	} {
		t.Run(c.name, func(t *testing.T) { expectErrors(t, withHealth(t, c.lines), c.want...) })
	}
}

func TestChecksAsTheyAreRead(t *testing.T) {
	h := mustLoad(t, withHealth(t, `      type: udp
      source: 10.0.0.1
      send: '\xff\x00st\tat\\'
      expect: '^\xff'
`)).Services[0].Health
	if h.UDP.Send != "\xff\x00st\tat\\" || h.UDP.Expect != `^\xff` || h.Source.String() != "10.0.0.1" {
		t.Errorf("%+v", h)
	}
	h = mustLoad(t, withHealth(t, "      type: dns\n      name: www.example.com\n      flapping: {}\n")).Services[0].Health
	if h.DNS.Name != "www.example.com." || h.Flapping == nil || h.Flapping.Falls != 3 {
		t.Errorf("%+v", h)
	}
	for _, ok := range []string{
		"      type: http2\n      tls: true\n      verify: true\n      ca: /etc/ca.pem\n",
		"      type: grpc\n      host: orders.example.com\n",
		"      type: exec\n      command: [/bin/true, \"{address}\"]\n      dynamic: true\n      port: 8\n",
		"      type: ping\n", "      type: sctp\n      port: 3868\n", "      type: tls\n      sni: a_b.example.com\n",
		"      type: dns\n      name: .\n      record: NS\n      rcode: REFUSED\n",
		"      type: http\n      status: [200-299, 404]\n      start: down\n",
	} {
		mustLoad(t, withHealth(t, ok))
	}
}

func TestMistakesInQuorumAndSorryServer(t *testing.T) {
	testMistakes(t, []mistake{
		{"quorum of both kinds", "    scheduler: mh\n", "    scheduler: mh\n    quorum: {weight: 2, backends: 1}\n", says(
			"30: services[0].quorum.backends: cannot be given together with weight: the quorum is one or the other")},
		{"more backends than there are", "    scheduler: mh\n", "    scheduler: mh\n    quorum: {backends: 3}\n", says(
			"30: services[0].quorum.backends: can never be gained: it takes 3, with the hysteresis, and the number of backends is 2")},
		{"more weight than there is", "    scheduler: mh\n", "    scheduler: mh\n    quorum: {weight: 4, hysteresis: 1}\n", says(
			"30: services[0].quorum.weight: can never be gained: it takes 5, with the hysteresis, and the weight of all backends is 4")},
		{"hysteresis of the whole quorum", "    scheduler: mh\n", "    scheduler: mh\n    quorum: {weight: 2, hysteresis: 2}\n", says(
			"30: services[0].quorum.hysteresis: must be less than the quorum, which is 2, is 2: the quorum could never be lost")},
		{"sorry server that is a backend", "    scheduler: mh\n", "    scheduler: mh\n    sorry: 10.0.0.11:8080\n", says(
			"30: services[0].sorry: 10.0.0.11:8080 is a backend already, on line 43: a sorry server is another")},
		{"sorry server without a port", "    scheduler: mh\n", "    scheduler: mh\n    sorry: 10.0.0.19\n", says(
			"30: services[0].sorry: has no port: write for example 10.0.0.19:80")},
		{"sorry server of the other family", "    scheduler: mh\n", "    scheduler: mh\n    sorry: \"[2001:db8::19]:80\"\n", says(
			"30: services[0].sorry: 2001:db8::19 is IPv6, but the service is IPv4: in mode nat both must be of one kind, only tun and fullnat can mix them")},
		{"hook without a program", "    scheduler: mh\n", "    scheduler: mh\n    on_change: {timeout: 1s}\n", says(
			"30: services[0].on_change.command: is missing: write for example command: [/usr/local/bin/changed]")},
		{"hook that is not from the root", "    scheduler: mh\n", "    scheduler: mh\n    on_change: {command: [changed]}\n", says(
			`30: services[0].on_change.command[0]: must be the program's path from the root, such as /usr/local/bin/check, is "changed"`)},
	})
	s := mustLoad(t, edits{"    mode: dr\n", "    mode: dr\n    sorry: 203.0.113.19\n"}.of(t, base)).Services[2]
	if s.Sorry == nil || s.Sorry.Address != ap("203.0.113.19:25") || s.Sorry.Line == 0 {
		t.Errorf("%+v", s.Sorry)
	}
}
