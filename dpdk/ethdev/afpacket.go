package ethdev

/*
#cgo LDFLAGS: -Wl,--export-dynamic-symbol=setsockopt
*/
import "C"

import (
	"fmt"
	"net"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/weirlb/weir/dpdk/mempool"
)

// net_af_packet takes its number of queues and the size of its rings as arguments only, ignores
// descriptors, and does not count the frames that found its receive ring full. What follows makes it
// behave as other devices do, and packetsocket.c keeps it from putting fragments together.

// imply adds the arguments that follow from the port's settings and are not written out.
func (d *device) imply(queues, descriptors, mtu int) {
	if d.driver != "net_af_packet" {
		return
	}
	if queues > 1 && !d.has("qpairs") {
		d.args = append(d.args, fmt.Sprintf("qpairs=%d", queues))
	}
	if d.has("blocksz", "framesz", "framecnt") {
		return
	}
	if mempool.Room(mtu+ringHead) != mempool.DefaultRoom {
		d.args = append(d.args, fmt.Sprintf("blocksz=%d", jumboBlock), fmt.Sprintf("framesz=%d", mempool.JumboRoom))
	}
	d.args = append(d.args, fmt.Sprintf("framecnt=%d", descriptors))
}

const (
	// ringHead is what stands before a frame in the ring at most, with the frame's own Ethernet header and tags.
	ringHead = 128
	// jumboBlock holds four large frames, and is made of whole pages.
	jumboBlock = 4 * mempool.JumboRoom
)

// listens tells whether frames come by packet sockets, beside the kernel: as the kernel hands them to its own programs.
func (d *Device) listens() bool {
	return d.driver == "net_af_packet" || d.driver == "net_pcap" && len(d.device.interfaces()) > 0
}

// packetSockets are this process's packet sockets with a ring as the driver makes them (TPACKET_V2)
// on a network interface: those of the one device that may sit on it.
func packetSockets(name string) ([]int, error) {
	iface, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil, err
	}
	var out []int
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if v, err := unix.GetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION); err != nil || v != unix.TPACKET_V2 {
			continue
		}
		addr, err := unix.Getsockname(fd)
		if link, ok := addr.(*unix.SockaddrLinklayer); err == nil && ok && link.Ifindex == iface.Index {
			out = append(out, fd)
		}
	}
	return out, nil
}

// countMissed adds the frames that found a ring full since the last call.
func (d *Device) countMissed() {
	for _, fd := range d.packetSockets {
		if s, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
			d.missed += uint64(s.Drops)
		}
	}
}
