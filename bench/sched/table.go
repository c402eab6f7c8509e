package main

import (
	"fmt"
	"strings"
)

// tables measures everything with n connections each.
func tables(n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n| scheduler | even weights: connections | open | weights 1 to 10: connections | open |\n|---|---|---|---|---|\n")
	for i := range contenders {
		c := &contenders[i]
		if len(c.flags) > 0 {
			continue // as without them, while all backends are there
		}
		e, s := measureBalance(c, even, n), measureBalance(c, skewed, n)
		fmt.Fprintf(&b, "| %s | %.3f | %.3f | %.3f | %.3f |\n", c, e.connections, e.open, s.connections, s.open)
	}
	fmt.Fprintf(&b, "\n| scheduler | 1 of 10 leaves | 1 joins 10 | 1 of 100 leaves | 1 joins 100 |\n|---|---|---|---|---|\n")
	fmt.Fprintf(&b, "| *unavoidable* | 10.00 %% | 9.09 %% | 1.00 %% | 0.99 %% |\n")
	for i := range contenders {
		c := &contenders[i]
		if !c.sticky {
			continue
		}
		few, many := measureDisruption(c, 10, n), measureDisruption(c, 100, n)
		fmt.Fprintf(&b, "| %s | %.2f %% | %.2f %% | %.2f %% | %.2f %% |\n", c, 100*few.leave, 100*few.join, 100*many.leave, 100*many.join)
	}
	return b.String() + "\n"
}
