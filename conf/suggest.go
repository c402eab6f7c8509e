package conf

import (
	"fmt"
	"strings"
)

// near finds the word that was most likely meant, or "" if none is like it: at most 2 letters wrong,
// missing, too many or swapped, and not more than a third of them.
func near(word string, known []string) string {
	const longest = 40
	if len(word) > longest {
		return ""
	}
	best, least := "", min(2, max(1, len(word)/3))+1
	for _, k := range known {
		if d := distance(word, k); d < least {
			best, least = k, d
		}
	}
	return best
}

// lvsKeys are keys by the names that keepalived, ipvsadm and its manual have for them.
var lvsKeys = map[string]string{
	"lb_algo": "scheduler", "lvs_sched": "scheduler",
	"lb_kind": "mode", "lvs_method": "mode", "forward": "mode",
	"lthreshold": "lower_threshold", "uthreshold": "upper_threshold",
	"ops":                 "one_packet",
	"persistence_timeout": "persistence",
	"real_server":         "backends", "real_servers": "backends",
	"sorry_server": "sorry",
	"vip":          "address",
}

// lvsModes are modes by the names that ipvsadm's lists and its manual have for them.
var lvsModes = map[string]Mode{
	"masq": NAT, "masquerade": NAT, "masquerading": NAT, "route": DR, "gate": DR, "gatewaying": DR, "tunnel": TUN, "tunneling": TUN, "ipip": TUN,
}

func parseMode(at *Mode, text string) error {
	err := word(at, text, nil, NAT, TUN, DR, FullNAT)
	if m, known := lvsModes[strings.ToLower(text)]; known {
		return fmt.Errorf("%w: write %s", err, m)
	}
	return err
}

// distance is the number of single-byte changes and swaps of neighbours that make a into b (the optimal
// string alignment distance).
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 0
			if a[i-1] != b[j-1] {
				change = 1
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
