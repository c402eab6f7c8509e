package packet

import (
	"math/bits"
	"unsafe"
)

// The packet path reads and writes headers with single loads and stores at any alignment, in the
// machine's byte order, and swaps where a number is needed. This file is the only one that does so;
// it needs a little-endian machine that allows unaligned access (amd64, arm64).

// Load8 reads the byte at p+off.
func Load8(p unsafe.Pointer, off uintptr) uint8 { return *(*uint8)(unsafe.Add(p, off)) }

// Load16 reads two bytes as they lie in memory: compare and copy only, see [Swap16].
func Load16(p unsafe.Pointer, off uintptr) uint16 { return *(*uint16)(unsafe.Add(p, off)) }

// Load32 reads four bytes as they lie in memory.
func Load32(p unsafe.Pointer, off uintptr) uint32 { return *(*uint32)(unsafe.Add(p, off)) }

// Load64 reads eight bytes as they lie in memory.
func Load64(p unsafe.Pointer, off uintptr) uint64 { return *(*uint64)(unsafe.Add(p, off)) }

// Store8 writes a byte.
func Store8(p unsafe.Pointer, off uintptr, v uint8) { *(*uint8)(unsafe.Add(p, off)) = v }

// Store16 writes two bytes in memory order.
func Store16(p unsafe.Pointer, off uintptr, v uint16) { *(*uint16)(unsafe.Add(p, off)) = v }

// Store32 writes four bytes in memory order.
func Store32(p unsafe.Pointer, off uintptr, v uint32) { *(*uint32)(unsafe.Add(p, off)) = v }

// Store64 writes eight bytes in memory order.
func Store64(p unsafe.Pointer, off uintptr, v uint64) { *(*uint64)(unsafe.Add(p, off)) = v }

// Swap16 turns a field in network byte order, as loaded, into a number, and back.
func Swap16(v uint16) uint16 { return bits.ReverseBytes16(v) }

// Swap32 is Swap16 for 32 bits.
func Swap32(v uint32) uint32 { return bits.ReverseBytes32(v) }

// Bytes is the memory of a frame as a slice, for the slow path and tests. It is valid while the frame is.
func Bytes(p unsafe.Pointer, n uint32) []byte { return unsafe.Slice((*byte)(p), n) }
