package conf

import "testing"

func TestMistakesInTheDataplane(t *testing.T) {
	testMistakes(t, []mistake{
		{"core that is a word", "cores: [1, 2]", "cores: [1, x]", says(
			`2: dataplane.cores[1]: must be a number, is the text "x"`)},
		{"core that is text in quotes", "cores: [1, 2]", `cores: [1, "2"]`, says(
			`2: dataplane.cores[1]: must be a number, is the text "2": write it without quotes`)},
		{"core below 0", "cores: [1, 2]", "cores: [-1, 2]", says(
			"2: dataplane.cores[0]: must be 0 to 1023, is -1")},
		{"core that no kernel has", "cores: [1, 2]", "cores: [1, 1024]", says(
			"2: dataplane.cores[1]: must be 0 to 1023, is 1024")},
		{"cores without a list", "cores: [1, 2]", "cores: 2", says(
			"2: dataplane.cores: must be a list, is the number 2: write [2]")},
		{"cores as a range", "cores: [1, 2]", "cores: 1-2", says(
			`2: dataplane.cores: must be a list, is the text "1-2"`)},
		{"core given twice", "cores: [1, 2]", "cores: [2, 2]", says(
			"2: dataplane.cores[1]: core 2 is given twice: a worker needs a core of its own")},
		{"empty entry of cores", "cores: [1, 2]", "cores: [1, ~]", says(
			"2: dataplane.cores[1]: is empty: write something there or remove the entry")},
		{"more queues than workers", "cores: [1, 2]", "cores: [1]", says(
			"15: ports[0].queues: is 2, more than the workers that dataplane.cores makes (1): write auto")},
		{"more queues than the one worker without cores", "cores: [1, 2]", "cores: []", says(
			"15: ports[0].queues: is 2, more than the workers that dataplane.cores makes (1): write auto")},
		{"hugepages misspelt", "hugepages: off", "hugepages: of", says(
			`3: dataplane.hugepages: must be auto, require or off, is "of": did you mean off?`)},
		{"hugepages with a switch's word", "hugepages: off", "hugepages: yes", says(
			`3: dataplane.hugepages: must be auto, require or off, is "yes"`)},
		{"hugepages as true", "hugepages: off", "hugepages: true", says(
			`3: dataplane.hugepages: must be auto, require or off, is "true"`)},
		{"hugepages without a value", "hugepages: off", "hugepages:", says(
			"3: dataplane.hugepages: has no value: give it one or remove the key")},
		{"too little memory", "memory_mb: 256", "memory_mb: 15", says(
			"4: dataplane.memory_mb: must be 16 to 16777216, is 15")},
		{"memory with a unit", "memory_mb: 256", "memory_mb: 256MB", says(
			`4: dataplane.memory_mb: must be a number, is the text "256MB"`)},
		{"memory in quotes", "memory_mb: 256", `memory_mb: "256"`, says(
			`4: dataplane.memory_mb: must be a number, is the text "256": write it without quotes`)},
		{"memory as a fraction", "memory_mb: 256", "memory_mb: 0.5", says(
			`4: dataplane.memory_mb: must be a whole number from 16 to 16777216, is "0.5"`)},
		{"memory in hexadecimal", "memory_mb: 256", "memory_mb: 0x100", says(
			`4: dataplane.memory_mb: must be a whole number from 16 to 16777216, is "0x100"`)},
		{"memory in octal", "memory_mb: 256", "memory_mb: 0256", says(
			`4: dataplane.memory_mb: must be a whole number from 16 to 16777216, is "0256"`)},
		{"memory that no machine has", "memory_mb: 256", "memory_mb: 16777217", says(
			"4: dataplane.memory_mb: must be 16 to 16777216, is 16777217")},
		{"memory beyond any number", "memory_mb: 256", "memory_mb: 99999999999999999999", says(
			"4: dataplane.memory_mb: must be 16 to 16777216, is 99999999999999999999")},
		{"memory as a list", "memory_mb: 256", "memory_mb: [256]", says(
			"4: dataplane.memory_mb: must be a number, is a list")},
		{"memory as a section", "memory_mb: 256", "memory_mb: {size: 256}", says(
			"4: dataplane.memory_mb: must be a number, is a section with keys")},
		{"memory given twice", "memory_mb: 256", "memory_mb: 256\n  memory_mb: 256", says(
			"5: dataplane.memory_mb: is given twice: first on line 4")},
		{"idle with another word", "idle: spin", "idle: nap", says(
			`5: dataplane.idle: must be spin, pause or sleep, is "nap"`)},
		{"no connections", "max_connections: 5000", "max_connections: 0", says(
			"6: dataplane.max_connections: must be 1 to 16000000, is 0")},
		{"too many connections", "max_connections: 5000", "max_connections: 16_000_001", says(
			"6: dataplane.max_connections: must be 1 to 16000000, is 16_000_001")},
		{"timeout without a unit", "tcp: 15m", "tcp: 900", says(
			"7: dataplane.timeouts.tcp: needs a unit: write 900s if seconds are meant")},
		{"timeout in days", "tcp: 15m", "tcp: 1d", says(
			`7: dataplane.timeouts.tcp: must be a time such as 500ms, 300s, 2m or 1h30m, is "1d"`)},
		{"timeout over LVS's bound", "tcp: 15m", "tcp: 169h", says(
			"7: dataplane.timeouts.tcp: must be 1s to 168h, is 169h")},
		{"timeout under a second", "tcp_fin: 30s", "tcp_fin: 999ms", says(
			"7: dataplane.timeouts.tcp_fin: must be 1s to 168h, is 999ms")},
		{"timeout in parts of a millisecond", "udp: 10s", "udp: 1.0005s", says(
			"7: dataplane.timeouts.udp: must be whole milliseconds, is 1.0005s")},
		{"negative timeout", "udp: 10s", "udp: -10s", says(
			"7: dataplane.timeouts.udp: must be 1s to 168h, is -10s")},
		{"unknown timeout", "udp: 10s", "udpp: 10s", says(
			"7: dataplane.timeouts.udpp: unknown key: did you mean udp?")},
		{"timeouts as a single time", "timeouts: {tcp: 15m, tcp_fin: 30s, udp: 10s}", "timeouts: 15m", says(
			`7: dataplane.timeouts: must be a section with keys, is the text "15m"`)},
		{"section without keys", "timeouts: {tcp: 15m, tcp_fin: 30s, udp: 10s}", "timeouts:", says(
			"7: dataplane.timeouts: has no value: give it one or remove the key")},
		{"unknown key of dataplane", "idle: spin", "poll: spin", says(
			"5: dataplane.poll: unknown key: known here are cores, hugepages, idle, max_connections, max_templates, memory_mb and timeouts")},
		{"misspelt key", "idle: spin", "idel: spin", says(
			"5: dataplane.idel: unknown key: did you mean idle?")},
		{"unknown section", "api:\n", "control:\n", says(
			"63: control: unknown key: known here are api, backend_groups, dataplane, metrics, neighbors, ports and services")},
	})
}

