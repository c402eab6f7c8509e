package view

import (
	"math"
	"testing"
)

func TestCounts(t *testing.T) {
	cases := map[uint64]string{
		0: "0", 99_999: "99999", 100_000: "100k", 999_999: "999k", 1_000_000: "1.00M", 12_345_678: "12.3M",
		999_999_999: "999M", 1_000_000_000: "1.00G", math.MaxUint64: "18.4E",
	}
	for n, want := range cases {
		if got := count(n); got != want {
			t.Errorf("count(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestSizes(t *testing.T) {
	cases := map[uint64]string{0: "0B", 999: "999B", 1000: "1.00kB", 1_500_000: "1.50MB", 123_456: "123kB"}
	for n, want := range cases {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestSpans(t *testing.T) {
	cases := map[float64]string{
		-1: "0.0s", 0: "0.0s", 4.25: "4.2s", 9.96: "10.0s", 42.9: "42s", 60: "1m00s", 899: "14m59s",
		3600: "1h00m", 11_100: "3h05m", 86_400: "1d00h", 604_799: "6d23h",
	}
	for seconds, want := range cases {
		if got := span(seconds); got != want {
			t.Errorf("span(%v) = %s, want %s", seconds, got, want)
		}
	}
}
