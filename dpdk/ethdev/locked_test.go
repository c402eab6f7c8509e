package ethdev

import (
	"testing"
	"testing/fstest"
)

func TestRingsOfAFPacket(t *testing.T) {
	for in, want := range map[string]uint64{
		"net_af_packet0,iface=a":                                         2 * 512 * 2048,
		"net_af_packet0,iface=a,framecnt=1024,qpairs=3":                  2 * 3 * 1024 * 2048,
		"net_af_packet0,iface=a,blocksz=36864,framesz=9216,framecnt=256": 2 * 256 * 9216,
		"net_af_packet0,iface=a,framesz=0":                               0,
		"net_af_packet0,iface=a,framesz=many":                            0,
		"net_af_packet0,iface=a,framesz=8192":                            0, // larger than a block
		"net_pcap0,iface=a":                                              0,
	} {
		d, err := parseDevice(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.rings(); got != want {
			t.Errorf("%s: %d bytes, want %d", in, got, want)
		}
	}
}

func TestMoreLockedMemoryThanTheLimitIsToldWithTheValueToSet(t *testing.T) {
	const mb = 1 << 20
	for _, fits := range [][3]uint64{{4 * mb, 0, 4 * mb}, {4 * mb, 4 * mb, 8 * mb}, {mb, 0, ^uint64(0)}} {
		if err := tooMuchLocked(fits[0], fits[1], fits[2]); err != nil {
			t.Errorf("%v: %v", fits, err)
		}
	}
	wantError(t, tooMuchLocked(4*mb, 4*mb, 8*mb-1), "its rings take 4096 KB of locked memory, and this process has locked 4096 of the 8191 KB that it may (RLIMIT_MEMLOCK): "+
		"raise that to 8192 KB or more, with ulimit -l 8192 or systemd's LimitMEMLOCK=8192K, or give Weir CAP_IPC_LOCK; or lower rx_descriptors and tx_descriptors")
}

func TestLockedMemoryIsRead(t *testing.T) {
	for status, want := range map[string]uint64{
		"VmPeak:\t  9 kB\nVmLck:\t    4096 kB\nVmPin: 0 kB\n": 4096 << 10,
		"Name: weir\n":      0,
		"VmLck:\t a lot\n":  0,
		"VmLck:\t 12 pages": 0,
	} {
		if got := locked(fstest.MapFS{"proc/self/status": {Data: []byte(status)}}); got != want {
			t.Errorf("%q: %d, want %d", status, got, want)
		}
	}
	if got := locked(fstest.MapFS{}); got != 0 {
		t.Errorf("without the file: %d", got)
	}
}
