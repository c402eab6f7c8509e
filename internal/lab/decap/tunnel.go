package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// tunnel is one way to wrap IP in IP.
type tunnel struct {
	name     string
	family   int // of the outer header
	protocol int // what the outer header says is inside
	version  byte
}

// tunnels are those that Weir makes. While a raw socket listens for a protocol, the kernel does not answer it with
// "protocol unreachable".
var tunnels = []tunnel{
	{"4in4", unix.AF_INET, unix.IPPROTO_IPIP, 4},
	{"6in4", unix.AF_INET, unix.IPPROTO_IPV6, 6},
	{"4in6", unix.AF_INET6, unix.IPPROTO_IPIP, 4},
	{"6in6", unix.AF_INET6, unix.IPPROTO_IPV6, 6},
}

// receiveBuffer holds what comes in a burst, in bytes.
const receiveBuffer = 4 << 20

func (t tunnel) open() (*os.File, error) {
	fd, err := unix.Socket(t.family, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, t.protocol)
	if err != nil {
		return nil, fmt.Errorf("opening a raw socket for %s (root?): %w", t.name, err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("enlarging the receive buffer for %s: %w", t.name, err)
	}
	return os.NewFile(uintptr(fd), t.name), nil
}

// inner is the packet inside what the socket delivered: IPv4 raw sockets deliver the outer header too (raw(7)), IPv6 ones
// what comes after it (RFC 3542 section 3).
func (t tunnel) inner(b []byte) ([]byte, bool) {
	if t.family == unix.AF_INET {
		if len(b) < 20 {
			return nil, false
		}
		header := int(b[0]&15) * 4
		if header < 20 || header > len(b) {
			return nil, false
		}
		b = b[header:]
	}
	return b, len(b) >= 20 && b[0]>>4 == t.version
}
