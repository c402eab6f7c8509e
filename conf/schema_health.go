package conf

import (
	"errors"
	"time"
)

var healthFields = []field[Health]{
	required("http", scalar("type", textual, "", func(h *Health, text string) error {
		return word(&h.Type, text, laterChecks, CheckTCP, CheckHTTP, CheckHTTPS, CheckHTTP2, CheckGRPC, CheckTLS, CheckSCTP, CheckUDP, CheckDNS, CheckPing, CheckExec)
	})),
	scalar("via", textual, string(ViaBackend), func(h *Health, text string) error { return word(&h.Via, text, nil, ViaBackend, ViaService) }),
	scalar("port", numeric, "", func(h *Health, text string) error { return keep(&h.Port)(parsePort(text)) }),
	scalar("source", plain, "", func(h *Health, text string) error { return keep(&h.Source)(parseAddr(text)) }),
	scalar("interval", textual|numeric, "2s", func(h *Health, text string) error {
		return keep(&h.Interval)(parseDuration(text, minPeriod, maxPeriod))
	}),
	scalar("jitter", textual|numeric, "10%", func(h *Health, text string) error { return keep(&h.Jitter)(parsePercent(text, 50)) }),
	scalar("timeout", textual|numeric, "1s", func(h *Health, text string) error {
		return keep(&h.Timeout)(parseDuration(text, minPeriod, maxPeriod))
	}),
	scalar("rise", numeric, "2", func(h *Health, text string) error { return keep(&h.Rise)(parseInt(text, 1, maxRun)) }),
	scalar("fall", numeric, "3", func(h *Health, text string) error { return keep(&h.Fall)(parseInt(text, 1, maxRun)) }),
	scalar("start", textual, string(StartUp), func(h *Health, text string) error { return word(&h.Start, text, nil, StartUp, StartDown) }),
	optional(section("flapping", flappingFields, func(h *Health) *Flapping {
		if h.Flapping == nil {
			h.Flapping = new(Flapping)
		}
		return h.Flapping
	})),

	optional(section("passive", passiveFields, func(h *Health) *Passive {
		if h.Passive == nil {
			h.Passive = new(Passive)
		}
		return h.Passive
	})),

	scalar("method", textual, "GET", func(h *Health, text string) error {
		return word(&h.HTTP.Method, text, nil, "GET", "HEAD", "OPTIONS", "POST")
	}),
	scalar("path", textual, "/", func(h *Health, text string) error { return keep(&h.HTTP.Path)(parsePath(text)) }),
	scalar("host", textual, "", func(h *Health, text string) error { return keep(&h.HTTP.Host)(parseHost(text)) }),
	scalars("status", textual|numeric, 100, parseStatus, func(h *Health) *[]StatusRange { return &h.HTTP.Status }),
	scalar("body", textual, "", func(h *Health, text string) error { return keep(&h.HTTP.Body)(parsePattern(text)) }),

	scalar("tls", boolean, "false", func(h *Health, text string) error { return keep(&h.TLS.On)(parseBool(text)) }),
	scalar("sni", textual, "", func(h *Health, text string) error { return keep(&h.TLS.SNI)(parseDomain(text)) }),
	scalar("verify", boolean, "false", func(h *Health, text string) error { return keep(&h.TLS.Verify)(parseBool(text)) }),
	scalar("ca", textual, "", func(h *Health, text string) error { return keep(&h.TLS.CA)(parseFile(text)) }),
	scalar("certificate", textual, "", func(h *Health, text string) error { return keep(&h.TLS.Certificate)(parseFile(text)) }),
	scalar("key", textual, "", func(h *Health, text string) error { return keep(&h.TLS.Key)(parseFile(text)) }),

	scalar("grpc_service", textual, "", func(h *Health, text string) error { return keep(&h.GRPC)(parseGRPCService(text)) }),

	scalar("send", plain, "", func(h *Health, text string) error { return keep(&h.UDP.Send)(parseBytes(text)) }),
	scalar("expect", textual, "", func(h *Health, text string) error { return keep(&h.UDP.Expect)(parseBytePattern(text)) }),

	scalar("name", textual, "", func(h *Health, text string) error { return keep(&h.DNS.Name)(parseQuestion(text)) }),
	scalar("record", textual, "A", func(h *Health, text string) error { return word(&h.DNS.Record, text, nil, RecordTypes...) }),
	scalar("rcode", textual, "NOERROR", func(h *Health, text string) error { return word(&h.DNS.RCode, text, nil, ResponseCodes...) }),

	scalars("command", plain, maxArguments, parseArgument, func(h *Health) *[]string { return &h.Exec.Command }),
	scalar("dynamic", boolean, "false", func(h *Health, text string) error { return keep(&h.Exec.Dynamic)(parseBool(text)) }),
}

