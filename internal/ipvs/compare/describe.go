package main

import (
	"fmt"
	"net"
	"strings"

	"github.com/weirlb/weir/internal/ipvs"
)

// stations names the stations of a network by their MACs.
func stations(n *ipvs.Network) map[[6]byte]string {
	out := map[[6]byte]string{}
	for _, s := range n.Neighbors {
		if out[s.MAC] == "" {
			out[s.MAC] = s.Address.String()
		}
	}
	for _, p := range n.Ports {
		for _, g := range p.Gateways {
			for _, s := range n.Neighbors {
				if s.Address == g {
					out[s.MAC] = "gateway"
				}
			}
		}
	}
	return out
}

// told is what came out for a packet, in a line.
func (c *comparison) told(x *exchange, frames []ipvs.Frame) string {
	var all []string
	for _, f := range frames {
		if len(f.Data) < 14 {
			all = append(all, fmt.Sprintf("%x", f.Data))
			continue
		}
		to := c.stations[[6]byte(f.Data)]
		if to == "" {
			to = net.HardwareAddr(f.Data[:6]).String()
		}
		if len(c.plan.Network.Ports) > 1 {
			to += " by " + f.Port
		}
		all = append(all, "to "+to+": "+rewritten(&x.view, look(f.Data[14:])))
	}
	if len(all) == 0 {
		return "nothing"
	}
	return strings.Join(all, "; ")
}

// rewritten is what is different in a packet that came out; what has nothing to do with the one that came in is told whole.
func rewritten(in *view, out view) string {
	if inner, ok := out.inner(); ok && inner.dst == in.dst {
		return fmt.Sprintf("%s, TTL %d, around it with TTL %d", out.endpoints(), out.ttl, inner.ttl)
	}
	text := "unchanged"
	if out.endpoints() != in.endpoints() || out.fragment != in.fragment {
		text = out.String()
	}
	if out.ttl != in.ttl {
		text += fmt.Sprintf(", TTL %d", out.ttl)
	}
	return text
}

// field is one of a packet's headers', with its value.
type field struct{ name, value string }

// fields are those of a frame that can be told apart by a name.
func fields(frame []byte) (out []field) {
	if len(frame) < 14 {
		return nil
	}
	out = append(out, field{"MAC to", net.HardwareAddr(frame[:6]).String()}, field{"MAC from", net.HardwareAddr(frame[6:12]).String()})
	v := look(frame[14:])
	prefix := ""
	if in, ok := v.inner(); ok {
		out = append(out, v.fields("outer ")...)
		prefix, v = "inner ", in
	}
	out = append(out, v.fields(prefix)...)
	if q, ok := v.quoted(); ok {
		out = append(out, q.fields("quoted ")...)
	}
	return out
}

func (v *view) fields(prefix string) (out []field) {
	if v.ip == nil {
		return nil
	}
	add := func(name, format string, value any) {
		out = append(out, field{prefix + name, fmt.Sprintf(format, value)})
	}
	add("source", "%s", v.src)
	add("destination", "%s", v.dst)
	add("protocol", "%d", v.proto)
	add("TTL", "%d", v.ttl)
	add("TOS", "%#x", v.tos)
	add("length", "%d", len(v.ip))
	if v.v6 {
		add("flow label", "%#x", v.flow())
	} else {
		add("ID", "%#x", uint16(v.ip[4])<<8|uint16(v.ip[5]))
		add("don't fragment", "%t", v.ip[6]&0x40 != 0)
		add("options", "%x", v.ip[20:v.ip[0]&15*4])
	}
	if v.fragment {
		add("fragment ID", "%#x", v.id)
		add("fragment offset", "%d", v.offset)
		add("more fragments", "%t", v.more)
	}
	if v.ported() && v.offset == 0 {
		add("source port", "%d", v.sport)
		add("destination port", "%d", v.dport)
	}
	if f := v.tcpFlags(); f != 0 {
		add("TCP flags", "%s", tcpFlags(f))
	}
	if _, mss, ok := v.mss(); ok {
		add("MSS", "%d", mss)
	}
	if kind, code, ok := v.icmp(); ok {
		add("ICMP", "%s", fmt.Sprintf("%d/%d", kind, code))
		add("ICMP rest", "%x", v.ip[v.l4+4:v.l4+8])
	}
	if at, n, ok := v.checksumAt(); ok {
		add("checksum", "%x", v.ip[at:at+n])
		add("checksum is right", "%t", v.right())
	}
	return out
}

// apart tells in which fields two frames differ, a line each. Where one is a tunnel's and the other is not, that is all.
func apart(linux, weir []byte) (out []string) {
	lv, wv := look(linux[min(14, len(linux)):]), look(weir[min(14, len(weir)):])
	_, lin := lv.inner()
	_, win := wv.inner()
	if lin != win {
		return []string{fmt.Sprintf("in a tunnel: IPVS %t, Weir %t", lin, win)}
	}
	l, w := fields(linux), fields(weir)
	has := map[string]string{}
	for _, f := range l {
		has[f.name] = f.value
	}
	seen := map[string]bool{}
	for _, f := range w {
		seen[f.name] = true
		if v, ok := has[f.name]; !ok || v != f.value {
			out = append(out, fmt.Sprintf("%s: IPVS %s, Weir %s", f.name, or(v, "none"), or(f.value, "none")))
		}
	}
	for _, f := range l {
		if !seen[f.name] {
			out = append(out, fmt.Sprintf("%s: IPVS %s, Weir none", f.name, or(f.value, "empty")))
		}
	}
	if len(out) == 0 {
		for i := range min(len(linux), len(weir)) {
			if linux[i] != weir[i] {
				return []string{fmt.Sprintf("byte %d: IPVS %#02x, Weir %#02x", i, linux[i], weir[i])}
			}
		}
	}
	return out
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
