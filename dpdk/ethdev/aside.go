package ethdev

import (
	"net"
	"os"
	"path/filepath"
	"strings"
)

// aside is what keeps the kernel, which goes on receiving on an interface under net_af_packet, from answering there for
// the addresses of the port's TAP interface: a packet whose way back does not lead through the interface is dropped
// (strict reverse path filter), ARP is not answered, and IPv6 is off. Where net.ipv4.conf.all.rp_filter is 2, the kernel
// takes that instead of ours, and still answers.
var aside = []struct{ file, value string }{
	{"ipv4/conf/%/rp_filter", "1"},
	{"ipv4/conf/%/arp_ignore", "8"},
	{"ipv6/conf/%/disable_ipv6", "1"},
}

// standAside keeps the kernel off an interface that has no addresses of its own, so that nobody but Weir uses it. undo
// puts back what was there. Settings that cannot be written stay as they are.
func (n netIf) standAside(proc string) (undo func()) {
	var undos []func()
	if !n.addressed() {
		for _, s := range aside {
			path := filepath.Join(proc, "sys/net", strings.Replace(s.file, "%", string(n), 1))
			old, err := os.ReadFile(path)
			if err != nil || strings.TrimSpace(string(old)) == s.value || os.WriteFile(path, []byte(s.value), 0o644) != nil {
				continue
			}
			undos = append(undos, func() { _ = os.WriteFile(path, old, 0o644) })
		}
	}
	return func() {
		for _, f := range undos {
			f()
		}
	}
}

// addressed tells whether the interface has an address that somebody gave it: any but a link-local one of IPv6, which
// the kernel makes up. One that cannot be asked counts as having some.
func (n netIf) addressed() bool {
	iface, err := net.InterfaceByName(string(n))
	if err != nil {
		return true
	}
	addrs, err := iface.Addrs()
	if err != nil {
		return true
	}
	for _, a := range addrs {
		if p, ok := a.(*net.IPNet); !ok || p.IP.To4() != nil || !p.IP.IsLinkLocalUnicast() {
			return true
		}
	}
	return false
}
