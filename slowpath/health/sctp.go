package health

import (
	"context"
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"net"
	"time"
)

// sctpCheck begins an association as far as the backend's answer to an INIT: INIT ACK if it accepts one, ABORT if it does
// not. It speaks through a raw socket, so the kernel need not know SCTP. An INIT ACK leaves nothing behind at the
// backend, which keeps all it would have to remember in the cookie that is never sent back (RFC 9260 section 5.1.3).
type sctpCheck struct{}

func (sctpCheck) ask(ctx context.Context, p *probe) (outcome, func()) {
	begun := time.Now()
	network := "ip4:132"
	if p.remote.Addr().Unmap().Is6() {
		network = "ip6:132"
	}
	conn, err := p.dialer.DialIP(ctx, network, p.local.Addr(), p.remote.Addr())
	if err != nil {
		return p.failed(err, "opening a socket"), nothing
	}
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline) // fails only on a closed socket
	interrupt := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	hangUp := func() {
		interrupt()
		_ = conn.Close()
	}
	i := initiation{from: uint16(32768 + rand.N(28000)), to: p.remote.Port(), tag: 1 + rand.N(^uint32(0))}
	if _, err := conn.Write(i.packet()); err != nil {
		return p.failed(err, "sending"), hangUp
	}
	o, err := i.await(conn)
	if err != nil {
		return p.failed(err, "waiting for an INIT ACK"), hangUp
	}
	if o.verdict == pass {
		o.took = time.Since(begun)
	}
	return o, hangUp
}

// SCTP's packets (RFC 9260 section 3): the common header, then chunks.
const (
	sctpHeader, chunkHeader = 12, 4
	initValue               = 16
	chunkInit, chunkInitAck = 1, 2
	chunkAbort              = 6
)

// initiation is an INIT that waits for an answer. Whoever answers knows its tag.
type initiation struct {
	from, to uint16 // ports
	tag      uint32 // never 0
}

// packet is the INIT: one stream each way, and the least window there can be.
func (i initiation) packet() []byte {
	b := binary.BigEndian.AppendUint16(nil, i.from)
	b = binary.BigEndian.AppendUint16(b, i.to)
	b = append(b, make([]byte, 8)...) // verification tag 0, checksum
	b = append(b, chunkInit, 0, 0, chunkHeader+initValue)
	b = binary.BigEndian.AppendUint32(b, i.tag)
	b = binary.BigEndian.AppendUint32(b, 1500)
	b = append(b, 0, 1, 0, 1)
	b = binary.BigEndian.AppendUint32(b, i.tag) // the first TSN may be any
	binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// await reads until the answer comes. Every raw socket gets what comes from its peer, for others too.
func (i initiation) await(conn *net.IPConn) (outcome, error) {
	buf := make([]byte, 2048)
	for {
		n, _, err := conn.ReadFromIP(buf) // without the IP header
		if err != nil {
			return outcome{}, err
		}
		if o, ok := i.read(buf[:n]); ok {
			return o, nil
		}
	}
}

// read makes sense of a packet; false if it is no answer. Its checksum is not looked at: between virtual machines it is
// often left to a device that there is not, and the tag is proof enough.
func (i initiation) read(b []byte) (outcome, bool) {
	if len(b) < sctpHeader+chunkHeader || binary.BigEndian.Uint16(b) != i.to || binary.BigEndian.Uint16(b[2:]) != i.from ||
		binary.BigEndian.Uint32(b[4:]) != i.tag {
		return outcome{}, false
	}
	switch b[sctpHeader] {
	case chunkInitAck:
		return outcome{verdict: pass, what: "INIT ACK"}, true
	case chunkAbort:
		return failedFor("association refused"), true
	}
	return outcome{}, false
}
