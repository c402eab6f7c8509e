package ethdev

// xdpRing is the size of the two rings net_af_xdp has for each queue besides its descriptors: of
// empty buffers for the kernel to receive into, always full, and of sent ones.
const xdpRing = 2048

// keeps is the most buffers that the driver does not give back when the device is closed. By then
// nobody has them: net_af_xdp forgets what lies in its rings.
func (d *Device) keeps() int {
	if d.driver != "net_af_xdp" {
		return 0
	}
	return d.rxQueues * (2*xdpRing + d.txDescriptors)
}
