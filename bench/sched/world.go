package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"github.com/weirlb/weir/sched"
)

// contender is a scheduler with its options.
type contender struct {
	name  string
	flags []string
	// capacity multiplies the weights of one to which they are numbers of connections.
	capacity int
	// sticky says that it sends a client, or a destination, to the same backend each time.
	sticky bool
}

// contenders are all there are, in the order of the manual.
var contenders = []contender{
	{name: "rr"}, {name: "wrr"}, {name: "lc"}, {name: "wlc"}, {name: "sed"}, {name: "nq"}, {name: "twos"}, {name: "p2c"}, {name: "random"},
	{name: "sh", sticky: true}, {name: "sh", flags: []string{"sh-fallback"}, sticky: true},
	{name: "mh", sticky: true}, {name: "mh", flags: []string{"mh-fallback"}, sticky: true},
	{name: "dh", sticky: true}, {name: "lblc", capacity: 2 * open / 10, sticky: true}, {name: "lblcr", capacity: 2 * open / 10, sticky: true},
	{name: "fo"}, {name: "ovf", capacity: 2 * open / 10},
}

func (c *contender) String() string {
	s := "`" + c.name + "`"
	for _, f := range c.flags {
		s += " `" + f + "`"
	}
	return s
}

func (c *contender) build(servers []sched.Server, memory *sched.Memory) sched.Scheduler {
	opt := sched.Options{Memory: memory}
	for _, f := range c.flags {
		opt.Set(f)
	}
	s, err := sched.New(c.name, servers, opt)
	if err != nil {
		panic(fmt.Sprintf("%s: %v", c.name, err)) // what is measured is fixed
	}
	return s
}

const (
	// open is how many connections are open at a time: each ends after up to twice as many others have begun.
	open = 20_000
	// destinations is how many addresses the service has.
	destinations = 10_000
)

// servers have the weights, times a capacity.
func servers(weights []int, capacity int) []sched.Server {
	out := make([]sched.Server, len(weights))
	for i, w := range weights {
		out[i] = sched.Server{
			Address: fmt.Sprintf("10.0.%d.%d:80", i/250, i%250+1), ID: uint32(i + 1), Weight: w * max(1, capacity), Load: new(sched.Load),
		}
	}
	return out
}

// traffic is a stream of connections. The same seed gives the same one.
type traffic struct {
	random  *rand.Rand
	servers []sched.Server
	now     int
	ending  [2*open + 1][]int32 // by the time they end, the backends of connections
	opened  []int               // of each backend
}

func newTraffic(servers []sched.Server) *traffic {
	return &traffic{random: rand.New(rand.NewPCG(1, 2)), servers: servers, opened: make([]int, len(servers))}
}

// key is a connection of a client that has not been seen to a destination.
func (t *traffic) key() (k sched.Key, destination int) {
	destination = t.random.IntN(destinations)
	binary.BigEndian.PutUint32(k.Src[:], t.random.Uint32())
	binary.BigEndian.PutUint32(k.Dst[:], 0xcb007100+uint32(destination))
	k.SrcPort, k.DstPort = uint16(1024+t.random.IntN(64512)), 80
	return k, destination
}

// step lets those connections end whose time has come.
func (t *traffic) step() {
	t.now++
	due := &t.ending[t.now%len(t.ending)]
	for _, i := range *due {
		t.servers[i].Load.Active.Add(-1)
	}
	*due = (*due)[:0]
}

// begin opens a connection to a backend.
func (t *traffic) begin(server int) {
	t.servers[server].Load.Active.Add(1)
	t.opened[server]++
	at := &t.ending[(t.now+1+t.random.IntN(2*open))%len(t.ending)]
	*at = append(*at, int32(server))
}
