package main

import (
	"fmt"
	"strings"

	"github.com/weirlb/weir/slowpath/metrics"
)

const metricsHead = `# Metrics

What ` + "`metrics.listen`" + ` answers at ` + "`/metrics`" + `, besides the figures of the Go runtime and the process (` + "`go_`, `process_`" + `). How to
use them, and how many series there are, is in [operations.md](operations.md#metrics).

Names end in the unit: ` + "`_seconds`, `_bytes`, `_hertz`, `_cycles`" + `; ` + "`_ratio`" + ` is from 0 to 1; ` + "`_total`" + ` is a counter, which starts at 0 with the
daemon, or with the service or backend; without a unit it is a number of what the name says. ` + "`direction`" + ` is ` + "`in`" + ` (from clients, or
received) or ` + "`out`" + `.

This page is made from ` + "`slowpath/metrics`" + ` by ` + "`make docs`" + `.

| metric | type | labels | meaning |
|---|---|---|---|
`

// metricsPage is docs/metrics.md.
func metricsPage() string {
	var b strings.Builder
	b.WriteString(metricsHead)
	for _, f := range metrics.Families() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.Name, f.Type, strings.Join(f.Labels, ", "), f.Help)
	}
	return b.String()
}
