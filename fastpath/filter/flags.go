package filter

import "strconv"

var tcpFlags = map[string]uint32{
	"tcp-fin": 0x01, "tcp-syn": 0x02, "tcp-rst": 0x04, "tcp-push": 0x08, "tcp-ack": 0x10, "tcp-urg": 0x20, "tcp-ece": 0x40,
	"tcp-cwr": 0x80,
}

// tcpFlags reads what follows "tcp[".
func (r *parser) tcpFlags() (*node, error) {
	if !r.accept("tcpflags", "13") || !r.accept("]") {
		return nil, r.errorf(`expected "tcpflags]" after "tcp["`)
	}
	mask := uint32(0xff)
	if r.accept("&") {
		m, err := r.flag()
		if err != nil {
			return nil, err
		}
		mask = m
		if r.peek() == "|" { // tcpdump would add the flag to what is left of all flags
			return nil, r.errorf("expected parentheses around flags that are joined,")
		}
	}
	ask := hasFlags
	switch {
	case r.accept("==", "="):
	case r.accept("!="):
		ask = lacksFlags
	default:
		return nil, r.errorf(`expected "&", "==" or "!="`)
	}
	value, err := r.flagSet()
	if err != nil {
		return nil, err
	}
	return &node{test: test{ask: ask, low: mask, high: value}}, nil
}

// flagSet reads flags joined by "|", which may stand in parentheses.
func (r *parser) flagSet() (uint32, error) {
	set := uint32(0)
	for {
		n, err := r.flag()
		if err != nil {
			return 0, err
		}
		if set |= n; !r.accept("|") {
			return set, nil
		}
	}
}

func (r *parser) flag() (uint32, error) {
	if r.accept("(") {
		n, err := r.flagSet()
		if err == nil && !r.accept(")") {
			err = r.errorf(`expected ")"`)
		}
		return n, err
	}
	n, ok := tcpFlags[r.peek()]
	if !ok {
		u, err := strconv.ParseUint(r.peek(), 0, 8)
		if err != nil {
			return 0, r.errorf("expected a TCP flag such as tcp-syn, or a number")
		}
		n = uint32(u)
	}
	r.at++
	return n, nil
}
