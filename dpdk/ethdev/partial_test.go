package ethdev

import (
	"encoding/binary"
	"hash/crc32"
	"net"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/weirlb/weir/dpdk/internal/dpdktest"
)

// station gives an interface an address, and its kernel a neighbour there.
func station(t *testing.T, name string) (neighbor net.IP) {
	t.Helper()
	l, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.AddrAdd(l, &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(192, 0, 2, 1), Mask: net.CIDRMask(24, 32)}}); err != nil {
		t.Fatal(err)
	}
	neighbor = net.IPv4(192, 0, 2, 2)
	if err := netlink.NeighAdd(&netlink.Neigh{LinkIndex: l.Attrs().Index, State: netlink.NUD_PERMANENT, IP: neighbor, HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	return neighbor
}

// A local stack at the other end of a veth pair leaves checksums to a device that there is not. The
// driver does not tell (TP_STATUS_CSUMNOTREADY); the exchange finds out, and completes them.
func TestChecksumsThatAVethEndLeavesUndoneAreCompleted(t *testing.T) {
	for _, driver := range []string{"net_af_packet", "net_pcap"} {
		t.Run(driver, func(t *testing.T) { completesChecksums(t, driver) })
	}
}

func completesChecksums(t *testing.T, driver string) {
	ours, theirs := dpdktest.Veth(t)
	d := device1(t, "%s,iface=%s", dpdktest.Name(driver), ours)
	peer := station(t, theirs)
	conn, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: peer, Port: 4000})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, complete := range []bool{false, true} {
		if complete {
			setFeatures(t, theirs, map[string]bool{"tx-checksum-ip-generic": false})
		}
		if _, err := conn.Write([]byte("twelve bytes")); err != nil {
			t.Fatal(err)
		}
		var got [][]byte
		dpdktest.Until(t, "the datagram arrives", func() bool {
			// What the kernel of the other end sends of its own accord is no UDP over IPv4.
			got = slices.DeleteFunc(take(d.Queue(0)), func(f []byte) bool { return len(f) < 24 || f[12] != 8 || f[23] != 17 })
			return len(got) > 0
		})
		if len(got) != 1 || !checksumIsRight(got[0]) {
			t.Errorf("complete on arrival %v: %d frames, checksum right: %v", complete, len(got), checksumIsRight(got[0]))
		}
	}
}

// SCTP's CRC32c is left at 0.
func TestCRCsThatAVethEndLeavesUndoneAreCompleted(t *testing.T) {
	d, _, theirs := onVeth(t, Config{}, "")
	wire, q := dpdktest.NewWire(t, theirs), d.Queue(0)
	for _, tagged := range []bool{false, true} {
		for _, payload := range []int{16, 17, 1000} {
			frame := udp(t, "198.51.100.7:1024", "203.0.113.10:80", payload, nil)
			const ip, l4 = 14, 34
			frame[ip+9] = 132
			binary.BigEndian.PutUint32(frame[l4+8:], 0)
			want := slices.Clone(frame)
			binary.LittleEndian.PutUint32(want[l4+8:], crc32.Checksum(frame[l4:l4+8+payload], crc32.MakeTable(crc32.Castagnoli)))
			damaged := slices.Clone(want)
			damaged[l4+8] ^= 1
			for sent, comes := range map[*[]byte][]byte{&frame: want, &want: want, &damaged: damaged} {
				if tagged {
					wire.Send(vlan(*sent, 42))
					expect(t, q, vlan(comes, 42))
				} else {
					wire.Send(*sent)
					expect(t, q, comes)
				}
			}
		}
	}
}

// A checksum of 0 is written so in TCP, and with all bits set in UDP, where 0 is none.
func TestCompletedChecksumsOfZero(t *testing.T) {
	d, _, theirs := onVeth(t, Config{}, "")
	wire, q := dpdktest.NewWire(t, theirs), d.Queue(0)
	for _, c := range []struct {
		proto byte
		field int // in the L4 header
		zero  uint16
	}{{6, 16, 0}, {17, 6, 0xffff}} {
		frame := udp(t, "198.51.100.7:1024", "203.0.113.10:80", 32, nil)
		const ip, l4 = 14, 34
		frame[ip+9] = c.proto
		l := frame[l4 : l4+40]
		pseudo := ones(frame[ip+12:ip+20], uint32(c.proto)+uint32(len(l)))
		binary.BigEndian.PutUint16(l[c.field:], pseudo)
		binary.BigEndian.PutUint16(l[24:], 0)
		binary.BigEndian.PutUint16(l[24:], 0xffff-ones(l, 0))
		want := slices.Clone(frame)
		binary.BigEndian.PutUint16(want[l4+c.field:], c.zero)
		wire.Send(frame)
		expect(t, q, want)
	}
}

// ones is the ones' complement sum of words, and of more.
func ones(b []byte, more uint32) uint16 {
	for ; len(b) > 1; b = b[2:] {
		more += uint32(binary.BigEndian.Uint16(b))
	}
	for more > 0xffff {
		more = more>>16 + more&0xffff
	}
	return uint16(more)
}
