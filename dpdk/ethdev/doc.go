// Package ethdev is DPDK's network devices: it finds, sets up, watches and ends them, and moves
// bursts of frames through their queues ([Queue] implements port.Queue).
//
//	device.go     Probe, Start and Close: the life of a device
//	devargs.go    what a configuration's device string means
//	preflight.go  what can be found missing before a driver is asked, said better than drivers do
//	iface.go      the kernel's network interfaces under a device
//	afpacket.go   net_af_packet made to behave as other devices do
//	wiresize.go   those hand over frames as large as on a wire: no joined ones, no unsplit ones of a veth's other end
//	aside.go      the kernel does not answer beside net_af_packet
//	locked.go     net_af_packet's rings against the limit of locked memory
//	preload.go    captures that a driver loads into buffers
//	xdp.go        buffers that net_af_xdp keeps
//	setup.go      queues, offloads, MTU, MAC and filters, as far as the device has them
//	status.go     link and counters
//	queue.go      a worker's queue; exchange.c is what happens in it, segments.c where a frame came in several buffers
//	layout.go     Go's and C's view of a burst are the same
//
// Not supported: frames larger than a buffer (flagged, so that the worker drops them), VLAN and checksum
// offloads on transmission, receive interrupts, and changing a device while it runs.
package ethdev
