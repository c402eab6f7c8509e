package filter

// Program is a compiled expression. It is immutable; any number of goroutines may use it.
type Program struct {
	text string
	// tests lead to tests before them only, so that every frame meets each at most once. The last one is the first
	// to be asked.
	tests []test
}

// Where a test leads if not to another.
const (
	yes = -1
	no  = -2
)

// test is one question about a frame.
type test struct {
	ask       question
	where     direction
	v6        bool
	addr      [16]byte // IPv4 in the first 4; a MAC in the first 6
	bits      int      // of the prefix
	low, high uint32
	then      int // where to go on if it holds
	otherwise int
}

type question uint8

const (
	isEther    question = iota // EtherType low
	isProto                    // protocol low, over IPv4 or IPv6
	isAddr                     // addr, or a network of it
	isPort                     // from low to high
	isMAC                      // addr
	isLength                   // from low to high
	hasFlags                   // TCP flags: those of low are high
	lacksFlags                 // TCP flags: those of low are not high
)

// direction is which ends of a packet a test is about.
type direction uint8

const (
	either direction = iota
	source
	destination
	both
)

// String is the expression.
func (p *Program) String() string { return p.text }

// Match reports whether an Ethernet frame fits the expression. length is the frame's, of which only the beginning need be
// there. It allocates nothing.
func (p *Program) Match(frame []byte, length int) bool {
	if len(p.tests) == 0 {
		return true
	}
	var h headers
	h.read(frame, length)
	at := len(p.tests) - 1
	for at >= 0 {
		t := &p.tests[at]
		if t.holds(&h) {
			at = t.then
		} else {
			at = t.otherwise
		}
	}
	return at == yes
}

func (t *test) holds(h *headers) bool {
	switch t.ask {
	case isEther:
		return uint32(h.ether) == t.low
	case isProto:
		return h.ip && uint32(h.proto) == t.low
	case isAddr:
		return h.addressed && h.v6 == t.v6 && t.where.of(t.within(&h.src), t.within(&h.dst))
	case isPort:
		return h.ported && t.where.of(t.between(uint32(h.srcPort)), t.between(uint32(h.dstPort)))
	case isMAC:
		return t.where.of([6]byte(t.addr[:6]) == h.srcMAC, [6]byte(t.addr[:6]) == h.dstMAC)
	case isLength:
		return t.between(uint32(h.length))
	case hasFlags:
		return h.flagged && uint32(h.flags)&t.low == t.high
	case lacksFlags:
		return h.flagged && uint32(h.flags)&t.low != t.high
	}
	return false
}

func (d direction) of(src, dst bool) bool {
	switch d {
	case source:
		return src
	case destination:
		return dst
	case both:
		return src && dst
	}
	return src || dst
}

func (t *test) between(n uint32) bool { return t.low <= n && n <= t.high }

// within reports whether an address is in the test's network.
func (t *test) within(a *[16]byte) bool {
	whole := t.bits / 8
	if t.addr == *a {
		return true
	}
	for i := range whole {
		if a[i] != t.addr[i] {
			return false
		}
	}
	rest := t.bits % 8
	return rest == 0 || (a[whole]^t.addr[whole])>>(8-rest) == 0
}
