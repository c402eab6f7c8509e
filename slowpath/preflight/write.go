package preflight

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// WriteText writes a line for each result, and one about all of them.
func WriteText(w io.Writer, results []Result) error {
	width := 0
	for _, r := range results {
		width = max(width, len(r.Check))
	}
	for _, r := range results {
		status := string(r.Status)
		if r.Status == Wrong {
			status = "WRONG"
		}
		mend := ""
		switch {
		case r.Mend != "" && r.Command:
			mend = ": run: " + r.Mend
		case r.Mend != "":
			mend = ": " + r.Mend
		}
		if _, err := fmt.Fprintln(w, printable(fmt.Sprintf("%-7s  %-*s  %s%s", status, width, r.Check, r.Found, mend))); err != nil {
			return err
		}
	}
	wrong, warnings := Count(results, Wrong), Count(results, Warning)
	text := "Nothing is wrong"
	if wrong > 0 {
		text = fmt.Sprintf("%d of %d are wrong: Weir would not start", wrong, len(results))
	}
	if warnings > 0 {
		text += fmt.Sprintf("; warnings: %d", warnings)
	}
	_, err := fmt.Fprintf(w, "%s.\n", text)
	return err
}

// WriteJSON writes the results as an array.
func WriteJSON(w io.Writer, results []Result) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(results)
}

// printable keeps what comes from files, such as the names of processes, from steering the reader's terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
