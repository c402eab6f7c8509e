package lvs

import "fmt"

// statement is a keyword of keepalived.conf with its arguments and what its braces hold.
type statement struct {
	at    Place
	words []string // at least one; the keyword first
	block []statement
}

func (s *statement) keyword() string { return s.words[0] }

// arg is an argument, counting from 1; empty if it is not there.
func (s *statement) arg(i int) string {
	if i < len(s.words) {
		return s.words[i]
	}
	return ""
}

// parse turns tokens into statements. A brace on a line of its own belongs to the keyword before it.
func parse(tokens []token) ([]statement, error) {
	p := parser{tokens: tokens}
	all, err := p.block(0, Place{})
	if err == nil && p.next < len(tokens) {
		err = fmt.Errorf("%s: this closing brace closes nothing", tokens[p.next].at)
	}
	return all, err
}

type parser struct {
	tokens []token
	next   int
}

func (p *parser) block(depth int, opened Place) ([]statement, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("%s: blocks are nested more than %d deep", opened, maxDepth)
	}
	var out []statement
	var words []string
	var at Place
	end := func() {
		if len(words) > 0 {
			out, words = append(out, statement{at: at, words: words}), nil
		}
	}
	for ; p.next < len(p.tokens); p.next++ {
		switch t := p.tokens[p.next]; t.kind {
		case 'w':
			if len(words) == 0 {
				at = t.at
			}
			words = append(words, t.text)
		case '\n':
			end()
		case '{':
			end()
			if len(out) == 0 || out[len(out)-1].block != nil {
				return nil, fmt.Errorf("%s: this opening brace follows no keyword", t.at)
			}
			p.next++
			inner, err := p.block(depth+1, t.at)
			if err != nil {
				return nil, err
			}
			if inner == nil {
				inner = []statement{}
			}
			out[len(out)-1].block = inner
		case '}':
			end()
			if depth > 0 {
				return out, nil
			}
			return out, fmt.Errorf("%s: this closing brace closes nothing", t.at)
		}
	}
	end()
	if depth > 0 {
		return nil, fmt.Errorf("%s: the block that begins here is not closed", opened)
	}
	return out, nil
}
