package filter

import (
	"fmt"
	"slices"
)

// maxLength bounds an expression, and with it the tests that a frame may have to stand.
const maxLength = 4096

// Parse compiles an expression. One without words fits every frame.
func Parse(text string) (*Program, error) {
	if len(text) > maxLength {
		return nil, fmt.Errorf("the expression has %d characters: %d are the most", len(text), maxLength)
	}
	words, err := split(text)
	if err != nil {
		return nil, err
	}
	p := &Program{text: text}
	if len(words) == 0 {
		return p, nil
	}
	r := parser{words: words, end: len(text)}
	n, err := r.expression()
	if err == nil && r.at < len(r.words) {
		err = r.errorf(`expected "and" or "or"`)
	}
	if err != nil {
		return nil, err
	}
	p.compile(n, yes, no)
	return p, nil
}

// parser reads words one after the other.
type parser struct {
	words []word
	at    int
	end   int
	last  terms // what a value without words of its own takes over
}

// terms are the words before a value.
type terms struct {
	proto string
	where direction
	kind  string // host, net, port, portrange, proto
}

func (r *parser) peek() string {
	if r.at == len(r.words) {
		return ""
	}
	return r.words[r.at].text
}

// accept takes the next word if it is one of those.
func (r *parser) accept(list ...string) bool {
	if r.at < len(r.words) && slices.Contains(list, r.peek()) {
		r.at++
		return true
	}
	return false
}

// errorf says what is wrong at the next word.
func (r *parser) errorf(format string, args ...any) error {
	what := fmt.Sprintf(format, args...)
	if r.at == len(r.words) {
		return fmt.Errorf("%s at the end of the expression", what)
	}
	w := r.words[r.at]
	return fmt.Errorf("%s at character %d, found %q", what, w.at+1, w.text)
}

func (r *parser) expression() (*node, error) {
	left, err := r.unit()
	for err == nil {
		var how join
		switch {
		case r.accept("and", "&&"):
			how = and
		case r.accept("or", "||"):
			how = or
		default:
			return left, nil
		}
		var right *node
		if right, err = r.unit(); err == nil {
			left = &node{join: how, left: left, right: right}
		}
	}
	return nil, err
}

func (r *parser) unit() (*node, error) {
	if r.accept("not", "!") {
		n, err := r.unit()
		return &node{join: not, left: n}, err
	}
	if r.accept("(") {
		return r.closed()
	}
	return r.primitive()
}

// closed reads what is left of a pair of parentheses.
func (r *parser) closed() (*node, error) {
	n, err := r.expression()
	if err == nil && !r.accept(")") {
		err = r.errorf(`expected ")"`)
	}
	return n, err
}

var (
	protocols = []string{"ip", "ip6", "arp", "tcp", "udp", "sctp", "icmp", "icmp6", "ether"}
	kinds     = []string{"host", "net", "port", "portrange", "proto"}
)

func (r *parser) primitive() (*node, error) {
	var q terms
	first := r.at
	if p := r.peek(); r.accept(protocols...) {
		q.proto = p
		if p == "tcp" && r.accept("[") {
			return r.tcpFlags()
		}
	}
	if r.peek() == "less" || r.peek() == "greater" {
		return r.length()
	}
	directed := r.direction(&q)
	if k := r.peek(); r.accept(kinds...) {
		q.kind = k
	} else if directed {
		q.kind = "host"
	}
	if q.proto != "" && !directed && q.kind == "" {
		return r.protocol(q.proto)
	}
	if r.at == first {
		if r.last == (terms{}) {
			return nil, r.errorf("expected a keyword such as host or port")
		}
		q = r.last
	}
	r.last = q
	if r.at > first && r.accept("(") {
		return r.closed()
	}
	return r.value(q)
}

// direction reads src, dst and both of them joined.
func (r *parser) direction(q *terms) bool {
	ends := map[string]direction{"src": source, "dst": destination}
	d, ok := ends[r.peek()]
	if !ok {
		return false
	}
	r.at++
	q.where = d
	if r.at+1 < len(r.words) {
		other, ok := ends[r.words[r.at+1].text]
		switch how := r.peek(); {
		case !ok || other == d || how != "or" && how != "and":
			return true
		case how == "or":
			q.where = either
		default:
			q.where = both
		}
		r.at += 2
	}
	return true
}

// protocol is a protocol's name alone.
func (r *parser) protocol(name string) (*node, error) {
	switch name {
	case "ether":
		return nil, r.errorf(`expected "host", "src" or "dst" after "ether"`)
	case "icmp":
		return all(ether(etherIPv4), protocol(protoICMP)), nil
	case "icmp6":
		return all(ether(etherIPv6), protocol(protoICMP6)), nil
	}
	return within(name), nil
}
