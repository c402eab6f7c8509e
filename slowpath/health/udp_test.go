package health

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/weirlb/weir/conf"
)

// answering is a UDP server that answers every datagram with what reply makes of it, unless that is nothing, until
// the test ends.
func answering(t *testing.T, reply func([]byte) []byte) netip.AddrPort {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			n, from, err := c.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if b := reply(buf[:n]); b != nil {
				_, _ = c.WriteToUDPAddrPort(b, from)
			}
		}
	}()
	t.Cleanup(func() {
		_ = c.Close()
		<-done
	})
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}

func closedUDPPort(t *testing.T) netip.AddrPort {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}

func TestUDPVerdicts(t *testing.T) {
	echo := answering(t, func(b []byte) []byte { return append([]byte("\xff\x01"), b...) })
	mute := answering(t, func([]byte) []byte { return nil })
	const soon = 50 * time.Millisecond
	for _, c := range []struct {
		name    string
		at      netip.AddrPort
		udp     conf.UDPCheck
		timeout time.Duration
		want    verdict
		text    string
	}{
		{"any answer", echo, conf.UDPCheck{Send: "x"}, 0, pass, "answered"},
		{"the right answer", echo, conf.UDPCheck{Send: "st\x00at", Expect: `^\xff\x01st\x00at$`}, 0, pass, "answered"},
		{"a wrong answer", echo, conf.UDPCheck{Send: "stat", Expect: `^\xfe`}, 0, fail, `answered, but the 6 bytes do not match "^\\xfe"`},
		{"nothing is sent", echo, conf.UDPCheck{Expect: `^\xff\x01$`}, 0, pass, "answered"},
		{"none, and none is wanted", mute, conf.UDPCheck{Send: "x"}, soon, pass, "no answer, and no ICMP error"},
		{"none", mute, conf.UDPCheck{Send: "x", Expect: "x"}, soon, fail, "timeout after 50ms waiting for an answer"},
		{"nobody listens", closedUDPPort(t), conf.UDPCheck{Send: "x"}, 0, fail, "port unreachable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := askOnce(t, Target{Backend: c.at, Check: conf.Health{Type: conf.CheckUDP, UDP: c.udp, Timeout: c.timeout}})
			expectOutcome(t, o, c.want, c.text)
		})
	}
}

// nameServer answers questions with a response code, and what else change makes of the message.
func nameServer(t *testing.T, rcode dnsmessage.RCode, change func(*dnsmessage.Message)) netip.AddrPort {
	return answering(t, func(b []byte) []byte {
		var m dnsmessage.Message
		if err := m.Unpack(b); err != nil {
			t.Errorf("not a query: %v", err)
			return nil
		}
		m.Response, m.RCode = true, rcode
		if change != nil {
			change(&m)
		}
		out, err := m.Pack()
		if err != nil {
			t.Error(err)
		}
		return out
	})
}

func TestDNSVerdicts(t *testing.T) {
	well := nameServer(t, dnsmessage.RCodeSuccess, nil)
	sick := nameServer(t, dnsmessage.RCodeServerFailure, nil)
	without := func(m *dnsmessage.Message) { m.Questions = nil }
	ask := conf.DNSCheck{Name: "www.Example.com.", Record: "A", RCode: "NOERROR"}
	const soon = 50 * time.Millisecond
	for _, c := range []struct {
		name    string
		at      netip.AddrPort
		dns     conf.DNSCheck
		timeout time.Duration
		want    verdict
		text    string
	}{
		{"well", well, ask, 0, pass, "NOERROR"},
		{"sick", sick, ask, 0, fail, "SERVFAIL, expected NOERROR"},
		{"refused, as it should", nameServer(t, dnsmessage.RCodeRefused, nil), conf.DNSCheck{Name: ".", Record: "NS", RCode: "REFUSED"}, 0, pass, "REFUSED"},
		{"a code without a name", nameServer(t, 11, nil), ask, 0, fail, "response code 11, expected NOERROR"},
		{"another question", nameServer(t, 0, func(m *dnsmessage.Message) { m.Questions[0].Type = dnsmessage.TypeMX }), ask, 0, fail,
			"the answer is to another question"},
		{"name in capitals", nameServer(t, 0, func(m *dnsmessage.Message) {
			m.Questions[0].Name = dnsmessage.MustNewName("WWW.EXAMPLE.COM.")
		}), ask, 0, pass, "NOERROR"},
		{"no question in an answer", nameServer(t, 0, without), ask, 0, fail, "the answer is to another question"},
		{"no question in an error", nameServer(t, dnsmessage.RCodeFormatError, without), ask, 0, fail, "FORMERR, expected NOERROR"},
		{"answer to another ID", nameServer(t, 0, func(m *dnsmessage.Message) { m.ID++ }), ask, soon, fail, "timeout after 50ms waiting for an answer"},
		{"the query itself", answering(t, func(b []byte) []byte { return b }), ask, 0, fail, "the answer is no DNS response"},
		{"half a header", answering(t, func(b []byte) []byte { return b[:6] }), ask, 0, fail, "the answer is no DNS response"},
		{"nobody listens", closedUDPPort(t), ask, 0, fail, "port unreachable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := askOnce(t, Target{Backend: c.at, Check: conf.Health{Type: conf.CheckDNS, DNS: c.dns, Timeout: c.timeout}})
			expectOutcome(t, o, c.want, c.text)
		})
	}
}

func TestEveryRecordTypeOfTheConfigurationCanBeAskedFor(t *testing.T) {
	for _, record := range conf.RecordTypes {
		h := quick(conf.CheckDNS)
		h.DNS = conf.DNSCheck{Name: "example.com.", Record: record, RCode: "NOERROR"}
		p, err := newProbe(Target{Backend: backend, Check: h}, newStock())
		if err != nil {
			t.Fatal(err)
		}
		query := p.kind.(*dnsCheck).query
		if id := binary.BigEndian.Uint16(query); id != 0 || !strings.Contains(string(query), "\x07example\x03com\x00") {
			t.Errorf("%s: %q", record, query)
		}
	}
}
