package ethdev

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf/link"
	"github.com/safchain/ethtool"
	"golang.org/x/sys/unix"

	"github.com/weirlb/weir/dpdk/internal/dpdktest"
	"github.com/weirlb/weir/fastpath/port"
)

func ethtoolOf(t *testing.T) *ethtool.Ethtool {
	t.Helper()
	kernel, err := ethtool.NewEthtool()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kernel.Close)
	return kernel
}

func setFeatures(t *testing.T, name string, set map[string]bool) {
	t.Helper()
	if err := ethtoolOf(t).Change(name, set); err != nil {
		t.Fatal(err)
	}
}

func expectFeature(t *testing.T, name, feature string, want bool) {
	t.Helper()
	if on, err := ethtoolOf(t).Features(name); err != nil || on[feature] != want {
		t.Errorf("%s has %s %v, %v, want %v", name, feature, on[feature], err, want)
	}
}

func TestReceiveMergingIsOffWhileADeviceUsesAnInterface(t *testing.T) {
	for _, before := range []bool{false, true} {
		t.Run(fmt.Sprint("GRO ", before), func(t *testing.T) {
			ours, _ := dpdktest.Veth(t)
			setFeatures(t, ours, map[string]bool{"rx-gro": before})
			expectFeature(t, ours, "rx-gro", before)
			d := device1(t, "%s,iface=%s", dpdktest.Name("net_af_packet"), ours)
			expectFeature(t, ours, "rx-gro", false)
			if slices.Contains(d.Changed(), "gro off") != before {
				t.Errorf("changed: %v", d.Changed())
			}
			closeDevice(t, d)
			expectFeature(t, ours, "rx-gro", before)
		})
	}
}

// The other end of a veth pair must split what it sends while a device uses this one, and may leave it undone again afterwards.
func TestTheOtherEndOfAVethSplitsItsFrames(t *testing.T) {
	for _, mtu := range []int{1500, 9000} {
		t.Run(fmt.Sprint(mtu), func(t *testing.T) {
			ours, theirs := dpdktest.Veth(t)
			if err := netIf(theirs).setMTU(uint32(mtu)); err != nil {
				t.Fatal(err)
			}
			d := open(t, Config{Device: fmt.Sprintf("%s,iface=%s", dpdktest.Name("net_af_packet"), ours), MTU: mtu})[0]
			if !slices.Contains(d.Changed(), "xdp") || d.Caveats() != nil {
				t.Errorf("changed %v, caveats %v", d.Changed(), d.Caveats())
			}
			for _, f := range []string{"tx-tcp-segmentation", "tx-udp-segmentation", "tx-sctp-segmentation"} {
				expectFeature(t, theirs, f, false)
			}
			closeDevice(t, d)
			expectFeature(t, theirs, "tx-tcp-segmentation", true)
			if x := attrs(t, ours).Xdp; x != nil && x.Attached {
				t.Error("the program is still there")
			}
		})
	}
}

// A datagram of several segments (UDP_SEGMENT), as a QUIC server sends them, comes as that many frames: a veth's other end must
// split it, and a TAP of DPDK's has the kernel do so.
func TestUnsplitDatagramsComeSplit(t *testing.T) {
	t.Run("veth", func(t *testing.T) {
		d, _, theirs := onVeth(t, Config{}, "")
		comesSplit(t, d, theirs)
	})
	t.Run("TAP", func(t *testing.T) {
		d, _, name := onTAP(t, Config{})
		comesSplit(t, d, name)
	})
}

func comesSplit(t *testing.T, d *Device, sender string) {
	const size, pieces = 1000, 20
	conn, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: station(t, sender), Port: 4000})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, size) }); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(make([]byte, size*pieces)); err != nil {
		t.Fatal(err)
	}
	var got [][]byte
	dpdktest.Until(t, "all pieces arrive", func() bool {
		got = append(got, take(d.Queue(0))...)
		return len(got) >= pieces
	})
	for i, f := range got {
		if len(f) != 14+20+8+size || !checksumIsRight(f) {
			t.Errorf("frame %d has %d bytes, its checksum is right: %v", i, len(f), checksumIsRight(f))
		}
	}
}