func TestMistakesInListeners(t *testing.T) {
	testMistakes(t, []mistake{
		{"API by TCP without certificates", "socket: /tmp/weir.sock", "listen: 127.0.0.1:9443", says(
			"63: api.certificate: is missing: api.listen answers only clients with a certificate, and needs the certificate that Weir shows, a PEM file such as /etc/weir/api.pem",
			"63: api.key: is missing: api.listen answers only clients with a certificate, and needs its private key, a PEM file such as /etc/weir/api.key",
			"63: api.client_ca: is missing: api.listen answers only clients with a certificate, and needs the certificate of who signs those of clients, a PEM file such as /etc/weir/clients.pem")},
		{"certificate for nobody", "socket: /tmp/weir.sock", "certificate: /etc/weir/api.pem", says(
			"64: api.certificate: has a meaning only with api.listen: add that, or remove the key")},
		{"key that is a directory", "socket: /tmp/weir.sock", "listen: :9443\n  certificate: /a\n  key: /b/\n  client_ca: /c", says(
			`66: api.key: must be the path of a file from the root, such as /etc/weir/check.pem, is "/b/"`)},
		{"listener of the metrics", "socket: /tmp/weir.sock", "listen: \"[::1]:9481\"\n  certificate: /a\n  key: /b\n  client_ca: /c", says(
			"64: api.listen: is metrics.listen too: choose another port")},
		{"socket without a directory", "socket: /tmp/weir.sock", "socket: weir.sock", says(
			`64: api.socket: must be a path from the root, for clients in any directory: write for example /run/weir.sock, not "weir.sock"`)},
		{"socket that is a directory", "socket: /tmp/weir.sock", "socket: /tmp/", says(
			`64: api.socket: must be the path of a file, is the directory "/tmp/"`)},
		{"socket with a control character", "socket: /tmp/weir.sock", `socket: "/tmp/\a"`, says(
			`64: api.socket: must be printable characters, is "/tmp/\a"`)},
		{"abstract socket", "socket: /tmp/weir.sock", `socket: "@weir"`, says(
			`64: api.socket: must be a path from the root, for clients in any directory: write for example /run/weir.sock, not "@weir"`)},
		{"socket's path too long", "socket: /tmp/weir.sock", "socket: /tmp/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", says(
			"64: api.socket: is 108 bytes long: the path of a Unix socket has at most 107")},
		{"unknown key of api", "socket: /tmp/weir.sock", "path: /tmp/weir.sock", says(
			"64: api.path: unknown key: known here are certificate, client_ca, key, listen and socket")},
		{"metrics on a bare port", `listen: "[::1]:9481"`, "listen: 9481", says(
			"66: metrics.listen: is only a port: write 127.0.0.1:9481, or :9481 for every address of this machine")},
		{"metrics without a port", `listen: "[::1]:9481"`, "listen: 127.0.0.1", says(
			`66: metrics.listen: must be an address and a port such as 127.0.0.1:9480 or [::1]:9480, is "127.0.0.1"`)},
		{"metrics on port 0", `listen: "[::1]:9481"`, "listen: 127.0.0.1:0", says(
			`66: metrics.listen: must have a port from 1 to 65535, has "0"`)},
		{"metrics on a port by name", `listen: "[::1]:9481"`, "listen: 127.0.0.1:http", says(
			`66: metrics.listen: must have a port from 1 to 65535, has "http"`)},
		{"metrics on a URL", `listen: "[::1]:9481"`, "listen: http://127.0.0.1:9481", says(
			`66: metrics.listen: must be an address and a port such as 127.0.0.1:9480 or [::1]:9480, is "http://127.0.0.1:9481"`)},
		{"metrics on something strange", `listen: "[::1]:9481"`, `listen: "a b:9481"`, says(
			`66: metrics.listen: must begin with an address of this machine, or be :9480 for all of them, is "a b:9481"`)},
	})
}
