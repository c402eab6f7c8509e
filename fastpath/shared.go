package fastpath

import (
	"net/netip"

	"github.com/weirlb/weir/fastpath/conn"
)

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

// endOther ends the connection that has the replies of a new one. Another service may lead to the same backend, and
// the client may use one port for both VIPs. The backend cannot tell the two connections apart, so its replies belong
// to the one begun last.
func (w *Worker) endOther(k *conn.Key, b *Backend, home conn.Home) {
	var addrs [32]byte
	rk := b.replyKey(k, &addrs)
	if r := w.table.FindHome(&rk, home); r.Reply {
		w.forget(r.Entry)
	}
}
