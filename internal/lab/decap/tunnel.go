package main

import (
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// tunnel is one way to wrap IP.
type tunnel struct {
	name     string
	family   int // of the outer header
	protocol int // what the outer header says is inside
	port     int // of UDP
	strip    func(b []byte) ([]byte, bool)
}

// The ports of GUE and VXLAN.
const (
	guePort   = 6080
	vxlanPort = 4789
)

// tunnels are those that Weir makes. While a raw socket listens for a protocol, the kernel does not answer it with
// "protocol unreachable".
var tunnels = []tunnel{
	{"4in4", unix.AF_INET, unix.IPPROTO_IPIP, 0, ofVersion(4)},
	{"6in4", unix.AF_INET, unix.IPPROTO_IPV6, 0, ofVersion(6)},
	{"4in6", unix.AF_INET6, unix.IPPROTO_IPIP, 0, ofVersion(4)},
	{"6in6", unix.AF_INET6, unix.IPPROTO_IPV6, 0, ofVersion(6)},
	{"gre4", unix.AF_INET, unix.IPPROTO_GRE, 0, stripGRE},
	{"gre6", unix.AF_INET6, unix.IPPROTO_GRE, 0, stripGRE},
	{"gue4", unix.AF_INET, unix.IPPROTO_UDP, guePort, stripGUE},
	{"gue6", unix.AF_INET6, unix.IPPROTO_UDP, guePort, stripGUE},
	{"vxlan4", unix.AF_INET, unix.IPPROTO_UDP, vxlanPort, stripVXLAN},
	{"vxlan6", unix.AF_INET6, unix.IPPROTO_UDP, vxlanPort, stripVXLAN},
}

// receiveBuffer holds what comes in a burst, in bytes.
const receiveBuffer = 4 << 20

func (t tunnel) open() (*os.File, error) {
	kind, protocol := unix.SOCK_RAW, t.protocol
	if t.port != 0 {
		kind, protocol = unix.SOCK_DGRAM, 0
	}
	fd, err := unix.Socket(t.family, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return nil, fmt.Errorf("opening a socket for %s (root?): %w", t.name, err)
	}
	if err := t.bind(fd); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), t.name), nil
}

func (t tunnel) bind(fd int) (err error) {
	switch {
	case t.port == 0:
	case t.family == unix.AF_INET:
		err = unix.Bind(fd, &unix.SockaddrInet4{Port: t.port})
	default:
		if err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err == nil {
			err = unix.Bind(fd, &unix.SockaddrInet6{Port: t.port})
		}
	}
	if err != nil {
		return fmt.Errorf("binding to UDP port %d for %s: %w", t.port, t.name, err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer); err != nil {
		return fmt.Errorf("enlarging the receive buffer for %s: %w", t.name, err)
	}
	return nil
}

// inner is the packet inside what the socket delivered: IPv4 raw sockets deliver the outer header too (raw(7)), IPv6 ones
// what comes after it (RFC 3542 section 3), UDP ones what comes after theirs.
func (t tunnel) inner(b []byte) ([]byte, bool) {
	if t.family == unix.AF_INET && t.port == 0 {
		if len(b) < 20 {
			return nil, false
		}
		header := int(b[0]&15) * 4
		if header < 20 || header > len(b) {
			return nil, false
		}
		b = b[header:]
	}
	return t.strip(b)
}

func ofVersion(v byte) func(b []byte) ([]byte, bool) {
	return func(b []byte) ([]byte, bool) { return b, len(b) >= 20 && b[0]>>4 == v }
}

// ofEther is an IP packet by what an EtherType says of it.
func ofEther(ether uint16, b []byte) ([]byte, bool) {
	switch ether {
	case 0x0800:
		return ofVersion(4)(b)
	case 0x86dd:
		return ofVersion(6)(b)
	}
	return nil, false
}

// stripGRE takes off a GRE header, whose checksum, if it has one, must be right (RFC 2784, RFC 2890).
func stripGRE(b []byte) ([]byte, bool) {
	if len(b) < 4 {
		return nil, false
	}
	flags, at := binary.BigEndian.Uint16(b), 4
	if flags&0x5fff != 0 || flags&0x8000 != 0 && sum(b) != 0xffff {
		return nil, false
	}
	for _, field := range []uint16{0x8000, 0x2000} {
		if flags&field != 0 {
			at += 4
		}
	}
	if len(b) < at {
		return nil, false
	}
	return ofEther(binary.BigEndian.Uint16(b[2:]), b[at:])
}

func sum(b []byte) uint32 {
	var s uint32
	for i := 0; i < len(b); i += 2 {
		w := uint32(b[i]) << 8
		if i+1 < len(b) {
			w |= uint32(b[i+1])
		}
		s += w
		s = s>>16 + s&0xffff
	}
	return s
}

// stripGUE takes off a GUE header of variant 0 without options, as Linux's fou has it.
func stripGUE(b []byte) ([]byte, bool) {
	if len(b) < 4 || b[0] != 0 {
		return nil, false
	}
	switch b[1] {
	case unix.IPPROTO_IPIP:
		return ofVersion(4)(b[4:])
	case unix.IPPROTO_IPV6:
		return ofVersion(6)(b[4:])
	}
	return nil, false
}

// stripVXLAN takes off a VXLAN header, of any VNI, and the Ethernet header inside.
func stripVXLAN(b []byte) ([]byte, bool) {
	if len(b) < 22 || b[0]&8 == 0 {
		return nil, false
	}
	return ofEther(binary.BigEndian.Uint16(b[20:]), b[22:])
}
