package daemon

// localPortsBy is by what workers choose local ports for connections to backends behind a device, of which there were
// strays (node.Strays).
func localPortsBy(dev Device, workers int, strays uint64) string {
	s := dev.RSS()
	if workers == 1 || s == nil {
		return "share"
	}
	for queue := range dev.Queues() {
		if !s.Reaches(queue) {
			return "share"
		}
	}
	if strays >= manyStrays {
		return "rss-doubtful"
	}
	return "rss"
}

// manyStrays is from how many strays on a port's RSS is not what its device tells. A few may have been on their way while
// that was set.
const manyStrays = 100

// doubts are the ports whose RSS the log has said to be doubtful. They belong to the loop.
type doubts map[int]bool

// look tells of ports where replies come to other queues than foretold: no connection suffers, but the choice of local ports
// is of no use.
func (m *doubts) look(d *Daemon) {
	for i := range d.devices {
		strays := d.node.Strays(i)
		if strays < manyStrays || (*m)[i] {
			continue
		}
		if *m == nil {
			*m = doubts{}
		}
		(*m)[i] = true
		d.log.Warn("replies in fullnat arrive on other queues than the device's RSS, as it tells it, leads to: local ports chosen by it do "+
			"not spare the handover, which costs time and no connections", "port", d.node.Config().Ports[i].Name, "replies", strays)
	}
}
