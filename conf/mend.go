package conf

import (
	"bytes"
	"slices"
)

// mostMended bounds the lines that are mended: the file is parsed again after each.
const mostMended = 20

// mended is document for a file of which all errors are to be told at once. IPv6 addresses without quotes, which end the
// parser's work, are reported, and then read as if they had them.
func mended(p *problems, data []byte) value {
	var lines []int
	for {
		before := len(p.list)
		root := document(p, data)
		if root.exists() || len(p.list) != before+1 {
			return root
		}
		e := p.list[before]
		if slices.Contains(lines, e.Line) {
			p.list = p.list[:before] // it may come from the quotes
			return root
		}
		if e.Msg != quoteIPv6 || len(lines) == mostMended {
			return root
		}
		lines = append(lines, e.Line)
		data = withQuotes(data, e.Line)
	}
}

// withQuotes is a file's text with quotes around the IPv6 addresses with ports of a line.
func withQuotes(data []byte, line int) []byte {
	text := nthLine(data, line)
	at := 0 // where the line begins
	for range line - 1 {
		at += bytes.IndexByte(data[at:], '\n') + 1
	}
	return slices.Concat(data[:at], bareIPv6.ReplaceAll(text, []byte(`$1"$2"`)), data[at+len(text):])
}
