package health

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/weirlb/weir/conf"
)

// canned is a connection on which a server says what it says, whatever it is told.
type canned struct {
	net.Conn
	io.Reader
}

func (c canned) Read(b []byte) (int, error)  { return c.Reader.Read(b) }
func (c canned) Write(b []byte) (int, error) { return len(b), nil }

// FuzzAnswers feeds what a backend may send to all that reads it: nothing panics, reads without end, or shows what a
// terminal would obey.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"))
	f.Add(readyAnswer())
	f.Add([]byte{0, 0, 0, 0, 2, 8, 1})
	f.Add(append([]byte{3, 1, 0, 0, 0, 0, 0, 0, 0x45}, make([]byte, 40)...))
	h := quick(conf.CheckHTTP)
	h.HTTP.Body, h.DNS = "ok", conf.DNSCheck{Name: "www.example.com.", Record: "A", RCode: "NOERROR"}
	probes := map[conf.Check]*probe{}
	for _, kind := range []conf.Check{conf.CheckHTTP, conf.CheckHTTP2, conf.CheckDNS} {
		h.Type = kind
		p, err := newProbe(Target{Backend: backend, Check: h}, newStock())
		if err != nil {
			f.Fatal(err)
		}
		probes[kind] = p
	}
	query, _ := (&dnsmessage.Message{Header: dnsmessage.Header{Response: true}}).Pack()
	f.Add(query)
	f.Fuzz(func(t *testing.T, said []byte) {
		shown := func(o outcome) {
			for _, r := range o.String() {
				if r < ' ' || r == 0x7f {
					t.Errorf("%q", o)
				}
			}
		}
		p := probes[conf.CheckHTTP]
		o, err := p.kind.(*httpCheck).get(canned{Reader: bytes.NewReader(said)}, time.Time{})
		if err != nil {
			o = p.failed(err, "waiting")
		}
		shown(o)
		p = probes[conf.CheckHTTP2]
		a, err := p.kind.(*http2Check).client.exchange(canned{Reader: bytes.NewReader(said)})
		if err != nil {
			shown(p.failed(err, "waiting"))
		} else {
			shown(judgeGRPC(a, 1))
			if len(a.body) > maxHTTP2Body+1<<14 {
				t.Errorf("a body of %d bytes", len(a.body))
			}
		}
		shown(probes[conf.CheckDNS].kind.(*dnsCheck).judge(said, 1))
		_, _ = healthStatus(said)
		for _, v6 := range []bool{false, true} {
			if e, ok := read(said, v6); ok {
				shown(e.error)
			}
		}
	})
}
