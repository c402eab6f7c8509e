package replay

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
)

// deviceFlags is what a device that checks the checksums of IPv4 headers, as most do, says of a frame. Of TCP and
// UDP checksums replay says nothing: a capture made where packets were sent has them only half made.
func deviceFlags(frame []byte) uint16 {
	if len(frame) < packet.EthLen+packet.IP4Len {
		return 0
	}
	p := unsafe.Pointer(unsafe.SliceData(frame))
	ip := unsafe.Add(p, packet.EthLen)
	v := packet.Load8(ip, packet.IP4VerIHL)
	hl := int(v&0x0f) * 4
	if packet.Load16(p, packet.EthTypeOff) != packet.EtherIPv4 || v>>4 != 4 || hl < packet.IP4Len || packet.EthLen+hl > len(frame) {
		return 0
	}
	if packet.Fold(packet.Sum(ip, hl, 0)) != 0xffff {
		return port.BadIPChecksum
	}
	return 0
}
