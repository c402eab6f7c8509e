package capture

import (
	"encoding/binary"
	"io"
)

// writer writes a pcapng file of one section (draft-ietf-opsawg-pcapng), little-endian, a block at a time. gopacket's has
// no options for packets, where comments belong.
type writer struct {
	w       io.Writer
	block   []byte
	written int64
}

const (
	sectionBlock    = 0x0a0d0d0a
	interfaceBlock  = 1
	statisticsBlock = 5
	enhancedBlock   = 6

	optComment       = 1
	sectionUserApp   = 4
	ifName           = 2
	ifTimeResolution = 9
	ifFilter         = 11
	packetFlags      = 2
	packetID         = 5
	statDelivered    = 8

	flagIn, flagOut = 1, 2 // of packetFlags

	linkEthernet = 1
	nanoseconds  = 9 // 10 to the power of minus that many seconds
	maxOption    = 0xfffc
)

// packet is one that is written.
type packet struct {
	port    int
	time    uint64 // nanoseconds since 1970
	size    int    // of the frame
	frame   []byte // as much of it as is there
	out     bool
	id      uint64
	comment string
}

func (w *writer) begin(kind uint32) {
	w.block = binary.LittleEndian.AppendUint32(w.block[:0], kind)
	w.u32(0) // the length
}

func (w *writer) u16(v uint16) { w.block = binary.LittleEndian.AppendUint16(w.block, v) }
func (w *writer) u32(v uint32) { w.block = binary.LittleEndian.AppendUint32(w.block, v) }
func (w *writer) u64(v uint64) { w.block = binary.LittleEndian.AppendUint64(w.block, v) }

// stamp is a time, higher half first in either byte order.
func (w *writer) stamp(t uint64) {
	w.u32(uint32(t >> 32))
	w.u32(uint32(t))
}

func (w *writer) pad() {
	for len(w.block)%4 != 0 {
		w.block = append(w.block, 0)
	}
}

func (w *writer) option(code uint16, value []byte) {
	value = value[:min(len(value), maxOption)]
	w.u16(code)
	w.u16(uint16(len(value)))
	w.block = append(w.block, value...)
	w.pad()
}

func (w *writer) number(code uint16, v uint64) {
	w.option(code, binary.LittleEndian.AppendUint64(nil, v))
}

// end closes the options and the block, and writes it.
func (w *writer) end() error {
	w.u32(0) // opt_endofopt
	size := uint32(len(w.block) + 4)
	w.u32(size)
	binary.LittleEndian.PutUint32(w.block[4:], size)
	n, err := w.w.Write(w.block)
	w.written += int64(n)
	return err
}

// section begins the file.
func (w *writer) section(application, comment string) error {
	w.begin(sectionBlock)
	w.u32(0x1a2b3c4d)
	w.u16(1) // version 1.0
	w.u16(0)
	w.u64(1<<64 - 1) // of any length
	w.option(sectionUserApp, []byte(application))
	w.option(optComment, []byte(comment))
	return w.end()
}

// port describes the next interface.
func (w *writer) port(name string, snap uint32, filter string) error {
	w.begin(interfaceBlock)
	w.u16(linkEthernet)
	w.u16(0)
	w.u32(snap)
	w.option(ifName, []byte(name))
	w.option(ifTimeResolution, []byte{nanoseconds})
	if filter != "" {
		w.option(ifFilter, append([]byte{0}, filter...)) // 0: a string in libpcap's language
	}
	return w.end()
}

func (w *writer) packet(p *packet) error {
	w.begin(enhancedBlock)
	w.u32(uint32(p.port))
	w.stamp(p.time)
	w.u32(uint32(len(p.frame)))
	w.u32(uint32(p.size))
	w.block = append(w.block, p.frame...)
	w.pad()
	w.option(optComment, []byte(p.comment))
	flags := []byte{flagIn, 0, 0, 0}
	if p.out {
		flags[0] = flagOut
	}
	w.option(packetFlags, flags)
	w.number(packetID, p.id)
	return w.end()
}

// statistics ends a port's part: how many packets were written of it.
func (w *writer) statistics(port int, now, packets uint64, comment string) error {
	w.begin(statisticsBlock)
	w.u32(uint32(port))
	w.stamp(now)
	if comment != "" {
		w.option(optComment, []byte(comment))
	}
	w.number(statDelivered, packets)
	return w.end()
}
