package view

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// WriteTable writes a list that a [Source] gives ([]Service, []Backend, and so on; no other type) as a table
// for people. Numbers are rounded to three digits from 100,000 on, drops that never happened are left
// out. For a look with awk: an empty cell is a "-", and only the last column has cells with spaces (unless
// a name has one).
func WriteTable(w io.Writer, list any) error {
	return writeTable(w, list, time.Now())
}

func writeTable(w io.Writer, list any, now time.Time) error {
	switch rows := list.(type) {
	case []Service:
		return render(w, rows, serviceColumns)
	case []Backend:
		return render(w, rows, backendColumns(now))
	case []Connection:
		return render(w, rows, connectionColumns)
	case []Template:
		return render(w, rows, templateColumns)
	case []Worker:
		return render(w, rows, workerColumns)
	case []Port:
		return render(w, rows, portColumns)
	case []Neighbor:
		return render(w, rows, neighborColumns)
	case []Drop:
		return render(w, happened(rows, func(d Drop) uint64 { return d.Packets }), dropColumns)
	case []PortDrop:
		return render(w, happened(rows, func(d PortDrop) uint64 { return d.Packets }), portDropColumns)
	case []ServiceDrop:
		return render(w, happened(rows, func(d ServiceDrop) uint64 { return d.Packets }), serviceDropColumns)
	}
	return fmt.Errorf("no table shows a %T", list)
}

// WriteJSON writes a list as the API gives it, indented.
func WriteJSON(w io.Writer, list any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(list)
}

// column is one column of a table of Ts.
type column[T any] struct {
	title string
	align align
	cell  func(T) string
}

type align bool

const (
	left  align = false
	right align = true
)

// gap is what stands between two columns.
const gap = "  "

func render[T any](w io.Writer, rows []T, columns []column[T]) error {
	lines := make([][]string, 1, len(rows)+1)
	widths := make([]int, len(columns))
	for i, c := range columns {
		lines[0] = append(lines[0], c.title)
		widths[i] = len(c.title)
	}
	for _, row := range rows {
		cells := make([]string, len(columns))
		for i, c := range columns {
			cells[i] = printable(c.cell(row))
			widths[i] = max(widths[i], utf8.RuneCountInString(cells[i]))
		}
		lines = append(lines, cells)
	}
	out := bufio.NewWriter(w)
	for _, cells := range lines {
		for i, cell := range cells {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			last := i == len(cells)-1
			switch {
			case columns[i].align == right:
				cell = pad + cell
			case !last:
				cell += pad
			}
			if !last {
				cell += gap
			}
			_, _ = out.WriteString(cell) // Flush tells
		}
		_ = out.WriteByte('\n')
	}
	return out.Flush()
}

// printable keeps a name from a configuration or a device from steering the reader's terminal.
func printable(s string) string {
	if s == "" {
		return "-"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}
