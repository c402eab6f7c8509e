package compile

import (
	"fmt"
	"testing"
	"time"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath/conn"
)

func TestServicesWithTheSameTimeoutsShareThem(t *testing.T) {
	r := newRig(t)
	global := conf.Timeouts{TCP: 900 * time.Second, TCPFin: 120 * time.Second, UDP: 300 * time.Second}
	cfg := config(web(first), web(first), web(first), web(first))
	cfg.Dataplane.Timeouts = global
	for i, own := range []conf.Timeouts{{}, {TCP: time.Second}, {TCPFin: 120 * time.Second}, {TCP: time.Second, UDP: 300 * time.Second}} {
		cfg.Services[i].Name, cfg.Services[i].Addresses = fmt.Sprint("web", i), at(fmt.Sprintf("203.0.113.10:%d", 80+i))
		cfg.Services[i].Timeouts = own
	}
	snap, _, err := r.c.Compile(r.now, cfg, r.status, 0)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(snap.Timeouts); n != 2 {
		t.Fatalf("%d sets of timeouts, want 2", n)
	}
	if a, b := snap.Timeouts[0][conn.Established], snap.Timeouts[1][conn.Established]; a != 900_000 || b != 1000 {
		t.Errorf("established connections last %d and %d ms", a, b)
	}
}
