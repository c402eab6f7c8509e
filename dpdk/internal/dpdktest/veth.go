package dpdktest

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Patience is how long a test waits for what should happen soon.
const Patience = 10 * time.Second

// Until waits until something is so, doing it again and again.
func Until(t testing.TB, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(Patience); !so(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", Patience, what)
		}
	}
}

// Veth makes a pair of connected network interfaces, both up, and removes them with the test. The
// package's tests must be isolated.
func Veth(t testing.TB) (ours, theirs string) {
	t.Helper()
	n := names.Add(1)
	ours, theirs = fmt.Sprintf("o%d", n), fmt.Sprintf("t%d", n)
	link := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: ours}, PeerName: theirs}
	if err := netlink.LinkAdd(link); err != nil {
		t.Fatalf("making a veth pair: %v", err)
	}
	t.Cleanup(func() {
		if err := netlink.LinkDel(link); err != nil {
			t.Errorf("removing a veth pair: %v", err)
		}
	})
	for _, name := range []string{ours, theirs} {
		SetUp(t, name, true)
	}
	return ours, theirs
}

// SetUp sets a network interface up or down.
func SetUp(t testing.TB, name string, up bool) {
	t.Helper()
	link, err := netlink.LinkByName(name)
	if err == nil && up {
		err = netlink.LinkSetUp(link)
	} else if err == nil {
		err = netlink.LinkSetDown(link)
	}
	if err != nil {
		t.Fatalf("setting %s up or down: %v", name, err)
	}
}

// Wire is a network interface as a raw socket sees it: the far end of a device under test.
type Wire struct {
	t  testing.TB
	fd int
}

// NewWire opens a network interface. It is closed with the test.
func NewWire(t testing.TB, name string) *Wire {
	t.Helper()
	iface, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	all := uint16(unix.ETH_P_ALL)<<8 | uint16(unix.ETH_P_ALL)>>8 // in network byte order
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: iface.Index}); err != nil {
		t.Fatal(err)
	}
	// Kernels before 4.20 do not know the option: what the wire sends would come back.
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20); err != nil {
		t.Fatal(err)
	}
	return &Wire{t: t, fd: fd}
}

// Send puts a frame on the wire.
func (w *Wire) Send(frame []byte) {
	w.t.Helper()
	if _, err := unix.Write(w.fd, frame); err != nil {
		w.t.Fatalf("sending a frame of %d bytes: %v", len(frame), err)
	}
}

// Receive takes a frame off the wire if there is one.
func (w *Wire) Receive() (frame []byte, ok bool) {
	w.t.Helper()
	buf, control := make([]byte, 1<<16), make([]byte, unix.CmsgSpace(int(unsafe.Sizeof(auxdata{}))))
	n, nc, _, _, err := unix.Recvmsg(w.fd, buf, control, unix.MSG_DONTWAIT)
	if err == unix.EAGAIN {
		return nil, false
	}
	if err != nil {
		w.t.Fatalf("receiving a frame: %v", err)
	}
	return tagged(buf[:n], control[:nc]), true
}

// auxdata is struct tpacket_auxdata of linux/if_packet.h.
type auxdata struct {
	Status, Len, Snaplen    uint32
	Mac, Net, VLAN, VLANTag uint16
}

// tagged puts the VLAN tag that the kernel took out of a frame back in.
func tagged(frame, control []byte) []byte {
	const vlanValid = 1 << 4 // TP_STATUS_VLAN_VALID
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return frame
	}
	for _, m := range messages {
		if m.Header.Level != unix.SOL_PACKET || m.Header.Type != unix.PACKET_AUXDATA {
			continue
		}
		if a := (*auxdata)(unsafe.Pointer(&m.Data[0])); a.Status&vlanValid != 0 {
			return slices.Insert(frame, 12, 0x81, 0, byte(a.VLAN>>8), byte(a.VLAN))
		}
	}
	return frame
}

// Expect waits for a frame, passing over others.
func (w *Wire) Expect(want []byte) {
	w.t.Helper()
	Until(w.t, fmt.Sprintf("a frame of %d bytes arrives", len(want)), func() bool {
		got, ok := w.Receive()
		return ok && bytes.Equal(got, want)
	})
}
