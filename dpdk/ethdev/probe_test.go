package ethdev

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/weirlb/weir/dpdk/internal/dpdktest"
	"github.com/weirlb/weir/dpdk/internal/rtelog"
)

// mustNotProbe probes a device that lacks something and returns the error without its beginning.
func mustNotProbe(t *testing.T, cfg Config) string {
	t.Helper()
	cfg.Name = "wan"
	cfg.Workers = max(cfg.Workers, 1)
	d, err := Probe(dpdktest.EAL(), cfg)
	if err == nil {
		closeDevice(t, d)
		t.Fatalf("%s was taken", cfg.Device)
	}
	prefix := fmt.Sprintf("port wan (device %s): ", cfg.Device)
	if got := err.Error(); len(got) > len(prefix) && got[:len(prefix)] == prefix {
		return got[len(prefix):]
	}
	t.Fatalf("error %q does not begin with %q", err, prefix)
	return ""
}

func TestADeviceThatIsNotToBeHad(t *testing.T) {
	ours, _ := dpdktest.Veth(t)
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("this is no capture\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	none := filepath.Join(dir, "none.pcap")
	for _, tc := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"an unknown driver", Config{Device: "net_foo_bar0"}, "DPDK has no driver net_foo_bar: see whether its name is right and its package (on Debian librte-net-foo-bar23) is installed"},
		{"a PCI device that is not there", Config{Device: "0000:fe:1f.7"}, "there is no such PCI device: see lspci -D"},
		{"an interface that is not there", Config{Device: "net_af_packet60,iface=nope"}, `there is no network interface "nope": see ip link`},
		{"no interface", Config{Device: "net_af_packet61"}, "net_af_packet needs one network interface of the kernel: write net_af_packet61,iface=eth1"},
		{"two interfaces", Config{Device: "net_af_packet62,iface=a,iface=b"}, "net_af_packet needs one network interface of the kernel: write net_af_packet62,iface=eth1"},
		{"an unknown argument", Config{Device: "net_null63,bogus=1"}, `the driver did not take the device with the arguments "bogus=1"`},
		{
			"an argument that makes no sense", Config{Device: "net_af_packet64,framecnt=64,qpairs=0,iface=" + ours},
			`the driver did not take the device with the arguments "framecnt=64,qpairs=0,iface=` + ours + `" (DPDK says: rte_eth_from_packet(): net_af_packet64: invalid qpairs value)`,
		},
		{"a capture that is not there", Config{Device: "net_pcap65,rx_pcap=" + none}, "the capture to read: open " + none + ": no such file or directory"},
		{
			"a file that is no capture", Config{Device: "net_pcap66,rx_pcap=" + text},
			`the driver did not take the device with the arguments "rx_pcap=` + text + `" (DPDK says: open_single_rx_pcap(): Couldn't open ` + text + ": unknown file format)",
		},
		{
			"a capture that can't be written", Config{Device: "net_pcap67,tx_pcap=" + dir + "/no/out.pcap"},
			`the driver did not take the device with the arguments "tx_pcap=` + dir + `/no/out.pcap" (DPDK says: open_single_tx_pcap(): Couldn't open ` + dir + "/no/out.pcap for writing)",
		},
		{
			"the name of an interface there is", Config{Device: "net_tap68,iface=" + ours},
			`the driver did not take the device with the arguments "iface=` + ours + `": invalid argument (DPDK says: eth_dev_tap_create(): Unable to create TAP interface)`,
		},
		{"a driver of another kind", Config{Device: "crypto_null69"}, "DPDK has the device, but it is no network device"},
		{"an MTU that is too large for all", Config{Device: "net_null70", MTU: 9001}, "mtu: 9001 is not in 1280 to 9000"},
		{"an MTU that is too large for the device", Config{Device: "net_tap71", MTU: 1600}, "mtu: 1600 is more than the device takes: set it to 1504 or less"},
		{
			"more of the kernel's queues than are polled", Config{Device: "net_af_packet72,qpairs=3,iface=" + ours, Workers: 2},
			"qpairs=3 makes the kernel spread frames over 3 queues, but only 2 are polled: lower qpairs, or raise the number of cores or queues",
		},
		{"no device at all", Config{Device: "eth1"}, `"eth1" is neither a PCI address nor a DPDK virtual device: for a network interface of the kernel write net_af_packet0,iface=eth1`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for range 2 { // what was taken on the way is given back
				if got := mustNotProbe(t, tc.cfg); got != tc.want {
					t.Errorf("error %s,\nwant  %s", got, tc.want)
				}
			}
		})
	}
	// What was refused is free for the next.
	d := open(t, Config{Name: "wan", Device: "net_af_packet72,iface=" + ours, Workers: 2})[0]
	if rx, tx := d.Queues(); rx != 2 || tx != 2 {
		t.Errorf("%d and %d queues, want 2 and 2", rx, tx)
	}
}

func TestADeviceForTwoPorts(t *testing.T) {
	ours, _ := dpdktest.Veth(t)
	null, packet := dpdktest.Name("net_null"), dpdktest.Name("net_af_packet")
	device1(t, "%s", null)
	first := device1(t, "%s,iface=%s", packet, ours)
	got := mustNotProbe(t, Config{Device: null})
	if want := "another port has the device: a virtual device can be had once more under another number, such as net_tap1 beside net_tap0"; got != want {
		t.Errorf("error %s,\nwant  %s", got, want)
	}
	again := Config{Device: fmt.Sprintf("%s,iface=%s", dpdktest.Name("net_pcap"), ours)}
	got = mustNotProbe(t, again)
	if want := "another port has the interface " + ours + ": each port needs one of its own"; got != want {
		t.Errorf("error %s,\nwant  %s", got, want)
	}
	closeDevice(t, first)
	again.Name = "wan"
	open(t, again)
}

func TestADeviceThatDoesNotStart(t *testing.T) {
	ours, _ := dpdktest.Veth(t)
	cfg := Config{Name: "wan", Device: fmt.Sprintf("%s,iface=%s,blocksz=4096,framesz=4096", dpdktest.Name("net_af_packet"), ours), Workers: 1}
	d, err := Probe(dpdktest.EAL(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	err = d.Start(newPool(t, d.Demand().Buffers()), true)
	wantError(t, err, fmt.Sprintf("port wan (device %s): setting up receive queue 0: cannot allocate memory (DPDK says: eth_rx_queue_setup(): %s: 4064 bytes will not fit in mbuf (2048 bytes))",
		cfg.Device, d.device.name))
	closeDevice(t, d)
}

// A driver's own threads log at any time. What they log is not why an operation in another thread
// failed.
func TestOtherThreadsDoNotLogIntoAnOperation(t *testing.T) {
	var logged []string
	lines := rtelog.Record(func() {
		done := make(chan struct{})
		go func() {
			defer close(done)
			noSuch := Device{id: 9999}
			noSuch.Link()
			for _, l := range rtelog.Lines() {
				logged = append(logged, l.Text)
			}
		}()
		<-done
	})
	if len(logged) == 0 || logged[len(logged)-1] != "Invalid port_id=9999" {
		t.Fatalf("asking for no device's link logged %q: the test tests nothing", logged)
	}
	if len(lines) > 0 {
		t.Errorf("recorded: %v", lines)
	}
}
