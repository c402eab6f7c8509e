// Command manual writes those pages of docs/ that are made of what the code says: the reasons of drops, and the metrics.
// make docs runs it; a test compares.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/weirlb/weir/fastpath/reason"
)

// pages are what is written, by their names below docs/.
var pages = map[string]func() string{"reasons.md": reasons, "metrics.md": metricsPage}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "manual: write go run ./internal/manual docs")
		os.Exit(1)
	}
	for name, page := range pages {
		if err := os.WriteFile(filepath.Join(os.Args[1], name), []byte(page()), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "manual:", err)
			os.Exit(1)
		}
	}
}

const head = `# Why a packet did not get through

Every packet that is dropped, handed to the slow path or answered is counted under one of these names. They
are the same in ` + "`weir show drops`, `weir explain`, `weir replay`" + ` and the metrics. What
becomes of a single packet, and why, ` + "`weir explain`" + ` tells ([operations.md](operations.md#why-one-packet)).

A dropped packet is lost. One that is answered is lost as well, and its sender is told with ICMP or a RST, unless the service's
` + "`on_empty`" + ` or ` + "`on_remove`" + ` has it otherwise; only an echo request becomes its own reply, and counts neither as dropped nor as handed over. One that is handed over is not lost: the slow path or the kernel has it.

This page is made from ` + "`fastpath/reason`" + ` by ` + "`make docs`" + `.

| reason | packet is | meaning |
|---|---|---|
`

// reasons is docs/reasons.md: a table to search, then each one's usual cause and mend.
func reasons() string {
	var b strings.Builder
	b.WriteString(head)
	for r := reason.Unset; r < reason.Count; r++ {
		fmt.Fprintf(&b, "| [`%v`](#%v) | %s | %s |\n", r, r, fate(r), r.Help())
	}
	for r := reason.Unset; r < reason.Count; r++ {
		fmt.Fprintf(&b, "\n## %v\n\n%s.\n\n- Usual cause: %s\n- Mend: %s\n", r, sentence(r.Help()), r.Cause(), r.Mend())
	}
	return b.String()
}

func fate(r reason.Reason) string {
	switch {
	case r.Answered():
		return "answered"
	case r.Punt():
		return "handed over"
	}
	return "dropped"
}

// sentence begins with a capital letter.
func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
