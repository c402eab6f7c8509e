package fastpath

import "net/netip"

// Servers counts of how many backends in NAT each real server is one: replies of several may belong to one of several
// connections. Of services with different protocols, too: that costs them a look per connection.
type Servers map[netip.AddrPort]int

// Add counts a real server with so many backends.
func (s Servers) Add(a netip.AddrPort, backends int) { s[a] += backends }

// Shared reports whether a counted real server may have a reply's tuple in common with another: it stands for several
// backends, or somewhere with port 0, which is any. What is so because of what leads to it, BackendSpec.Wide, is not its
// business.
func (s Servers) Shared(a netip.AddrPort) bool {
	return s[a] > 1 || a.Port() != 0 && s[netip.AddrPortFrom(a.Addr(), 0)] > 0
}
