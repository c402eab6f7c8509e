package vm

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/weirlb/weir/fastpath"
)

// rssKey is the one that DPDK gives a NIC that is not told another.
var rssKey = [40]byte{
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
	0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
}

// queue is where RSS puts a packet: Toeplitz's hash of addresses and ports picks one of 128 entries of a table, which
// name the two queues in turn.
func queue(from, to netip.AddrPort) int {
	input := append(from.Addr().AsSlice(), to.Addr().AsSlice()...)
	input = binary.BigEndian.AppendUint16(input, from.Port())
	input = binary.BigEndian.AppendUint16(input, to.Port())
	hash := uint32(0)
	for i, octet := range input {
		for bit := range 8 {
			if octet<<bit&0x80 != 0 {
				hash ^= uint32(binary.BigEndian.Uint64(append(rssKey[i:i+5:i+5], 0, 0, 0)) << bit >> 32)
			}
		}
	}
	return int(hash % 128 % 2)
}

// steers makes connections to a dr service, of which Weir sees only what the client sends, in groups: those that RSS puts
// on their owner's queue, and those that it puts on the other's.
func (m *machine) steers() {
	const connections = 8
	var shown []worker
	m.read("bin/weir show workers -o json", &shown)
	m.t.Logf("weir show workers: %+v", shown)
	vip := netip.MustParseAddrPort("203.0.113.12:80")
	client := netip.MustParseAddr("198.51.100.7")
	next := uint16(20000)
	for _, group := range []struct{ queue, owner int }{{0, 0}, {0, 1}, {1, 0}, {1, 1}} {
		before := m.workers()
		for range connections {
			for ; queue(netip.AddrPortFrom(client, next), vip) != group.queue ||
				fastpath.Owner(netip.AddrPortFrom(client, next), 2) != group.owner; next++ {
			}
			if _, err := m.curl("-o", "/dev/null", "--local-port", strconv.Itoa(int(next)), "http://"+vip.String()+"/"); err != nil {
				m.t.Fatal(err)
			}
			next++
		}
		m.accounted()
		after := m.workers()
		what := fmt.Sprintf("%d connections on queue %d that worker %d owns", connections, group.queue, group.owner)
		m.compareSteering(what, group.queue, group.owner, connections, before, after)
	}
	m.ownersHold(client)
}

// compareSteering looks whether packets were handed over as "steering" of weir show workers says.
func (m *machine) compareSteering(what string, queue, owner, connections int, before, after []worker) {
	m.t.Helper()
	for w := range after {
		handed := after[w].HandedOver - before[w].HandedOver
		switch after[w].Steering {
		case "software": // RSS knows nothing of owners: who receives, hands over
			// SYN, ACK, request, ACKs, FIN: five a connection at least. Fewer are those of health checks.
			if mustHand := w == queue && queue != owner; mustHand && handed < 5*connections || !mustHand && handed >= 5*connections {
				m.t.Errorf("%s: worker %d handed over %d packets", what, w, handed)
			}
		default: // the NIC was told who owns what
			if handed != 0 {
				m.t.Errorf("%s: worker %d handed over %d packets, though steering is %s", what, w, handed, after[w].Steering)
			}
		}
	}
}

// ownersHold looks whether each of a client's connections is in its owner's table.
func (m *machine) ownersHold(client netip.Addr) {
	var all []struct {
		Client string
		Worker int
	}
	m.read(api+"'connections?service=s4'", &all)
	seen := map[int]int{}
	for _, c := range all {
		from := netip.MustParseAddrPort(c.Client)
		if from.Addr() != client {
			continue
		}
		seen[c.Worker]++
		if owner := fastpath.Owner(from, 2); owner != c.Worker {
			m.t.Errorf("worker %d has the connection of %s, which worker %d owns", c.Worker, from, owner)
		}
	}
	if seen[0] == 0 || seen[1] == 0 {
		m.t.Errorf("connections of the workers: %v", seen)
	}
}
