package fastpath

import (
	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/reason"
	"github.com/weirlb/weir/fastpath/ring"
)

// probe sends a packet of a health check, which is for a VIP, to one backend in its service's mode: as a client's would
// go, whether the backend is up or not. There is no connection for it, and the backend's answer comes straight to the
// address of Weir's own that the check is from.
func (w *Worker) probe(f *port.Frame, m *ring.Meta) verdict {
	if m.Backend >= w.realCount || w.made(m.Backend).Gen != m.Gen {
		return drop(reason.ProbeEnded)
	}
	b := w.real(m.Backend)
	if b.Mode != TUN && b.Mode != DR {
		return drop(reason.ProbeEnded)
	}
	// The parser looks at what is for the port; this is on its way out of it.
	w.setDestination(f, m.Port)
	var it item
	w.parse(f, &it, w.ports[m.Port].mac)
	switch {
	case it.Kind == packet.Bad || it.Kind == packet.Other4 || it.Kind == packet.Other6:
		return drop(it.Fault)
	case !it.flow():
		return drop(reason.UnsupportedProtocol)
	case !fits(f, &it, b):
		return drop(reason.TooBig) // the kernel's route to the VIP has the MTU that fits
	}
	return w.convey(f, &it, nil, b)
}

// probed reports whether a packet comes from the address and port of a service that is checked through itself: by
// connections of TCP perhaps, whatever the service's protocol.
func (w *Worker) probed(k *conn.Key) bool {
	var addrs [32]byte
	back := turned(k, &addrs)
	for _, back.Proto = range [...]uint8{packet.ProtoTCP, packet.ProtoUDP, packet.ProtoSCTP} {
		if w.snap.probes.find(&back, 0) != 0 {
			return true
		}
	}
	return false
}

// probed are the services that are checked through themselves; the checks come from Weir, not from what they match.
func probed(services []ServiceSpec) (out []ServiceSpec) {
	for _, s := range services {
		if s.Probed {
			s.Sources, s.Ingress = nil, nil
			out = append(out, s)
		}
	}
	return out
}

func (w *Worker) setDestination(f *port.Frame, in uint8) {
	mac := w.ports[in].mac
	packet.Store32(f.Data, packet.EthDst, uint32(mac))
	packet.Store16(f.Data, packet.EthDst+4, uint16(mac>>32))
}
