package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/weirlb/weir/internal/netnstest"
)

func TestInnerPacket(t *testing.T) {
	outer := append([]byte{0x45}, make([]byte, 19)...)
	options := append([]byte{0x46}, make([]byte, 23)...)
	in4 := append([]byte{0x45}, make([]byte, 19)...)
	in6 := append([]byte{0x60}, make([]byte, 39)...)
	join := func(b ...[]byte) []byte { return bytes.Join(b, nil) }
	for name, c := range map[string]struct {
		tunnel   int
		in, want []byte
	}{
		"4in4":                      {0, join(outer, in4), in4},
		"4in4, outer options":       {0, join(options, in4), in4},
		"6in4":                      {1, join(outer, in6), in6},
		"4in6":                      {2, in4, in4},
		"6in6":                      {3, in6, in6},
		"another version than said": {0, join(outer, in6), nil},
		"empty":                     {0, nil, nil},
		"outer header only":         {0, outer, nil},
		"outer header length lies":  {0, join([]byte{0x4f}, outer[1:]), nil},
		"outer header length 0":     {0, join([]byte{0x40}, outer[1:], in4), nil},
		"inner header cut off":      {2, in4[:19], nil},
		"nothing in IPv6":           {3, nil, nil},
		"GRE":                       {5, join([]byte{0, 0, 0x86, 0xdd}, in6), in6},
		"GRE, key":                  {5, join([]byte{0x20, 0, 8, 0, 0, 0, 0, 7}, in4), in4},
		"GRE, wrong checksum":       {5, join([]byte{0x80, 0, 8, 0, 0, 0, 0, 0}, in4), nil},
		"GRE, right checksum":       {5, join([]byte{0x80, 0, 8, 0, 0x32, 0xff, 0, 0}, in4), in4},
		"GRE with a routing field":  {5, join([]byte{0x40, 0, 8, 0}, in4), nil},
		"GRE of MPLS":               {5, join([]byte{0, 0, 0x88, 0x47}, in4), nil},
		"GUE":                       {6, join([]byte{0, 41, 0, 0}, in6), in6},
		"GUE, variant 1":            {6, in4, nil},
		"GUE of GRE":                {6, join([]byte{0, 47, 0, 0}, in4), nil},
		"VXLAN":                     {8, join(headers["vxlan"], in4), in4},
		"VXLAN without VNI":         {8, join(make([]byte, 8), headers["vxlan"][8:], in4), nil},
		"VXLAN cut off":             {8, headers["vxlan"][:21], nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := tunnels[c.tunnel].inner(c.in)
			if ok != (c.want != nil) || ok && !bytes.Equal(got, c.want) {
				t.Errorf("%x, %v; want %x", got, ok, c.want)
			}
		})
	}
}

// isolated marks the child process that has a network namespace of its own.
const isolated = "WEIR_DECAP_ISOLATED"

// isolate runs the calling test again in a network namespace of its own. It returns true there.
func isolate(t *testing.T) bool {
	t.Helper()
	if os.Getenv(isolated) != "" {
		return true
	}
	netnstest.NeedRoot(t)
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), isolated+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

func TestKernelGetsWhatWasInside(t *testing.T) {
	if !isolate(t) {
		return
	}
	link(t, "lo", "192.0.2.1/32", "2001:db8::1/128")
	if err := netlink.LinkAdd(&netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "decap0"}, Mode: netlink.TUNTAP_MODE_TUN}); err != nil {
		t.Fatal(err)
	}
	link(t, "decap0")

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, "decap0") }()
	for _, tun := range tunnels {
		t.Run(tun.name, func(t *testing.T) { through(t, tun) })
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// link sets an interface up and gives it addresses.
func link(t *testing.T, name string, addresses ...string) {
	t.Helper()
	l, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(l); err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		addr, err := netlink.ParseAddr(a)
		if err != nil {
			t.Fatal(err)
		}
		addr.Flags = unix.IFA_F_NODAD
		if err := netlink.AddrAdd(l, addr); err != nil {
			t.Fatal(err)
		}
	}
}

// headers are what stands before an IPv4 packet in each kind of tunnel.
var headers = map[string][]byte{
	"gre": {0, 0, 8, 0}, "gue": {0, 4, 0, 0},
	"vxlan": append([]byte{8, 0, 0, 0, 0, 0, 100, 0}, 2, 0, 0, 0, 0x64, 1, 2, 0, 0, 0, 0, 1, 8, 0),
}

// through sends a datagram in a tunnel to this host until it arrives: the first ones may come before the tunnel's
// end listens.
func through(t *testing.T, tun tunnel) {
	from, to := net.ParseIP("198.51.100.7"), net.ParseIP("192.0.2.1")
	if strings.HasPrefix(tun.name, "6") {
		from, to = net.ParseIP("2001:db8:c::7"), net.ParseIP("2001:db8::1")
	}
	server, err := net.ListenUDP("udp", &net.UDPAddr{IP: to})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	outer, host := "ip4", "127.0.0.1"
	if tun.family == unix.AF_INET6 {
		outer, host = "ip6", "::1"
	}
	network, address := fmt.Sprintf("%s:%d", outer, tun.protocol), host
	if tun.port != 0 {
		network, address = "udp", net.JoinHostPort(host, strconv.Itoa(tun.port))
	}
	raw, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	want := "hello in " + tun.name
	b := append(headers[strings.TrimRight(tun.name, "46")], datagram(t, from, to, server.LocalAddr().(*net.UDPAddr).Port, want)...)
	buf := make([]byte, 100)
	for deadline := time.Now().Add(10 * time.Second); ; {
		if _, err := raw.Write(b); err != nil && !errors.Is(err, unix.ENOPROTOOPT) && !errors.Is(err, unix.ECONNREFUSED) {
			t.Fatal(err)
		}
		_ = server.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		n, client, err := server.ReadFromUDP(buf)
		if err == nil {
			if string(buf[:n]) != want || !client.IP.Equal(from) {
				t.Errorf("%q from %v", buf[:n], client)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing arrived")
		}
	}
}

func datagram(t *testing.T, from, to net.IP, port int, payload string) []byte {
	t.Helper()
	var ip gopacket.SerializableLayer
	udp := &layers.UDP{SrcPort: 4000, DstPort: layers.UDPPort(port)}
	var err error
	if from.To4() != nil {
		l := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: from, DstIP: to}
		ip, err = l, udp.SetNetworkLayerForChecksum(l)
	} else {
		l := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolUDP, SrcIP: from, DstIP: to}
		ip, err = l, udp.SetNetworkLayerForChecksum(l)
	}
	if err != nil {
		t.Fatal(err)
	}
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buf, opts, ip, udp, gopacket.Payload(payload)); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}
