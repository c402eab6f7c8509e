package preflight

import "testing"

const packetPort = "ports: [{name: wan, device: \"net_af_packet0,iface=eth1\", addresses: [203.0.113.2/24], tap: weir0}]"

func TestCapabilitiesThatAreMissing(t *testing.T) {
	none := tree{"proc/self/status": "Name:\tweir\nCapEff:\t0000000000000000"}
	testFindings(t, (*Machine).checkCapabilities, []finding{
		{name: "a NIC and a TAP", changes: none, want: []string{
			"wrong: this process lacks CAP_NET_ADMIN (network interfaces), CAP_IPC_LOCK (memory for DMA): run: sudo weir preflight -c weir.yaml"}},
		{name: "memory may be locked without", changes: none.and(tree{"proc/self/limits": "Max locked memory         unlimited            unlimited            bytes"}), want: []string{
			"wrong: this process lacks CAP_NET_ADMIN (network interfaces): run: sudo weir preflight -c weir.yaml"}},
		{name: "af_packet", changes: none, config: packetPort, want: []string{
			"wrong: this process lacks CAP_NET_ADMIN (network interfaces), CAP_NET_RAW (frames of the kernel's interfaces): run: sudo weir preflight -c weir.yaml"}},
		{name: "a device that needs none", changes: none, config: "ports: [{name: wan, device: net_null0, addresses: [203.0.113.2/24]}]"},
		{name: "no configuration", none: true, changes: none, want: []string{
			"warning: this process lacks CAP_NET_ADMIN (network interfaces), CAP_NET_RAW (frames of the kernel's interfaces), CAP_IPC_LOCK (memory for DMA): run: sudo weir preflight"}},
		{name: "just those", changes: tree{"proc/self/status": "CapEff:\t0000000000005000"}},
	})
}

func TestLimitsThatAreTooLow(t *testing.T) {
	testFindings(t, (*Machine).checkLimits, []finding{
		{name: "locked memory", changes: tree{"proc/self/status": "CapEff:\t0"}, want: []string{
			"wrong: 8 MB of memory may be locked, DMA needs 512 MB: run: ulimit -l unlimited"}},
		{name: "locked memory for rings", changes: tree{"proc/self/status": "CapEff:\t0", "proc/self/limits": "Max locked memory 65536 4194303 bytes"}, config: packetPort, want: []string{
			"wrong: 4095 KB of memory may be locked, the rings of net_af_packet need 4096 KB: run: ulimit -l 4096"}},
		{name: "locked memory for the rings of several large ports", changes: tree{"proc/self/status": "CapEff:\t0"}, config: `
dataplane: {cores: [1, 2, 3]}
ports:
  - {name: wan, device: "net_af_packet0,iface=eth1", mtu: 9000, queues: 2, addresses: [203.0.113.2/24]}
  - {name: lan, device: "net_af_packet1,iface=eth2,framesz=4096,blocksz=8192", addresses: [10.0.0.1/24]}
  - {name: sub, parent: lan, vlan: 7, addresses: [10.0.7.1/24]}`, want: []string{
			"wrong: 8192 KB of memory may be locked, the rings of net_af_packet need 49152 KB: run: ulimit -l 49152"}},
		{name: "locked memory for rings is there", changes: tree{"proc/self/status": "CapEff:\t0", "proc/self/limits": "Max locked memory 65536 4194304 bytes"}, config: packetPort},
		{name: "rings without a limit", changes: tree{"proc/self/limits": "Max locked memory 65536 65536 bytes"}, config: packetPort},
		{name: "open files", changes: tree{"proc/self/limits": "Max open files            64                   257                  files"}, want: []string{
			"warning: 257 files may be open, 258 are needed if every health check waits at one time: run: ulimit -Hn 258"}},
	})
}

