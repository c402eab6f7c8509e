package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// trial is one row of the table: what is measured, with what traffic.
type trial struct {
	mode    string // nat, tun, dr or fullnat
	family  *family
	flows   int // connections
	workers int
	traffic traffic
	// capacity is a worker's max_connections; 0: its default, or more where the traffic needs it.
	capacity int
	madeUp   bool // the traffic is by source.c however few connections there are
	oneWay   bool // there are no replies
	rate     int  // packets per second, if it is; 0: as fast as they are taken
	// descriptors are those of the device's receive side; 0: as many as everywhere else.
	descriptors int

	// Of a trial with captures, set by provide: those that the device's queues play for ever, and how many packets are
	// in all of them.
	files   []string
	packets int
}

// traffic is a kind of traffic.
type traffic string

const (
	established traffic = "64B"       // frames of 64 bytes, of connections that exist
	sizes       traffic = "IMIX"      // as well, of three sizes
	passed      traffic = "64B-moved" // each arrives at the worker that does not own its connection
	fresh       traffic = "new"       // each begins a connection
	mixed       traffic = "90/10"     // one in ten begins a connection
)

// mostCaptured is the number of connections up to which the traffic is a capture that net_pcap plays. Every packet of
// one takes a buffer of 2 kB; for more connections the traffic is made up as it goes, by source.c.
const mostCaptured = 1 << 20

func (t *trial) captured() bool {
	return t.flows <= mostCaptured && !t.passing() && !t.madeUp
}

// rewrites reports whether the backends' ports may be others than the services'.
func (t *trial) rewrites() bool { return t.mode == "nat" || t.mode == "fullnat" }

// both tells whether half of the packets are replies. In fullnat only Weir knows the ports that they would go to.
func (t *trial) both() bool { return t.mode == "nat" && t.traffic != fresh && !t.oneWay }

const (
	// spareBuffers are those besides the packets that net_pcap holds: the descriptors', bursts' and caches'.
	spareBuffers = 16384
	// bufferBytes is what a packet buffer takes, with DPDK's headers.
	bufferBytes = 2432
	burst       = 64
	descriptors = 1024
)

func (t *trial) String() string {
	return fmt.Sprintf("%s %s, %s flows, %s, workers: %d", t.mode, t.family.name, flowsName(t.flows), t.traffic, t.workers)
}

// flowsName is a power of two as people write it.
func flowsName(n int) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%dM", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%dK", n>>10)
	}
	return fmt.Sprint(n)
}

// device is DPDK's device for Weir and testpmd alike. Without a transmit side net_pcap drops what is sent, as does
// net_null.
func (t *trial) device() string {
	if t.captured() {
		return "net_pcap0,rx_pcap=" + strings.Join(t.files, ",rx_pcap=") + ",infinite_rx=1"
	}
	return fmt.Sprintf("net_null0,size=%d", frameLen)
}

// env is what source.c is told.
func (t *trial) env(o *options) []string {
	if t.captured() {
		return nil
	}
	library, err := filepath.Abs(o.source)
	if err != nil {
		library = o.source
	}
	env := []string{"LD_PRELOAD=" + library, fmt.Sprintf("WEIR_SOURCE_FLOWS=%d", t.flows), "WEIR_SOURCE_FAMILY=" + t.family.name[1:]}
	if t.both() {
		env = append(env, "WEIR_SOURCE_REPLIES=1")
	}
	switch t.traffic {
	case fresh:
		env = append(env, "WEIR_SOURCE_NEW=1024")
	case mixed:
		env = append(env, "WEIR_SOURCE_NEW=102")
	}
	return append(env, fmt.Sprintf("WEIR_SOURCE_RATE=%d", t.rate), fmt.Sprintf("WEIR_SOURCE_DESCRIPTORS=%d", t.ring()))
}

// ring is how many descriptors the device receives with.
func (t *trial) ring() int { return max(t.descriptors, descriptors) }

// buffers is how many packet buffers each program gets.
func (t *trial) buffers() int { return t.packets + (spareBuffers+t.ring()-descriptors)*t.workers }

// bufferMB is the memory for them.
func (t *trial) bufferMB() int { return t.buffers()*bufferBytes>>20 + 64 }

// testpmdMB is what testpmd takes in huge pages, which DPDK reserves in pieces and not without waste.
func (t *trial) testpmdMB() int { return t.bufferMB()*9/8 + 128 }

// weirMB is what Weir takes, with its connection tables.
func (t *trial) weirMB() int {
	const perConnection = 96
	return t.bufferMB() + t.workers*(t.maxConnections()*perConnection>>20) + 64
}

func (t *trial) maxConnections() int {
	const byDefault = 1_000_000
	if t.capacity != 0 {
		return t.capacity
	}
	if t.traffic == mixed {
		return 8 << 20
	}
	return max(byDefault, t.flows+t.flows/16)
}

// passing tells whether connections come and go while the trial lasts.
func (t *trial) passing() bool { return t.traffic == fresh || t.traffic == mixed }

// timeout is that of the connections. Those that are to stay must bear that Weir is paused most of the time.
func (t *trial) timeout() time.Duration {
	if t.passing() {
		return time.Second
	}
	return time.Hour
}

// settle is how long a Weir that was paused goes on before it is measured: until as many connections end as begin,
// which takes their timeout and a round of the sweep.
func (t *trial) settle(o *options) time.Duration {
	if t.passing() {
		return t.timeout() + 1500*time.Millisecond
	}
	return o.settle
}

// provide writes the captures of a trial's traffic, unless they were written before.
func (o *options) provide(t *trial) error {
	if !t.captured() {
		return nil
	}
	t.files, t.packets = nil, 0
	for q := range t.workers {
		name := fmt.Sprintf("%s-%s-%t-%d", t.traffic, t.family.name, t.both(), t.flows)
		var keep func(uint64) bool
		if t.workers > 1 {
			owner := q
			if t.traffic == passed {
				owner = (q + 1) % t.workers
			}
			name = fmt.Sprintf("%s-%s-%t-%d-of-%d-%d", established, t.family.name, t.both(), owner, t.workers, t.flows)
			keep = t.family.ownedBy(owner, t.workers)
		}
		name = filepath.Join(o.tmp, name+".pcap")
		if _, there := o.files[name]; !there {
			p := sequence(t.flows/t.workers, t.both(), t.traffic == sizes, keep)
			gate.Lock()
			err := writePcap(name, t.family, p)
			gate.Unlock()
			if err != nil {
				return err
			}
			o.files[name] = len(p)
		}
		t.files = append(t.files, name)
		t.packets += o.files[name]
	}
	return nil
}
