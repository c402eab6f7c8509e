package main

import (
	"fmt"
	"regexp"
	"strconv"
)

// totals are the packets of a Weir's whole life, as it tells them when it ends.
type totals struct {
	in, out, own, dropped, punted, waiting uint64
}

var totalsForm = regexp.MustCompile(`packets_in=(\d+) packets_out=(\d+) packets_own=(\d+) packets_dropped=(\d+) packets_punted=(\d+) packets_waiting=(\d+)`)

// parseTotals finds them in Weir's log.
func parseTotals(log string) (t totals, err error) {
	m := totalsForm.FindStringSubmatch(log)
	if m == nil {
		return t, fmt.Errorf("weir ended without a word about its packets: is it of this version?")
	}
	for i, p := range []*uint64{&t.in, &t.out, &t.own, &t.dropped, &t.punted, &t.waiting} {
		if *p, err = strconv.ParseUint(m[i+1], 10, 64); err != nil {
			return t, err
		}
	}
	return t, nil
}

// balance is an error unless every packet is accounted for.
func (t totals) balance() error {
	if gone := t.out + t.dropped + t.punted + t.waiting - t.own; gone != t.in {
		return fmt.Errorf("weir's counters do not balance: %d packets came in, but %d went out + %d dropped + %d punted + %d on their way between workers - %d of its own are %d",
			t.in, t.out, t.dropped, t.punted, t.waiting, t.own, gone)
	}
	return nil
}
