package filter

import (
	"fmt"
	"strings"
)

// word is a piece of an expression and where it begins.
type word struct {
	text string
	at   int // byte
}

// marks are the signs that are words of their own, longer ones first.
var marks = []string{"&&", "||", "==", "!=", "&", "|", "=", "!", "(", ")", "[", "]"}

// split takes an expression apart.
func split(text string) ([]word, error) {
	var out []word
	for at := 0; at < len(text); {
		if strings.IndexByte(" \t\r\n", text[at]) >= 0 {
			at++
			continue
		}
		n := markAt(text[at:])
		if n == 0 {
			for at+n < len(text) && inWord(text[at+n]) {
				n++
			}
		}
		if n == 0 {
			return nil, fmt.Errorf("the sign %q at character %d has no meaning here", text[at], at+1)
		}
		out = append(out, word{text[at : at+n], at})
		at += n
	}
	return out, nil
}

func markAt(text string) int {
	for _, m := range marks {
		if strings.HasPrefix(text, m) {
			return len(m)
		}
	}
	return 0
}

// inWord tells the characters of keywords, numbers and addresses; a backslash may stand before a protocol's name.
func inWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(".:/-_\\%", c) >= 0
}
