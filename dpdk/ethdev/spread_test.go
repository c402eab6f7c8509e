package ethdev

import (
	"testing"

	"github.com/weirlb/weir/dpdk/internal/dpdktest"
)

func TestADeviceTellsItsRSS(t *testing.T) {
	for _, c := range []struct {
		name, driver string
		workers      int
		rss, told    bool
	}{
		{"told", "net_null", 2, true, true},
		{"one queue", "net_null", 1, true, false},
		{"not wanted", "net_null", 2, false, false},
		{"a device without", "net_ring", 2, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := open(t, Config{Name: "p0", Device: dpdktest.Name(c.driver), Workers: c.workers, RSS: c.rss})[0]
			s := d.Info().RSS
			if told := s != nil; told != c.told {
				t.Fatalf("the device tells: %t, want %t", told, c.told)
			}
			if c.told && !s.Reaches(0) {
				t.Error("no entry of the table is queue 0")
			}
		})
	}
}
