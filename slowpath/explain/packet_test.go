package explain

import (
	"strings"
	"testing"
)

func TestPacketsAsPeopleWriteThem(t *testing.T) {
	for text, want := range map[string]string{
		"tcp 198.51.100.7:40000 > 203.0.113.10:80":                  "tcp 198.51.100.7:40000 > 203.0.113.10:80 syn ttl 64 len 44",
		"TCP 198.51.100.7>203.0.113.10:80":                          "tcp 198.51.100.7:40000 > 203.0.113.10:80 syn ttl 64 len 44",
		"tcp 198.51.100.7:1 > 203.0.113.10:80 syn,ack ttl 1 in lan": "tcp 198.51.100.7:1 > 203.0.113.10:80 syn,ack ttl 1 len 44 in lan",
		"tcp 198.51.100.7:1 > 203.0.113.10:80 ack fin df len 1500":  "tcp 198.51.100.7:1 > 203.0.113.10:80 ack,fin ttl 64 len 1500 df",
		"udp [2001:db8:c::7]:5353 > [2001:db8::10]:53":              "udp [2001:db8:c::7]:5353 > [2001:db8::10]:53 ttl 64 len 48",
		"udp 2001:db8:c::7 > [2001:db8::10]:53 len 1280":            "udp [2001:db8:c::7]:40000 > [2001:db8::10]:53 ttl 64 len 1280",
		"sctp 198.51.100.7:4000 > 203.0.113.10:80":                  "sctp 198.51.100.7:4000 > 203.0.113.10:80 init ttl 64 len 52",
		"sctp 198.51.100.7 > 203.0.113.10:80 cookie_echo data df":   "sctp 198.51.100.7:40000 > 203.0.113.10:80 cookie_echo,data ttl 64 len 53 df",
		"sctp [2001:db8:c::7]:1 > [2001:db8::10]:80 sack len 1280":  "sctp [2001:db8:c::7]:1 > [2001:db8::10]:80 sack ttl 64 len 1280",
		"icmp 198.51.100.7 > 203.0.113.10 fragment":                 "icmp 198.51.100.7 > 203.0.113.10 ttl 64 len 28 fragment",
		"icmp6 2001:db8:c::7 > 2001:db8::10":                        "icmp 2001:db8:c::7 > 2001:db8::10 ttl 64 len 48",
		"gre 198.51.100.7 > 203.0.113.10":                           "gre 198.51.100.7 > 203.0.113.10 ttl 64 len 20",
		"99 198.51.100.7 > 203.0.113.10 len 100":                    "99 198.51.100.7 > 203.0.113.10 ttl 64 len 100",
	} {
		p, err := Parse(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := p.String(); got != want {
			t.Errorf("%q is read as %q, want %q", text, got, want)
		}
		again, err := Parse(want)
		if err != nil || again.String() != want {
			t.Errorf("%q is not read as itself: %v, %v", want, again, err)
		}
	}
}

func TestWrongPacketsAreSentences(t *testing.T) {
	for text, want := range map[string]string{
		"":                                              "is no packet: write PROTO SOURCE > DESTINATION",
		"tcp 198.51.100.7:1 203.0.113.10:80":            "is no packet",
		"http 198.51.100.7:1 > 203.0.113.10:80":         `"http" is no protocol`,
		"6 198.51.100.7 > 203.0.113.10":                 "write protocol 6 as tcp",
		"tcp 198.51.100.7:1 > 203.0.113.10":             `destination "203.0.113.10" needs a port`,
		"tcp client:1 > 203.0.113.10:80":                `source "client:1" is no address`,
		"tcp 198.51.100.7:99999 > 203.0.113.10:80":      "is no address",
		"icmp 198.51.100.7:1 > 203.0.113.10":            "icmp has no ports",
		"tcp 198.51.100.7:1 > [2001:db8::10]:80":        "must both be IPv4 or both IPv6",
		"tcp [fe80::1%eth0]:1 > [2001:db8::10]:80":      "leave out the zone",
		"tcp 198.51.100.7:1 > 203.0.113.10:80 sin":      `"sin" makes no sense`,
		"udp 198.51.100.7:1 > 203.0.113.10:80 syn":      "syn is for tcp, not for udp",
		"sctp 198.51.100.7:1 > 203.0.113.10:80 syn":     "syn is for tcp, not for sctp",
		"tcp 198.51.100.7:1 > 203.0.113.10:80 init":     "init is for sctp, not for tcp",
		"sctp 198.51.100.7:1 > 203.0.113.10":            `destination "203.0.113.10" needs a port`,
		"132 198.51.100.7 > 203.0.113.10":               "write protocol 132 as tcp, udp, sctp",
		"sctp 198.51.100.7:1 > 203.0.113.10:80 len 51":  "take 52 bytes already",
		"udp 198.51.100.7:1 > 203.0.113.10:80 ttl":      "ttl needs a value",
		"udp 198.51.100.7:1 > 203.0.113.10:80 ttl 256":  "ttl is 0 to 255",
		"udp 198.51.100.7:1 > 203.0.113.10:80 len many": `len must be a number, is "many"`,
		"udp 198.51.100.7:1 > 203.0.113.10:80 len 9300": "len is at most 9202 bytes",
		"tcp 198.51.100.7:1 > 203.0.113.10:80 len 40":   "take 44 bytes already",
		"tcp [2001:db8:c::7]:1 > [2001:db8::10]:80 df":  "df is for IPv4",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
