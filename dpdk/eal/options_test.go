package eal

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	for _, tc := range []struct {
		name string
		o    Options
		want string // empty: accepted
	}{
		{"nothing about huge pages", Options{MemoryMB: 64}, ""},
		{"auto", Options{Hugepages: HugepagesAuto, MemoryMB: 64}, ""},
		{"the least memory", Options{Hugepages: HugepagesOff, MemoryMB: 16}, ""},
		{"too little memory", Options{MemoryMB: 15}, "memory_mb: 15 is too little, DPDK needs at least 16"},
		{"a word for huge pages that is none", Options{Hugepages: "yes", MemoryMB: 64}, `hugepages: "yes" is none of auto, require and off`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := ""
			if err := tc.o.validate(); err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestArguments(t *testing.T) {
	for _, tc := range []struct {
		name string
		o    Options
		m    Memory
		want string
	}{
		{
			"without huge pages and PCI", Options{}, Memory{MB: 64},
			"weir --lcores 0@(0,3) --no-telemetry -m 64 --no-huge --no-shconf --no-pci --iova-mode va",
		},
		{
			"huge pages", Options{}, Memory{MB: 512, HugePages: true},
			"weir --lcores 0@(0,3) --no-telemetry -m 512 --in-memory --no-pci --iova-mode va",
		},
		{
			"two PCI devices", Options{PCI: []string{"0000:03:00.0", "0000:03:00.1,arg=1"}}, Memory{MB: 512, HugePages: true},
			"weir --lcores 0@(0,3) --no-telemetry -m 512 --in-memory -a 0000:03:00.0 -a 0000:03:00.1,arg=1",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := strings.Join(arguments(tc.o, tc.m, []int{0, 3}), " ")
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("arguments (-want +got):\n%s", diff)
			}
		})
	}
}
