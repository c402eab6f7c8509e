package node

import (
	"net/netip"
	"time"

	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/reason"
	"github.com/weirlb/weir/fastpath/ring"
)

// puntBurst bounds what HandlePunts takes from one worker: under a flood the caller has other things to do, too.
const puntBurst = 256

// HandlePunts handles what the workers have handed to the slow path and returns how many packets there were. There
// may be more.
func (n *Node) HandlePunts(now time.Time) int {
	n.now = now
	total := 0
	for _, p := range n.punts {
		var m ring.Meta
		for range puntBurst {
			size, ok := p.Pop(&m, n.buf)
			if !ok {
				break
			}
			n.handle(now, &m, n.buf[:size])
			total++
		}
	}
	return total
}

// WaitPunts announces on every queue that the slow path is going to sleep; false if there is something to do.
func (n *Node) WaitPunts() bool {
	for _, p := range n.punts {
		if !p.Wait() {
			return false
		}
	}
	return true
}

func (n *Node) handle(now time.Time, m *ring.Meta, frame []byte) {
	in := int(m.Port)
	switch m.Reason {
	case reason.PuntARP, reason.PuntND:
		// The kernel asks through its interface, and its neighbour table lives from the same statements. Questions
		// are not for it: Weir answers.
		if n.neighbors.Handle(now, in, frame) && n.ports[in].HasTAP {
			n.toKernel(in, frame)
		}
	case reason.PuntNeighbor:
		n.neighbors.Await(now, in, addrOf(m.Addr, m.V6), frame)
	case reason.PuntLocal, reason.PuntMulticast:
		n.toKernel(in, frame)
	default:
		n.drops[in][reason.Unset].Add(1)
	}
}

func (n *Node) toKernel(port int, frame []byte) {
	if !n.kernel.ToKernel(port, frame) {
		n.drops[port][reason.TapFull].Add(1)
	}
}

// FromKernel sends what the kernel sent through its interface of a port; for any goroutine. What does not fit
// the queue is lost and counted, as on any interface.
func (n *Node) FromKernel(port int, frame []byte) {
	if !n.Send(port, frame) {
		n.drops[port][reason.InjectFull].Add(1)
	}
}

func addrOf(a nexthop.Addr, v6 bool) netip.Addr {
	if v6 {
		return netip.AddrFrom16(a)
	}
	return netip.AddrFrom4([4]byte(a[:4]))
}

// Send lets a worker send a finished frame; for any goroutine.
func (n *Node) Send(port int, frame []byte) bool { return n.push(&ring.Meta{Port: uint8(port)}, frame) }

func (n *Node) push(m *ring.Meta, frame []byte) bool {
	in := n.inject[0]
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.ring.Push(m, frame)
}

// output is the node as the neighbour table sees it.
type output Node

func (o *output) Send(port int, frame []byte) {
	if len(o.inject) == 0 || !(*Node)(o).Send(port, frame) {
		o.drops[port][reason.InjectFull].Add(1)
	}
}

// Drop implements neighbor.Output.
func (o *output) Drop(port int, r reason.Reason, n int) {
	if port < 0 || port >= len(o.drops) {
		port = 0 // a punted packet names a port of ours
	}
	o.drops[port][r].Add(uint64(n))
}
