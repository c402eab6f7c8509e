package capture

import (
	"fmt"
	"strings"

	"github.com/weirlb/weir/fastpath"
)

var modes = map[fastpath.Mode]string{fastpath.NAT: "nat", fastpath.TUN: "tun", fastpath.DR: "dr", fastpath.FullNAT: "fullnat"}

// comment says what is known of a packet: "worker 0, in, nat web → 10.0.0.11:8080".
func comment(c *fastpath.Copy) string {
	way := "in"
	if c.Out {
		way = "out"
	}
	parts := []string{fmt.Sprintf("worker %d", c.Worker), way}
	if name := c.Service(); name != "" {
		parts = append(parts, modes[c.Mode]+" "+name+toward(c))
	}
	if v := verdict(c); v != "" {
		parts = append(parts, v)
	}
	return strings.Join(parts, ", ")
}

func toward(c *fastpath.Copy) string {
	backend := c.Backend()
	switch {
	case !backend.IsValid():
		return ""
	case c.Reply:
		return " ← " + backend.String()
	}
	return " → " + backend.String()
}

func verdict(c *fastpath.Copy) string {
	explained := c.Reason != 0
	switch c.Fate {
	case fastpath.Dropped:
		return "dropped: " + c.Reason.String()
	case fastpath.Punted:
		return "to the slow path: " + c.Reason.String()
	case fastpath.FromSlowPath:
		return "from the slow path"
	case fastpath.Held:
		return "waits for other fragments"
	case fastpath.Answered:
		switch {
		case c.Reason.Answer() && c.Out:
			return "answer: " + c.Reason.String()
		case c.Reason.Answer():
			return "answered: " + c.Reason.String()
		case c.Out && explained:
			return "ICMP error: " + c.Reason.String()
		case c.Out:
			return "answer"
		case explained:
			return "dropped: " + c.Reason.String() + ", answered with ICMP"
		}
		return "answered"
	}
	return ""
}
