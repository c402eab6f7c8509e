package main

import (
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// marks gives what comes in by a port a firewall mark.
type marks struct {
	link    netlink.Link
	ingress bool   // the link has a discipline for what comes in
	mark    uint32 // in force
}

// set is the mark of what comes in from now on; 0: none.
func (m *marks) set(mark uint32) error {
	if mark == m.mark {
		return nil
	}
	attrs := netlink.QdiscAttrs{LinkIndex: m.link.Attrs().Index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_INGRESS}
	if !m.ingress {
		if err := netlink.QdiscAdd(&netlink.Ingress{QdiscAttrs: attrs}); err != nil {
			return fmt.Errorf("ingress discipline of %s: %w", m.link.Attrs().Name, err)
		}
		m.ingress = true
	}
	edit := netlink.NewSkbEditAction()
	edit.Mark = &mark
	filter := &netlink.MatchAll{
		FilterAttrs: netlink.FilterAttrs{LinkIndex: attrs.LinkIndex, Parent: attrs.Handle, Handle: 1, Priority: 1, Protocol: unix.ETH_P_ALL},
		Actions:     []netlink.Action{edit},
	}
	if m.mark != 0 {
		if err := netlink.FilterDel(filter); err != nil {
			return fmt.Errorf("marking what comes in by %s: %w", m.link.Attrs().Name, err)
		}
	}
	m.mark = 0
	if mark != 0 {
		if err := netlink.FilterAdd(filter); err != nil {
			return fmt.Errorf("marking what comes in by %s: %w", m.link.Attrs().Name, err)
		}
	}
	m.mark = mark
	return nil
}
