package daemon

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/weirlb/weir/slowpath/api"
	"github.com/weirlb/weir/slowpath/view"
)

// Watch lets an API client see the events from now on.
func (c *controller) Watch() (api.Watcher, error) { return c.d.events.Watch() }

// lookPeriod is how often look does its work.
const lookPeriod = time.Second

// look tells of what nobody else tells when it happens; for the loop.
func (d *Daemon) look(now time.Time) {
	if now.Before(d.nextLook) {
		return
	}
	d.nextLook = now.Add(lookPeriod)
	d.lookAtLinks()
	d.lookAtDrains()
}

// lookAtLinks tells which ports' links have come up or gone down.
func (d *Daemon) lookAtLinks() {
	first := d.links == nil
	if first {
		d.links = make([]bool, len(d.devices))
	}
	for i, dev := range d.devices {
		up := dev.LinkUp()
		if up == d.links[i] {
			continue
		}
		d.links[i] = up
		if first {
			continue
		}
		name := d.node.Config().Ports[i].Name
		d.log.Info("link "+upDown(up), "port", name)
		d.events.Publish(view.Event{Type: view.EventPort, Port: name, State: upDown(up), Text: fmt.Sprintf("the link of port %s is %s", name, upDown(up))})
	}
}

// lookAtDrains tells which backends that drain have no connections left.
func (d *Daemon) lookAtDrains() {
	left := map[backendName]bool{}
	cfg := d.node.Config()
	for name, c := range d.runtime {
		s := findService(cfg, name.service)
		if !c.drained || s == nil {
			continue
		}
		p, ok := d.node.Compiler().Place(s, name.address)
		if !ok {
			continue
		}
		if n := p.Load.Active.Load() + p.Load.Inactive.Load(); n > 0 {
			left[name] = true
			continue
		}
		if d.left.has(name) {
			d.log.Info("backend drained", "service", name.service, "backend", name.address.String())
			d.events.Publish(view.Event{
				Type: view.EventDrained, Service: name.service, Backend: name.address.String(), Text: fmt.Sprintf("%s has no connections left", name),
			})
		}
	}
	d.left.set(left)
}

// conflict tells of another station with an address of Weir's.
func (d *Daemon) conflict(port string, addr netip.Addr, mac [6]byte) {
	station := net.HardwareAddr(mac[:]).String()
	d.log.Warn("another station uses an address of Weir's", "port", port, "address", addr.String(), "mac", station)
	d.events.Publish(view.Event{
		Type: view.EventNeighbor, Port: port, Address: addr.String(), State: "conflict",
		Text: fmt.Sprintf("another station on port %s, %s, uses Weir's address %s", port, station, addr),
	})
}

// neighborChanged tells of a next hop that has another MAC, or none any more.
func (d *Daemon) neighborChanged(port string, addr netip.Addr, mac [6]byte) {
	e := view.Event{Type: view.EventNeighbor, Port: port, Address: addr.String(), State: "reachable"}
	e.Text = fmt.Sprintf("neighbor %s on port %s is %s", addr, port, net.HardwareAddr(mac[:]))
	if mac == ([6]byte{}) {
		e.State, e.Text = "failed", fmt.Sprintf("neighbor %s on port %s does not answer", addr, port)
	}
	d.events.Publish(e)
}
