package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/internal/ipvs"
)

// verdicts judges all packets.
func (c *comparison) verdicts() []judgement {
	c.clients = clients{last: map[client]time.Time{}, late: map[*conf.Service]bool{}}
	c.begun = map[*conf.Service]bool{}
	out := make([]judgement, len(c.all))
	var order []datagram
	pieces := map[datagram][]int{}
	for i, x := range c.all {
		if !x.view.fragment {
			out[i] = c.judge(x)
			continue
		}
		k := key([6]byte{}, &x.view)
		if pieces[k] == nil {
			order = append(order, k)
		}
		pieces[k] = append(pieces[k], i)
	}
	for _, k := range order {
		var all []*exchange
		for _, i := range pieces[k] {
			all = append(all, c.all[i])
		}
		j := judgeFragments(all)
		for _, i := range pieces[k] {
			out[i] = j
		}
	}
	return out
}

// report writes what became of the packets that are to be shown, and a summary. The error is errDiffer if something differs that is not
// meant to.
func (c *comparison) report(w io.Writer, show string) error {
	fmt.Fprintf(w, "%s through IPVS of Linux %s and through Weir, services of %s\n", c.capture, c.kernel, c.services)
	c.head(w)
	wanted, counts, traces := map[string]int{}, [3]int{}, false
	for i, j := range c.verdicts() {
		kind := 0
		switch {
		case j.unexpected:
			kind = 2
		case len(j.wanted) > 0:
			kind = 1
		}
		counts[kind]++
		traces = traces || j.traces
		for _, name := range j.wanted {
			wanted[name]++
		}
		if kind >= map[string]int{"all": 0, "different": 1, "unexpected": 2}[show] {
			c.line(w, c.all[i], &j, kind)
		}
	}
	tables := ipvs.DiffTables(unported(&c.tables[0]), unported(&c.tables[1]))
	c.foot(w, wanted, counts, tables, traces)
	if counts[2] > 0 || tables != "" && !traces {
		return errDiffer
	}
	return nil
}

// head tells what is around the balancers, and what of the capture is played.
func (c *comparison) head(w io.Writer) {
	for _, p := range c.plan.Network.Ports {
		fmt.Fprintf(w, "port %s: addresses %s, gateways %s\n", p.Name, text(p.Addresses), text(p.Gateways))
	}
	for _, n := range c.played.notes {
		fmt.Fprintf(w, "note: %s\n", n)
	}
	for _, why := range slices.Sorted(maps.Keys(c.played.skipped)) {
		fmt.Fprintf(w, "not played: %d packets %s\n", c.played.skipped[why], why)
	}
	fmt.Fprintln(w)
}

func text[T fmt.Stringer](all []T) string {
	var out []string
	for _, v := range all {
		out = append(out, v.String())
	}
	return or(strings.Join(out, " "), "none")
}

// line tells of a packet: "=" both did the same, "~" what differs is wanted, "!" it is not.
func (c *comparison) line(w io.Writer, x *exchange, j *judgement, kind int) {
	at := x.packet.at.Sub(c.all[0].packet.at)
	fmt.Fprintf(w, "%s %5d %12.6f  %s, TTL %d\n", "=~!"[kind:kind+1], x.packet.number, at.Seconds(), &x.view, x.view.ttl)
	linux, weir := c.told(x, x.linux), c.told(x, x.weir)
	if len(x.reasons) > 0 {
		weir += " (" + strings.Join(x.reasons, ", ") + ")"
	}
	if kind == 0 {
		fmt.Fprintf(w, "      both  %s\n", weir)
		return
	}
	fmt.Fprintf(w, "      IPVS  %s\n      Weir  %s\n", linux, weir)
	for _, name := range j.wanted {
		fmt.Fprintf(w, "      wanted: %s\n", name)
	}
	if len(x.linux) == len(x.weir) {
		for i := range x.linux {
			for _, d := range apart(x.linux[i].Data, x.weir[i].Data) {
				fmt.Fprintf(w, "        %s\n", d)
			}
		}
	}
}

func (c *comparison) foot(w io.Writer, wanted map[string]int, counts [3]int, tables string, traces bool) {
	if tables != "" {
		fmt.Fprintf(w, "\nconnections and backends at the end%s:\n", map[bool]string{true: ", which some of the wanted differences lead to"}[traces])
		for _, line := range strings.Split(strings.TrimSpace(tables), "\n") {
			fmt.Fprintf(w, "    %s\n", line)
		}
	}
	fmt.Fprintf(w, "\n%d packets: %d alike, %d with wanted differences, %d with unexpected ones\n", len(c.all), counts[0], counts[1], counts[2])
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		fmt.Fprintf(w, "  %6d  %s  (docs/differences-from-ipvs.md#%s)\n", wanted[name], name, name)
	}
}
