package view

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Explanation is what would become of one packet, and why.
type Explanation struct {
	Packet string `json:"packet"` // with what was assumed of it
	Steps  []Step `json:"steps"`
	// Verdict is forwarded, answered, waiting (for a neighbour), kernel, slowpath (ARP and the like) or dropped.
	Verdict string `json:"verdict"`
	Reason  string `json:"reason,omitempty"` // unless the packet is forwarded
	Help    string `json:"help,omitempty"`
	Cause   string `json:"cause,omitempty"`
	Mend    string `json:"mend,omitempty"`
	Service string `json:"service,omitempty"`
	Backend string `json:"backend,omitempty"`
	// Predicted: the backend is the scheduler's choice if the packet came now; other connections may change it.
	Predicted bool    `json:"predicted"`
	Frames    []Frame `json:"frames"` // what would leave
	Basis     string  `json:"basis"`  // what the explanation is made from
}

// Step is one on the packet's way.
type Step struct {
	Name   string   `json:"step"`
	Text   string   `json:"text"`
	Detail []string `json:"detail,omitempty"`
}

// Frame is one that leaves.
type Frame struct {
	Port  string `json:"port"`
	Text  string `json:"text"`
	Bytes string `json:"bytes"` // in hexadecimal, from the Ethernet header on
}

// WriteExplanation writes an explanation for people: a line or more for each step.
func WriteExplanation(w io.Writer, e *Explanation) error {
	out := bufio.NewWriter(w)
	line := func(name, text string) {
		_, _ = fmt.Fprintf(out, "%-11s %s\n", name, printable(text)) // Flush tells
	}
	line("packet", e.Packet)
	for _, s := range e.Steps {
		line(s.Name, s.Text)
		for _, d := range s.Detail {
			line("", "  "+d)
		}
	}
	verdict := e.Verdict
	if e.Reason != "" {
		verdict += ": " + e.Reason + ", " + strings.TrimSuffix(e.Help, ".")
	}
	line("verdict", verdict)
	if e.Verdict == "dropped" || e.Verdict == "answered" && e.Cause != "" {
		line("cause", e.Cause)
		line("mend", e.Mend)
	}
	line("basis", e.Basis)
	return out.Flush()
}
