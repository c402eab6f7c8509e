package explain

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weirlb/weir/slowpath/neighbor"
	"github.com/weirlb/weir/slowpath/node"
)

func TestFullQueuesAndLinksThatAreDownAreForeseen(t *testing.T) {
	r := run(t)
	r.answerFor12()
	const packet = "tcp 198.51.100.7:40000 > 203.0.113.10:80"
	queues := []node.Queue{{Name: "punt", Used: 95, Size: 100}, {Name: "inject", Used: 100, Size: 100}, {Name: "handover", Size: 1024}}
	up := true
	r.limits = Limits{Queues: func(int) []node.Queue { return queues }, LinkUp: func(int) bool { return up }}
	if text := told(t, r.explain(packet)); strings.Contains(text, "limits") {
		t.Errorf("nothing is in its way:\n%s", text)
	}
	if text := told(t, r.explain("tcp 198.51.100.7:40000 > 203.0.113.2:22")); !strings.Contains(text, "to the slow path is 95% full: what does not fit is dropped as punt_full") {
		t.Errorf("to the kernel:\n%s", text)
	}
	queues[2].Used = 1024
	up = false
	text := told(t, r.explain(packet))
	for _, want := range []string{"is 100% full: what comes in there and does not fit is dropped as handover_full", "has no link: what waits there longer than its queue is dropped as tx_full"} {
		if !strings.Contains(text, want) {
			t.Errorf("without %q:\n%s", want, text)
		}
	}
}

func TestAFullTableIsForeseen(t *testing.T) {
	r := run(t)
	r.answerFor12()
	w := World{Still: r.node.Still()}
	for i := range 2300 {
		p, err := Parse(fmt.Sprintf("tcp 198.51.%d.%d:40000 > 203.0.113.10:80", 100+i/250, 1+i%250))
		if err != nil {
			t.Fatal(err)
		}
		tr := &trial{World: &w, p: p, cfg: w.Still.Config}
		if err := tr.enter(); err != nil {
			t.Fatal(err)
		}
		if err := r.queues[0][tr.in].Put(tr.frame, 0); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		r.poll()
	}
	text := told(t, r.explain("tcp 198.51.200.9:40001 > 203.0.113.10:80"))
	if !strings.Contains(text, "is full: one of its 1000 connections") {
		t.Errorf("%s", text)
	}
	if text := told(t, r.explain("tcp 198.51.115.200:40000 > 203.0.113.10:80 ack")); strings.Contains(text, "limits") {
		t.Errorf("a known connection:\n%s", text)
	}
}

func TestAFullQueueOfANeighborIsForeseen(t *testing.T) {
	r := run(t)
	for i := range 4 * neighbor.MaxQueued {
		r.send(fmt.Sprintf("tcp 198.51.100.7:%d > 203.0.113.10:80", 40000+i))
	}
	for i := range 20 {
		text := told(t, r.explain(fmt.Sprintf("tcp 198.51.100.8:%d > 203.0.113.10:80", 40000+i)))
		if strings.Contains(text, "the oldest of them is dropped as neighbor_queue_full") {
			return
		}
	}
	t.Error("nobody is told of")
}
