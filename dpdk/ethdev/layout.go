package ethdev

/*
#include "exchange.h"
*/
import "C"

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/port"
)

// field is where Go and C have one field of a shared structure, or a constant's value.
type field struct {
	name string
	inGo uintptr
	inC  uintptr
}

// layout lists what Go and C must agree on.
func layout() []field {
	var f port.Frame
	var cf C.struct_weir_frame
	var b *port.Burst
	var cb *C.struct_weir_burst
	return []field{
		{"BurstSize", port.BurstSize, C.WEIR_BURST_SIZE},
		{"TxSize", port.TxSize, C.WEIR_TX_SIZE},
		{"FreeSize", port.FreeSize, C.WEIR_FREE_SIZE},
		{"SpareSize", port.SpareSize, C.WEIR_SPARE_SIZE},
		{"HashValid", uintptr(port.HashValid), C.WEIR_HASH_VALID},
		{"BadIPChecksum", uintptr(port.BadIPChecksum), C.WEIR_BAD_IP_CHECKSUM},
		{"BadL4Checksum", uintptr(port.BadL4Checksum), C.WEIR_BAD_L4_CHECKSUM},
		{"Segmented", uintptr(port.Segmented), C.WEIR_SEGMENTED},
		{"VLANStripped", uintptr(port.VLANStripped), C.WEIR_VLAN_STRIPPED},
		{"sizeof Frame", unsafe.Sizeof(f), unsafe.Sizeof(cf)},
		{"Frame.Data", unsafe.Offsetof(f.Data), unsafe.Offsetof(cf.data)},
		{"Frame.Buf", unsafe.Offsetof(f.Buf), unsafe.Offsetof(cf.buf)},
		{"Frame.Len", unsafe.Offsetof(f.Len), unsafe.Offsetof(cf.len)},
		{"Frame.Hash", unsafe.Offsetof(f.Hash), unsafe.Offsetof(cf.hash)},
		{"Frame.Room", unsafe.Offsetof(f.Room), unsafe.Offsetof(cf.room)},
		{"Frame.Tail", unsafe.Offsetof(f.Tail), unsafe.Offsetof(cf.tail)},
		{"Frame.Flags", unsafe.Offsetof(f.Flags), unsafe.Offsetof(cf.flags)},
		{"Frame.Port", unsafe.Offsetof(f.Port), unsafe.Offsetof(cf.port)},
		{"Frame.Proto", unsafe.Offsetof(f.Proto), unsafe.Offsetof(cf.proto)},
		{"sizeof Burst", unsafe.Sizeof(*b), unsafe.Sizeof(*cb)},
		{"Burst.NRX", unsafe.Offsetof(b.NRX), unsafe.Offsetof(cb.nrx)},
		{"Burst.NTX", unsafe.Offsetof(b.NTX), unsafe.Offsetof(cb.ntx)},
		{"Burst.NFree", unsafe.Offsetof(b.NFree), unsafe.Offsetof(cb.nfree)},
		{"Burst.NSpare", unsafe.Offsetof(b.NSpare), unsafe.Offsetof(cb.nspare)},
		{"Burst.Now", unsafe.Offsetof(b.Now), unsafe.Offsetof(cb.now)},
		{"Burst.TxFrames", unsafe.Offsetof(b.TxFrames), unsafe.Offsetof(cb.tx_frames)},
		{"Burst.TxBytes", unsafe.Offsetof(b.TxBytes), unsafe.Offsetof(cb.tx_bytes)},
		{"Burst.RX", unsafe.Offsetof(b.RX), unsafe.Offsetof(cb.rx)},
		{"Burst.TX", unsafe.Offsetof(b.TX), unsafe.Offsetof(cb.tx)},
		{"Burst.Spare", unsafe.Offsetof(b.Spare), unsafe.Offsetof(cb.spare)},
		{"Burst.Free", unsafe.Offsetof(b.Free), unsafe.Offsetof(cb.free)},
	}
}
