package filter

// node is a part of an expression: a test, or others joined.
type node struct {
	join        join
	left, right *node // right: of and, or
	test        test
}

type join uint8

const (
	leaf join = iota
	not
	and
	or
)

// compile appends the tests of an expression, the one to begin with last, and returns where that is. then and otherwise are
// where its outcome leads.
func (p *Program) compile(n *node, then, otherwise int) int {
	switch n.join {
	case not:
		return p.compile(n.left, otherwise, then)
	case and:
		return p.compile(n.left, p.compile(n.right, then, otherwise), otherwise)
	case or:
		return p.compile(n.left, then, p.compile(n.right, then, otherwise))
	}
	n.test.then, n.test.otherwise = then, otherwise
	p.tests = append(p.tests, n.test)
	return len(p.tests) - 1
}

// all joins parts that must all hold, of which some may be nil.
func all(parts ...*node) (out *node) {
	for _, n := range parts {
		switch {
		case n == nil:
		case out == nil:
			out = n
		default:
			out = &node{join: and, left: out, right: n}
		}
	}
	return out
}
