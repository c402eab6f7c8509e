package compile

import (
	"slices"

	"github.com/weirlb/weir/conf"
)

// goesOn reports whether the connections of a service go on: if their packets are rewritten in the same way, and some
// endpoint that they may have come by is still there.
func goesOn(old, s *conf.Service) bool {
	return old.Mode == s.Mode && slices.ContainsFunc(s.Addresses, func(e conf.Endpoint) bool {
		return slices.ContainsFunc(old.Addresses, func(o conf.Endpoint) bool {
			return e.Prefix.Overlaps(o.Prefix) && e.Ports.Overlaps(o.Ports)
		})
	})
}
