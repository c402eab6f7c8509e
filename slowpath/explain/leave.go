package explain

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath/reason"
	"github.com/weirlb/weir/slowpath/compile"
	"github.com/weirlb/weir/slowpath/neighbor"
	"github.com/weirlb/weir/slowpath/node"
)

// reached reports whether a way leads to the packet's source.
func (t *trial) reached() bool {
	_, _, ok := compile.Way(t.cfg, t.p.Src.Addr())
	return ok
}

// tellFrames tells what was changed in the packet and how it leaves.
func (t *trial) tellFrames(lost bool) {
	t.frames()
	before := look(t.frame)
	for _, p := range t.punted {
		if p.Reason == reason.PuntNeighbor {
			t.tellWaiting(&before, &p)
		}
	}
	if len(t.sent) == 0 {
		if r, _ := t.lost(); r == reason.NeighborUnresolved {
			t.tellFailed()
		}
		return
	}
	first := look(t.sent[0].Frame)
	if lost || before.proto == "icmp" {
		t.step("answer", first.String())
		t.step("egress", fmt.Sprintf("leaves by %s, back to the station it came from", t.cfg.Ports[t.sent[0].Port].Name))
		return
	}
	t.step("rewrite", "what changes, besides checksums", changes(&before, &first)...)
	t.step("neighbor", t.neighborOf(&t.sent[0], &first))
	text := fmt.Sprintf("leaves by %s, %d bytes of IP", t.cfg.Ports[t.sent[0].Port].Name, first.size)
	if len(t.sent) > 1 {
		text = fmt.Sprintf("leaves by %s in %d pieces, as it is larger than the way allows and has no DF", t.cfg.Ports[t.sent[0].Port].Name, len(t.sent))
	}
	t.step("egress", text)
}

// neighborOf tells who has the MAC that a frame is sent to.
func (t *trial) neighborOf(s *node.Sent, f *seen) string {
	port := t.cfg.Ports[s.Port].Name
	address, state := "the next hop", ""
	via := t.nextHop(f)
	for _, n := range t.Still.Neighbors {
		if n.Port != port || n.MAC != f.dstMAC {
			continue
		}
		address, state = n.Address, ", "+n.State
		if n.Address == via {
			break // others may have the same MAC
		}
	}
	if !t.Running && !t.configured(f.dstMAC) {
		return fmt.Sprintf("%s on %s has a made-up MAC here; a running Weir asks for it by ARP or neighbour discovery", address, port)
	}
	return fmt.Sprintf("%s on %s is %s%s", address, port, f.dstMAC, state)
}

// nextHop is who a frame goes to on its link, if it goes through no gateway: the backend, which in dr the packet does not name.
func (t *trial) nextHop(f *seen) string {
	if a, err := netip.ParseAddrPort(t.out.Backend); err == nil && !t.reply {
		return a.Addr().String()
	}
	if f.outer != "" {
		to, _, _ := strings.Cut(f.outer, ",")
		_, to, _ = strings.Cut(to, " > ")
		return to
	}
	if a, err := netip.ParseAddrPort(f.dst); err == nil {
		return a.Addr().String()
	}
	return f.dst
}

// configured reports whether a MAC is that of a neighbour in the configuration.
func (t *trial) configured(mac string) bool {
	for _, n := range t.cfg.Neighbors {
		if net.HardwareAddr(n.MAC[:]).String() == mac {
			return true
		}
	}
	return false
}

// tellWaiting tells of a packet that is ready but for the MAC of its next hop.
func (t *trial) tellWaiting(before *seen, p *node.Punted) {
	after := look(p.Frame)
	after.dstMAC = before.dstMAC // not known yet
	t.step("rewrite", "what changes, besides checksums", changes(before, &after)...)
	addr := netip.AddrFrom16(p.Addr)
	if !p.V6 {
		addr = netip.AddrFrom4([4]byte(p.Addr[:4]))
	}
	port := t.cfg.Ports[p.Port].Name
	text := fmt.Sprintf("%s on %s is not known: Weir asks for its MAC, and the packet waits", addr, port)
	for _, n := range t.Still.Neighbors {
		if n.Port == port && n.Address == addr.String() {
			text = fmt.Sprintf("%s on %s is %s: Weir asks for its MAC, and the packet waits with %s", addr, port, n.State, conf.Counted(n.Queued, "other"))
			if n.Queued >= neighbor.MaxQueued {
				text += fmt.Sprintf("; that is the most, so that the oldest of them is dropped as %v", reason.NeighborQueueFull)
			}
		}
	}
	t.step("neighbor", text)
}

// tellFailed names the next hop that does not answer.
func (t *trial) tellFailed() {
	to := t.p.Dst.Addr()
	if a, err := netip.ParseAddrPort(t.out.Backend); err == nil && !t.reply {
		to = a.Addr()
	}
	if port, via, ok := compile.Way(t.cfg, to); ok {
		t.step("neighbor", fmt.Sprintf("%s on %s has not answered: Weir asks again every few seconds", via, t.cfg.Ports[port].Name))
	}
}
