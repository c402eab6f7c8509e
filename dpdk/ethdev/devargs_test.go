package ethdev

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDeviceStrings(t *testing.T) {
	for _, tc := range []struct {
		in     string
		want   device
		string string // empty: the same as in
	}{
		{in: "0000:03:00.0", want: device{name: "0000:03:00.0", pci: true}},
		{in: "03:00.1", want: device{name: "0000:03:00.1", pci: true}, string: "0000:03:00.1"},
		{in: "0000:AF:1F.7,dev=1,x", want: device{name: "0000:af:1f.7", pci: true, args: []string{"dev=1", "x"}}, string: "0000:af:1f.7,dev=1,x"},
		{in: "net_null0", want: device{name: "net_null0", driver: "net_null"}},
		{in: "net_af_packet12,iface=eth1,qpairs=2", want: device{name: "net_af_packet12", driver: "net_af_packet", args: []string{"iface=eth1", "qpairs=2"}}},
		{in: "eth_af_packet0,iface=eth1", want: device{name: "eth_af_packet0", driver: "net_af_packet", args: []string{"iface=eth1"}}},
		{in: "virtio_user0,path=/dev/vhost-net", want: device{name: "virtio_user0", driver: "virtio_user", args: []string{"path=/dev/vhost-net"}}},
	} {
		t.Run(tc.in, func(t *testing.T) {
			got, err := parseDevice(tc.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(device{})); diff != "" {
				t.Errorf("device (-want +got):\n%s", diff)
			}
			if tc.string == "" {
				tc.string = tc.in
			}
			if got.String() != tc.string {
				t.Errorf("DPDK gets %q, want %q", got.String(), tc.string)
			}
		})
	}
}

func TestStringsThatAreNoDevices(t *testing.T) {
	for in, want := range map[string]string{
		"eth1":         `"eth1" is neither a PCI address nor a DPDK virtual device: for a network interface of the kernel write net_af_packet0,iface=eth1`,
		"0000:03:00":   `"0000:03:00" is neither a PCI address nor a DPDK virtual device: for a network interface of the kernel write net_af_packet0,iface=0000:03:00`,
		"0000:03:00.8": `"0000:03:00.8" is neither a PCI address nor a DPDK virtual device: for a network interface of the kernel write net_af_packet0,iface=0000:03:00.8`,
	} {
		if _, err := parseDevice(in); err == nil || err.Error() != want {
			t.Errorf("%q: error %v,\nwant %s", in, err, want)
		}
	}
}

func TestInterfacesUnderADevice(t *testing.T) {
	for in, want := range map[string][]netIf{
		"net_af_packet0,iface=eth1,qpairs=2":                {"eth1"},
		"eth_af_packet0,iface=eth1":                         {"eth1"},
		"net_af_xdp0,iface=eth1":                            {"eth1"},
		"net_pcap0,iface=eth1":                              {"eth1"},
		"net_pcap0,rx_iface_in=eth2,tx_iface=eth1":          {"eth1", "eth2"},
		"net_pcap0,rx_iface=eth1,tx_iface=eth1":             {"eth1"},
		"net_pcap0,rx_pcap=a.pcap,tx_pcap=b.pcap":           nil,
		"net_tap0,iface=dtap0":                              nil,
		"net_tap0,iface=dtap0,remote=eth1":                  {"eth1"},
		"net_vhost0,iface=/run/vhost.sock":                  nil,
		"net_virtio_user0,path=/dev/vhost-net,iface=virtio": nil,
	} {
		d, err := parseDevice(in)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, d.interfaces()); diff != "" {
			t.Errorf("%s: interfaces (-want +got):\n%s", in, diff)
		}
	}
}

func TestPCIDevicesOfPorts(t *testing.T) {
	got := PCI([]Config{
		{Device: "net_null0"}, {Device: "03:00.0,arg=1"}, {Device: "nonsense"}, {Device: "0000:03:00.1"},
	})
	if diff := cmp.Diff([]string{"0000:03:00.0,arg=1", "0000:03:00.1"}, got); diff != "" {
		t.Errorf("PCI devices (-want +got):\n%s", diff)
	}
	if got := PCI([]Config{{Device: "net_null0"}}); got != nil {
		t.Errorf("without any: %q", got)
	}
}

