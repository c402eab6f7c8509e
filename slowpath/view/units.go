package view

import (
	"fmt"
	"strconv"
	"time"
)

// count is exact up to 99,999; from there on it has three digits and a unit: 123k, 4.56M.
func count(n uint64) string {
	if n < 100_000 {
		return strconv.FormatUint(n, 10)
	}
	return threeDigits(n)
}

// size is a number of bytes, with three digits and a decimal unit: 999B, 4.56kB.
func size(n uint64) string {
	if n < 1000 {
		return strconv.FormatUint(n, 10) + "B"
	}
	return threeDigits(n) + "B"
}

// threeDigits rounds down, so that 999,999 is 999k, not 1000k.
func threeDigits(n uint64) string {
	const units = "kMGTPE"
	unit := 0
	for n >= 1_000_000 {
		n /= 1000
		unit++
	}
	whole, part := n/1000, n%1000
	switch {
	case whole >= 100:
		return fmt.Sprintf("%d%c", whole, units[unit])
	case whole >= 10:
		return fmt.Sprintf("%d.%d%c", whole, part/100, units[unit])
	}
	return fmt.Sprintf("%d.%02d%c", whole, part/10, units[unit])
}

// span is a length of time in its two largest units: 4.2s, 42s, 14m59s, 3h05m, 2d03h.
func span(seconds float64) string {
	const minute, hour, day = 60, 60 * 60, 24 * 60 * 60
	s := int64(max(seconds, 0))
	switch {
	case s < 10:
		return fmt.Sprintf("%.1fs", max(seconds, 0))
	case s < minute:
		return fmt.Sprintf("%ds", s)
	case s < hour:
		return fmt.Sprintf("%dm%02ds", s/minute, s%minute)
	case s < day:
		return fmt.Sprintf("%dh%02dm", s/hour, s%hour/minute)
	}
	return fmt.Sprintf("%dd%02dh", s/day, s%day/hour)
}

// since is the time from a Unix time to now; empty for 0.
func since(unix int64, now time.Time) string {
	if unix == 0 {
		return ""
	}
	return span(now.Sub(time.Unix(unix, 0)).Seconds())
}

func percent(share float64) string { return fmt.Sprintf("%.1f%%", 100*share) }

// latency is a short time in ms, or s from one on; empty for none.
func latency(seconds float64) string {
	switch {
	case seconds <= 0:
		return ""
	case seconds < 1:
		return fmt.Sprintf("%.1fms", 1000*seconds)
	}
	return fmt.Sprintf("%.1fs", seconds)
}
