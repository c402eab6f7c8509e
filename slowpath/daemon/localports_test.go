package daemon

import (
	"testing"

	"github.com/weirlb/weir/fastpath/rss"
)

// spreading is a device that tells its RSS.
type spreading struct {
	Device
	queues int
	spread *rss.Spread
}

func (s *spreading) Queues() int      { return s.queues }
func (s *spreading) RSS() *rss.Spread { return s.spread }

func TestByWhatLocalPortsAreChosen(t *testing.T) {
	over, err := rss.New(rss.Settings{Key: []byte("forty bytes of any key will do for this."), Table: []uint16{0, 1, 0, 1}, Ports: rss.TCP4})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		dev     spreading
		workers int
		want    string
	}{
		{spreading{queues: 2, spread: over}, 2, "rss"},
		{spreading{queues: 2, spread: over}, 4, "rss"}, // two of them have no queue
		{spreading{queues: 3, spread: over}, 3, "share"},
		{spreading{queues: 1, spread: over}, 1, "share"},
		{spreading{queues: 2}, 2, "share"},
	} {
		if got := localPortsBy(&c.dev, c.workers); got != c.want {
			t.Errorf("%d queues of %d workers: %s, want %s", c.dev.queues, c.workers, got, c.want)
		}
	}
}