// maxArguments bounds a command's words.
const maxArguments = 64

const maxFlapTime = 24 * time.Hour

var flappingFields = []field[Flapping]{
	mainly(scalar("falls", numeric, "3", func(f *Flapping, text string) error { return keep(&f.Falls)(parseInt(text, 2, maxRun)) })),
	scalar("within", textual|numeric, "1m", func(f *Flapping, text string) error {
		return keep(&f.Within)(parseDuration(text, time.Second, maxFlapTime))
	}),
	scalar("hold", textual|numeric, "2m", func(f *Flapping, text string) error {
		return keep(&f.Hold)(parseDuration(text, time.Second, maxFlapTime))
	}),
}

// healthKey is a key and the types that have it.
type healthKey struct {
	key   string
	types []Check
}

var passiveFields = []field[Passive]{
	mainly(scalar("share", textual|numeric, "20%", func(p *Passive, text string) error {
		n, err := parsePercent(text, 100)
		if err == nil && n == 0 {
			err = errors.New("must be 1% to 100%, is 0%: without the section passive, connections cause no check")
		}
		return keep(&p.Share)(n, err)
	})),
	scalar("window", textual|numeric, "10s", func(p *Passive, text string) error {
		return keep(&p.Window)(parseDuration(text, time.Second, maxPeriod))
	}),
	scalar("min_connections", numeric, "10", func(p *Passive, text string) error {
		return keep(&p.MinConnections)(parseInt(text, 1, 1_000_000))
	}),
}

// healthKeys are the keys of health that only some types have, in the order of the table above.
var healthKeys = []healthKey{
	{"port", []Check{CheckTCP, CheckHTTP, CheckHTTPS, CheckHTTP2, CheckGRPC, CheckTLS, CheckSCTP, CheckUDP, CheckDNS, CheckExec}},
	{"via", []Check{CheckTCP, CheckHTTP, CheckHTTPS, CheckHTTP2, CheckGRPC, CheckTLS, CheckUDP, CheckDNS}},
	{"source", []Check{CheckTCP, CheckHTTP, CheckHTTPS, CheckHTTP2, CheckGRPC, CheckTLS, CheckSCTP, CheckUDP, CheckDNS, CheckPing}},
	{"method", httpTypes}, {"path", httpTypes}, {"status", httpTypes}, {"body", httpTypes},
	{"host", []Check{CheckHTTP, CheckHTTPS, CheckHTTP2, CheckGRPC}},
	{"tls", []Check{CheckHTTP2, CheckGRPC}},
	{"sni", tlsTypes}, {"verify", tlsTypes}, {"ca", tlsTypes}, {"certificate", tlsTypes}, {"key", tlsTypes},
	{"grpc_service", []Check{CheckGRPC}},
	{"send", []Check{CheckUDP}}, {"expect", []Check{CheckUDP}},
	{"name", []Check{CheckDNS}}, {"record", []Check{CheckDNS}}, {"rcode", []Check{CheckDNS}},
	{"command", []Check{CheckExec}}, {"dynamic", []Check{CheckExec}},
}

var (
	httpTypes = []Check{CheckHTTP, CheckHTTPS, CheckHTTP2}
	tlsTypes  = []Check{CheckHTTPS, CheckHTTP2, CheckGRPC, CheckTLS}
)