func TestArgumentsThatFollowFromAPortsSettings(t *testing.T) {
	for _, tc := range []struct {
		in     string
		queues int
		mtu    int
		want   string
	}{
		{"net_af_packet0,iface=a", 1, 9000, "net_af_packet0,iface=a,blocksz=36864,framesz=9216,framecnt=1024"},
		{"net_af_packet0,iface=a,framesz=16384,blocksz=16384", 1, 9000, "net_af_packet0,iface=a,framesz=16384,blocksz=16384"},
		{"net_af_packet0,iface=a", 1, 0, "net_af_packet0,iface=a,framecnt=1024"},
		{"net_af_packet0,iface=a", 4, 0, "net_af_packet0,iface=a,qpairs=4,framecnt=1024"},
		{"net_af_packet0,iface=a,qpairs=2", 4, 0, "net_af_packet0,iface=a,qpairs=2,framecnt=1024"},
		{"net_af_packet0,iface=a,framecnt=64", 1, 0, "net_af_packet0,iface=a,framecnt=64"},
		{"net_af_packet0,iface=a,blocksz=8192", 2, 0, "net_af_packet0,iface=a,blocksz=8192,qpairs=2"},
		{"net_af_packet0,iface=a,framesz=1024", 1, 0, "net_af_packet0,iface=a,framesz=1024"},
		{"net_null0", 4, 0, "net_null0"},
		{"0000:03:00.0", 4, 0, "0000:03:00.0"},
	} {
		d, err := parseDevice(tc.in)
		if err != nil {
			t.Fatal(err)
		}
		d.imply(tc.queues, 1024, max(tc.mtu, 1500))
		if d.String() != tc.want {
			t.Errorf("%s, %d queues: %s, want %s", tc.in, tc.queues, d.String(), tc.want)
		}
	}
}

func TestSettingsThatMakeNoSenseAreRefused(t *testing.T) {
	for _, tc := range []struct {
		cfg  Config
		want string // empty: accepted
	}{
		{Config{Workers: 1}, ""},
		{Config{Workers: 1, MTU: 1280, RxDescriptors: 1 << 15, TxDescriptors: 1}, ""},
		{Config{Workers: 1, MTU: 2026}, ""},
		{Config{}, "0 workers: there must be at least 1"},
		{Config{Workers: 1, Queues: -1}, "queues: -1 is negative"},
		{Config{Workers: 1, MTU: 1279}, "mtu: 1279 is not in 1280 to 9000"},
		{Config{Workers: 1, MTU: 9001}, "mtu: 9001 is not in 1280 to 9000"},
		{Config{Workers: 1, RxDescriptors: 1<<15 + 1}, "descriptors: 32769 and 1024 are not in 1 to 32768"},
		{Config{Workers: 1, TxDescriptors: -5}, "descriptors: 1024 and -5 are not in 1 to 32768"},
	} {
		got := ""
		if err := tc.cfg.withDefaults().validate(); err != nil {
			got = err.Error()
		}
		if got != tc.want {
			t.Errorf("%+v: error %q, want %q", tc.cfg, got, tc.want)
		}
	}
}

func TestLargestMTUOfADevice(t *testing.T) {
	for _, tc := range []struct{ mtu, frame, want int }{
		{0, 0, maxMTU},
		{1500, 0, 1500},
		{0, 1518, 1500}, // af_packet
		{9000, 1518, 1500},
		{1600, 9018, 1600},
		{65535, 65535, 65517},
	} {
		if got := mtuLimit(tc.mtu, tc.frame); got != tc.want {
			t.Errorf("MTU %d, frame %d: %d, want %d", tc.mtu, tc.frame, got, tc.want)
		}
	}
}
