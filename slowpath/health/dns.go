package health

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/weirlb/weir/conf"
)

// dnsCheck asks a name server over UDP and looks at the response code.
type dnsCheck struct {
	query    []byte // with ID 0
	question dnsmessage.Question
	rcode    dnsmessage.RCode
}

var recordTypes = map[string]dnsmessage.Type{
	"A": dnsmessage.TypeA, "AAAA": dnsmessage.TypeAAAA, "CNAME": dnsmessage.TypeCNAME, "MX": dnsmessage.TypeMX,
	"NS": dnsmessage.TypeNS, "PTR": dnsmessage.TypePTR, "SOA": dnsmessage.TypeSOA, "SRV": dnsmessage.TypeSRV,
	"TXT": dnsmessage.TypeTXT,
}

func newDNSCheck(p *probe, _ *stock) (kind, error) {
	c := &p.Check.DNS
	kind, ok := recordTypes[c.Record]
	if !ok {
		return nil, fmt.Errorf("record %q is unknown", c.Record)
	}
	rcode := slices.Index(conf.ResponseCodes, c.RCode) // its number, too (RFC 1035 section 4.1.1)
	if rcode < 0 {
		return nil, fmt.Errorf("rcode %q is unknown", c.RCode)
	}
	name, err := dnsmessage.NewName(c.Name)
	if err != nil {
		return nil, fmt.Errorf("name %q is too long", c.Name)
	}
	question := dnsmessage.Question{Name: name, Type: kind, Class: dnsmessage.ClassINET}
	m := dnsmessage.Message{Header: dnsmessage.Header{RecursionDesired: true}, Questions: []dnsmessage.Question{question}}
	query, err := m.Pack()
	if err != nil {
		return nil, fmt.Errorf("name %q: %w", c.Name, err)
	}
	return &dnsCheck{query, question, dnsmessage.RCode(rcode)}, nil
}

func (c *dnsCheck) ask(ctx context.Context, p *probe) (outcome, func()) {
	begun := time.Now()
	conn, err := p.open(ctx)
	if err != nil {
		return p.udpFailed(err), nothing
	}
	id := uint16(rand.Uint32())
	buf := packets.Get().(*[1 << 16]byte)
	defer packets.Put(buf)
	n := copy(buf[:], c.query)
	binary.BigEndian.PutUint16(buf[:], id)
	if _, err := conn.Write(buf[:n]); err != nil {
		return p.udpFailed(err), conn.close
	}
	for {
		n, err := conn.Read(buf[:])
		if err != nil {
			return p.udpFailed(err), conn.close
		}
		if n < 2 || binary.BigEndian.Uint16(buf[:]) != id {
			continue // the answer to an earlier check that came too late, from a server with few ports
		}
		return c.judge(buf[:n], time.Since(begun)), conn.close
	}
}

func (c *dnsCheck) judge(message []byte, took time.Duration) outcome {
	var parser dnsmessage.Parser
	header, err := parser.Start(message)
	if err != nil || !header.Response {
		return failedFor("the answer is no DNS response")
	}
	// Servers that cannot read a query may leave it out of what they say about it.
	if q, err := parser.Question(); err == nil && !c.asked(q) || err != nil && header.RCode == dnsmessage.RCodeSuccess {
		return failedFor("the answer is to another question")
	}
	o := outcome{verdict: pass, what: codeName(header.RCode), took: took}
	if header.RCode != c.rcode {
		o.verdict, o.wanted = fail, codeName(c.rcode)
	}
	return o
}

// asked compares without case (RFC 1035 section 2.3.3).
func (c *dnsCheck) asked(q dnsmessage.Question) bool {
	return q.Type == c.question.Type && q.Class == c.question.Class &&
		strings.EqualFold(q.Name.String(), c.question.Name.String())
}

func codeName(code dnsmessage.RCode) string {
	if int(code) < len(conf.ResponseCodes) {
		return conf.ResponseCodes[code]
	}
	return fmt.Sprintf("response code %d", code)
}
