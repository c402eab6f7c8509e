package daemon

import (
	"net/netip"
	"unsafe"

	"github.com/weirlb/weir/fastpath"
	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/slowpath/view"
)

// Connections implements view.Source. It reads the workers' tables while they work: a connection that
// changes at that moment may be missing. The list ends early when the daemon does.
func (s *source) Connections(service string, limit int) []view.Connection {
	if !s.d.gate.enter() {
		return nil
	}
	defer s.d.gate.leave()
	_, all, _ := s.placed()
	byIndex := map[uint32]*placed{}
	for i := range all {
		byIndex[all[i].place.Index] = &all[i]
	}
	snap := s.d.node.Snapshot()
	out := []view.Connection{}
	for id, w := range s.d.node.Workers() {
		now := conn.Tick(w.Counters().NowNs / 1e6)
		w.Dump(func(e *conn.Entry) bool {
			if s.d.stop.Load() {
				return false
			}
			p := byIndex[e.Backend]
			if p == nil || p.place.Gen != e.Gen || !now.Before(e.Expires) || service != "" && p.service.Name != service {
				return true
			}
			out = append(out, connection(e, p, id, now, snap))
			return limit == 0 || len(out) < limit
		})
		if limit > 0 && len(out) >= limit {
			break
		}
	}
	return out
}

var protocols = map[uint8]string{packet.ProtoTCP: "tcp", packet.ProtoUDP: "udp", packet.ProtoSCTP: "sctp"}

func connection(e *conn.Entry, p *placed, worker int, now conn.Tick, snap *fastpath.Snapshot) view.Connection {
	b := (*[32]byte)(unsafe.Pointer(&e.Addrs))
	client, vip := netip.AddrFrom4([4]byte(b[:4])), netip.AddrFrom4([4]byte(b[4:8]))
	if e.Flags&conn.V6 != 0 {
		client, vip = netip.AddrFrom16([16]byte(b[:16])), netip.AddrFrom16([16]byte(b[16:]))
	}
	local := ""
	if a := snap.LocalAddr(e.LocalIndex()); e.Flags&conn.Full != 0 && a.IsValid() {
		local = addrPort(a, packet.Swap16(e.LocalPort()))
	}
	return view.Connection{
		Protocol: protocols[e.Proto],
		Client:   addrPort(client, packet.Swap16(uint16(e.Ports))),
		VIP:      addrPort(vip, packet.Swap16(uint16(e.Ports>>16))),
		Local:    local,
		Backend:  p.backend.Address.String(),
		Service:  p.service.Name,
		State:    e.State.String(),
		Expires:  float64(int32(e.Expires-now)) / 1000,
		Worker:   worker,
	}
}
