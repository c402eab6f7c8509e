// Command sched measures the schedulers: how even the load is that they make of a million connections, and how many
// connections would go to another backend when one leaves or joins. It writes the tables into docs/schedulers.md. Nothing
// in them depends on the machine: every run gives the same.
package main

import (
	"bytes"
	"fmt"
	"os"
)

// connections is how many are made in each measurement.
const connections = 1_000_000

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: sched docs/schedulers.md: writes the tables between the file's markers")
		os.Exit(2)
	}
	if err := write(os.Args[1], tables(connections)); err != nil {
		fmt.Fprintln(os.Stderr, "sched:", err)
		os.Exit(1)
	}
}

const (
	begin = "<!-- make bench-sched writes from here -->\n"
	end   = "<!-- to here -->\n"
)

// write puts text between the markers of a file.
func write(file, text string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	head, rest, ok := bytes.Cut(old, []byte(begin))
	_, tail, closed := bytes.Cut(rest, []byte(end))
	if !ok || !closed {
		return fmt.Errorf("%s lacks the lines between which the tables stand: %q and %q", file, begin, end)
	}
	return os.WriteFile(file, bytes.Join([][]byte{head, []byte(begin), []byte(text), []byte(end), tail}, nil), 0o644)
}
