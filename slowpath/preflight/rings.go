package preflight

import (
	"strconv"
	"strings"
)

// ringsKB is how much locked memory the rings of all ports on net_af_packet take, in KB, as package ethdev sets them up: one to
// receive and one to send for each queue.
func (m *Machine) ringsKB() int {
	bytes := 0
	for i := range m.Config.Ports {
		p := &m.Config.Ports[i]
		if p.Parent != "" || driverOf(p.Device) != "net_af_packet" {
			continue
		}
		queues := max(1, len(m.Config.Dataplane.Cores))
		if p.Queues > 0 {
			queues = min(queues, p.Queues)
		}
		frames, size := max(p.RxDescriptors, p.TxDescriptors), 2048
		if p.MTU > 2048-128 { // what stands before a frame in its ring
			size = 9216
		}
		a := arguments(p.Device)
		if a["framesz"]+a["framecnt"]+a["blocksz"] > 0 { // the others have DPDK's values then
			frames, size = 512, 2048
		}
		set := func(key string, v *int) {
			if n := a[key]; n > 0 {
				*v = n
			}
		}
		set("framesz", &size)
		set("framecnt", &frames)
		set("qpairs", &queues)
		bytes += 2 * queues * frames * size
	}
	return bytes >> 10
}

// arguments are those of a device's arguments that are numbers.
func arguments(device string) map[string]int {
	out := map[string]int{}
	for _, arg := range strings.Split(device, ",")[1:] {
		k, v, _ := strings.Cut(arg, "=")
		if n, err := strconv.ParseUint(v, 10, 24); err == nil {
			out[k] = int(n)
		}
	}
	return out
}
