package explain

import (
	"fmt"
	"net/netip"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/reason"
)

// tellLocal tells, in mode fullnat, where the backend sees the connection come from.
func (t *trial) tellLocal() {
	if t.service == nil || t.service.Mode != conf.FullNAT {
		return
	}
	if r, _ := t.lost(); r == reason.NoLocalPort {
		t.step("local", fmt.Sprintf("none of the local addresses' ports %s that are this worker's is free for the backend", t.service.LocalPorts))
		return
	}
	if t.made == nil || t.made.Flags&conn.Full == 0 {
		return
	}
	a := netip.AddrPortFrom(t.Still.Snapshot.LocalAddr(t.made.LocalIndex()), packet.Swap16(t.made.LocalPort()))
	if t.known && len(t.picks) == 0 {
		t.step("local", fmt.Sprintf("%s is where the backend sees the connection come from", a))
		return
	}
	by := ""
	worker := min(t.owner, len(t.Still.Workers)-1)
	if port, ok := t.Still.Direct(worker, t.Still.Snapshot.Backends.At(t.made.Backend), t.p.number); ok {
		by = t.cfg.Ports[port].Name
	}
	t.step("local", nextLocal(a, by))
}

// nextLocal tells which address and port a connection gets; by is the port whose device's RSS decides, empty if none does.
func nextLocal(a netip.AddrPort, by string) string {
	if by != "" {
		return fmt.Sprintf("%s, or another that is this worker's: one whose replies the RSS of %s brings to this worker, if there is one among the next", a, by)
	}
	return fmt.Sprintf("%s, the next that is this worker's: any connection made before with this backend moves it on", a)
}
