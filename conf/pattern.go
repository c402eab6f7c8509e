package conf

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
)

const maxPattern = 1024

// parsePattern takes a regular expression (RE2); empty is none.
func parsePattern(text string) (string, error) {
	if len(text) > maxPattern {
		return "", fmt.Errorf("is %d bytes long: a regular expression has at most %d", len(text), maxPattern)
	}
	if _, err := regexp.Compile(text); err != nil {
		var at *syntax.Error
		if errors.As(err, &at) {
			return "", fmt.Errorf("is no regular expression (RE2): %s in %s", at.Code, quote(at.Expr))
		}
		return "", fmt.Errorf("is no regular expression (RE2): %w", err)
	}
	return text, nil
}

// parseBytePattern is parsePattern for what matches bytes instead of text.
func parseBytePattern(text string) (string, error) {
	if strings.ContainsFunc(text, func(r rune) bool { return r > 0x7f }) {
		return "", fmt.Errorf(`matches bytes, not text: write \x and two hexadecimal digits for each byte that is not ASCII, not %s`, quote(text))
	}
	return parsePattern(text)
}

const maxDatagram = 1400 // what fits into one packet anywhere

// parseBytes takes text in which a backslash begins \n, \r, \t, \0, \\ or \x and two hexadecimal digits.
func parseBytes(text string) (string, error) {
	var b strings.Builder
	for rest := text; rest != ""; {
		if rest[0] != '\\' {
			b.WriteByte(rest[0])
			rest = rest[1:]
			continue
		}
		c, n := unescape(rest)
		if n == 0 {
			return "", fmt.Errorf(`has a backslash that means nothing in %s: known are \n, \r, \t, \0, \\ and \x with two hexadecimal digits`, quote(rest))
		}
		b.WriteByte(c)
		rest = rest[n:]
	}
	if b.Len() > maxDatagram {
		return "", fmt.Errorf("is %d bytes long: a check sends at most %d", b.Len(), maxDatagram)
	}
	return b.String(), nil
}

// unescape returns the byte that text begins with in its written form, and how long that is; 0 if it is none.
func unescape(text string) (c byte, n int) {
	if len(text) < 2 {
		return 0, 0
	}
	switch text[1] {
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case '0':
		return 0, 2
	case '\\':
		return '\\', 2
	case 'x':
		if len(text) < 4 {
			return 0, 0
		}
		v, err := strconv.ParseUint(text[2:4], 16, 8)
		if err != nil {
			return 0, 0
		}
		return byte(v), 4
	}
	return 0, 0
}