// Somebody else's program stays, and has the same effect.
func TestAProgramThatIsAttachedAlreadyStays(t *testing.T) {
	ours, theirs := dpdktest.Veth(t)
	other, err := attach(attrs(t, ours).Index, "other", link.XDPDriverMode)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	d := device1(t, "%s,iface=%s", dpdktest.Name("net_af_packet"), ours)
	if slices.Contains(d.Changed(), "xdp") || d.Caveats() != nil {
		t.Errorf("changed %v, caveats %v", d.Changed(), d.Caveats())
	}
	closeDevice(t, d)
	expectFeature(t, theirs, "tx-tcp-segmentation", false)
}

// A program in the generic mode is in the way, and does not help.
func TestAProgramInTheWayIsACaveat(t *testing.T) {
	ours, theirs := dpdktest.Veth(t)
	other, err := attach(attrs(t, ours).Index, "other", link.XDPGenericMode)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	d := device1(t, "%s,iface=%s", dpdktest.Name("net_af_packet"), ours)
	if slices.Contains(d.Changed(), "xdp") || len(d.Caveats()) != 1 {
		t.Fatalf("changed %v, caveats %v", d.Changed(), d.Caveats())
	}
	for _, part := range []string{"the veth " + ours + " ", "XDP's generic mode", "dropped as truncated", "ethtool -K IFACE tso off"} {
		if told := d.Caveats()[0].Error(); !strings.Contains(told, part) {
			t.Errorf("%q is not in %q", part, told)
		}
	}
	expectFeature(t, theirs, "tx-tcp-segmentation", true)
}

func TestRefusalsToAttachAreExplained(t *testing.T) {
	for err, want := range map[error]string{
		unix.EPERM:  "CAP_BPF",
		unix.ENOSPC: "ethtool -L",
		unix.ERANGE: "MTU",
		unix.EEXIST: "generic mode",
		unix.EINVAL: unix.EINVAL.Error(),
	} {
		if got := hint(fmt.Errorf("load program: %w", err)); !errors.Is(got, err) || !strings.Contains(got.Error(), want) {
			t.Errorf("%v: %v", err, got)
		}
	}
}

// VLAN tags of either kind come through the program as they did without it.
func TestTagsComeThroughTheProgram(t *testing.T) {
	d, _, theirs := onVeth(t, Config{VLANs: true}, "")
	wire, q := dpdktest.NewWire(t, theirs), d.Queue(0)
	inner := vlan(testFrame(100, 1), 7)
	for _, provider := range []bool{false, true} {
		frame := vlan(inner, 42)
		if provider {
			frame[12], frame[13] = 0x88, 0xa8
		}
		wire.Send(frame)
		b := q.Burst()
		dpdktest.Until(t, "the frame arrives", func() bool { q.Exchange(port.BurstSize); return b.NRX > 0 })
		f := b.RX[0]
		if f.Flags != port.VLANStripped || f.Hash&0xfff != 42 || int(f.Len) != len(inner) {
			t.Errorf("802.1ad %v: flags %x, hash %x, %d bytes", provider, f.Flags, f.Hash, f.Len)
		}
		b.Free[0], b.NFree = f.Buf, 1
		q.Exchange(0)
	}
}

// Another Weir that had the interface first, as one that is about to end while its successor starts, takes neither the program
// nor the splitting with it.
func TestAProgramOfAnotherWeirStaysWhenThatEnds(t *testing.T) {
	ours, theirs := dpdktest.Veth(t)
	setFeatures(t, ours, map[string]bool{"rx-gro": true})
	first := &Device{driver: "net_af_packet"}
	first.takeWireSized(netIf(ours))
	expectFeature(t, theirs, "tx-tcp-segmentation", false)
	second := device1(t, "%s,iface=%s", dpdktest.Name("net_af_packet"), ours)
	if !slices.Contains(second.Changed(), "xdp") || second.Caveats() != nil {
		t.Errorf("changed %v, caveats %v", second.Changed(), second.Caveats())
	}
	for _, undo := range slices.Backward(first.undo) {
		undo()
	}
	expectFeature(t, theirs, "tx-tcp-segmentation", false)
	expectFeature(t, ours, "rx-gro", false)
	closeDevice(t, second)
	expectFeature(t, theirs, "tx-tcp-segmentation", true)
}