func TestTAPThatIsMissing(t *testing.T) {
	const mend = ": run: modprobe tun && mkdir -p /dev/net && { [ -e /dev/net/tun ] || mknod -m 666 /dev/net/tun c 10 200; }"
	testFindings(t, (*Machine).checkTAP, []finding{
		{name: "no device file", changes: tree{"dev/net/tun": "gone"}, want: []string{
			"wrong: this kernel has no TAP interfaces: /dev/net/tun is missing" + mend}},
		{name: "no device file, no configuration", none: true, changes: tree{"dev/net/tun": "gone"}, want: []string{
			"warning: this kernel has no TAP interfaces: /dev/net/tun is missing" + mend}},
		{name: "not needed", changes: tree{"dev/net/tun": "gone"}, config: "ports: [{name: wan, device: net_null0, addresses: [203.0.113.2/24]}]"},
		{name: "the name is taken", changes: tree{"sys/class/net/weir0/ifindex": "7"}, want: []string{
			"warning: there is an interface weir0 already; if no Weir is running, it is in the way: run: ip link delete weir0"}},
	})
}

func TestInterfacesThatAreMissing(t *testing.T) {
	testFindings(t, (*Machine).checkInterfaces, []finding{
		{name: "no such interface", config: packetPort, changes: tree{"sys/class/net/eth1": "gone"}, want: []string{
			"wrong: port wan: there is no network interface eth1: plug it in, or name another in the port's device: mgmt0"}},
		{name: "it carries the default route", config: "ports: [{name: wan, device: \"net_pcap0,rx_iface=mgmt0,tx_iface=eth1\", addresses: [203.0.113.2/24]}]", want: []string{
			"warning: port wan: interface mgmt0 carries this machine's default route; Weir answers there too: give Weir an interface of its own"}},
		{name: "PCI devices have none"},
	})
}

func TestCPUsThatDPDKIsNotFor(t *testing.T) {
	testFindings(t, (*Machine).checkFlags, []finding{
		{name: "too old", changes: tree{"proc/cpuinfo": "vendor_id\t: GenuineIntel\nflags\t\t: fpu sse sse2 pni ssse3"}, want: []string{
			"wrong: the CPU lacks sse4_1, sse4_2, which DPDK is compiled for: take another machine, or let the virtual machine see the host's CPU (QEMU: -cpu host)"}},
		{name: "ARM", changes: tree{"proc/cpuinfo": "Features\t: fp asimd"}},
	})
}

func TestClockSourcesOtherThanTheCounter(t *testing.T) {
	const dir = "sys/devices/system/clocksource/clocksource0"
	testFindings(t, (*Machine).checkClock, []finding{
		{name: "the wrong one was chosen", changes: tree{dir + "/current_clocksource": "hpet"}, want: []string{
			"warning: clock source hpet, though the kernel trusts the CPU's own counter: asking for the time is slower: run: echo tsc > /" + dir + "/current_clocksource"}},
		{name: "the counter is not trusted", changes: tree{dir + "/current_clocksource": "acpi_pm", dir + "/available_clocksource": "acpi_pm"}, want: []string{
			`wrong: clock source acpi_pm: the kernel does not trust the CPU's counter, which Weir's timeouts go by: run: sed -i 's/^GRUB_CMDLINE_LINUX="/&tsc=reliable /' /etc/default/grub && update-grub && reboot`}},
		{name: "KVM's", changes: tree{dir + "/current_clocksource": "kvm-clock", dir + "/available_clocksource": "kvm-clock"}, want: []string{
			"warning: clock source kvm-clock, and the kernel does not trust the CPU's counter, which Weir's timeouts go by: it may change its pace when this virtual machine moves: give the virtual machine an invariant counter (QEMU: -cpu host,+invtsc)"}},
		{name: "ARM's", changes: tree{dir + "/current_clocksource": "arch_sys_counter"}},
		{name: "unknown", changes: tree{dir: "gone"}, want: []string{
			"warning: the kernel's clock source is unknown: run: dmesg | grep -i clocksource"}},
	})
}
