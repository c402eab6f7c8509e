package ethdev

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/weirlb/weir/dpdk/internal/dpdktest"
	"github.com/weirlb/weir/dpdk/lcore"
	"github.com/weirlb/weir/fastpath/port"
)

// testFrame is an Ethernet frame of n bytes that no other number has. Its EtherType is one for
// experiments (IEEE 802.3), so that no kernel answers it.
func testFrame(n, number int) []byte {
	f := make([]byte, n)
	copy(f, []byte{0x02, 0, 0, 0, 0, 0x0b, 0x02, 0, 0, 0, 0, 0x0a, 0x88, 0xb5})
	for i := 14; i < n; i++ {
		f[i] = byte(i + number)
	}
	f[14], f[15] = byte(number>>8), byte(number)
	return f
}

func writePcap(t testing.TB, frames [][]byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "in.pcap")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := pcapgo.NewWriter(f)
	if err := w.WriteFileHeader(65535, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	for i, data := range frames {
		ci := gopacket.CaptureInfo{Timestamp: time.Unix(int64(i), 0), CaptureLength: len(data), Length: len(data)}
		if err := w.WritePacket(ci, data); err != nil {
			t.Fatal(err)
		}
	}
	return name
}

func readPcap(t testing.TB, name string) [][]byte {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var frames [][]byte
	for {
		data, _, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return frames
		}
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, data)
	}
}

func writePcapng(t *testing.T, frames [][]byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "in.pcapng")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := pcapgo.NewNgWriter(f, layers.LinkTypeEthernet)
	if err != nil {
		t.Fatal(err)
	}
	for i, data := range frames {
		ci := gopacket.CaptureInfo{Timestamp: time.Unix(int64(i), 0), CaptureLength: len(data), Length: len(data)}
		if err := w.WritePacket(ci, data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestPcapReadsAndWritesCaptures(t *testing.T) {
	in := [][]byte{testFrame(60, 1), testFrame(1514, 2), testFrame(100, 3)}
	for _, file := range []string{writePcap(t, in), writePcapng(t, in)} {
		t.Run(filepath.Ext(file), func(t *testing.T) {
			asWorker(t, lcore.AnyCore)
			out := filepath.Join(t.TempDir(), "out.pcap")
			d := device1(t, "%s,rx_pcap=%s,tx_pcap=%s", dpdktest.Name("net_pcap"), file, out)
			q := d.Queue(0)
			expect(t, q, in...)
			if more := take(q); len(more) > 0 {
				t.Errorf("%d frames follow the last", len(more))
			}
			send(t, q, testFrame(61, 4), testFrame(1514, 5))
			s, err := d.Stats()
			if want := (Stats{RxPackets: 3, RxBytes: 1674, TxPackets: 2, TxBytes: 1575}); err != nil || s != want {
				t.Errorf("counters %+v, %v, want %+v", s, err, want)
			}
			closeDevice(t, d)
			got := readPcap(t, out)
			if len(got) != 2 || string(got[0]) != string(testFrame(61, 4)) || string(got[1]) != string(testFrame(1514, 5)) {
				t.Errorf("%d frames were written", len(got))
			}
		})
	}
}

func TestPcapWithACaptureForEachQueue(t *testing.T) {
	asWorker(t, lcore.AnyCore)
	a, b := testFrame(60, 1), testFrame(61, 2)
	d := open(t, Config{Name: "p0", Workers: 2, Device: dpdktest.Name("net_pcap") + ",rx_pcap=" + writePcap(t, [][]byte{a}) + ",rx_pcap=" + writePcap(t, [][]byte{b})})[0]
	expect(t, d.Queue(0), a)
	expect(t, d.Queue(1), b)
}

func TestPcapThatRepeatsItsCapture(t *testing.T) {
	frames := numbered(700, 60)
	for _, file := range []string{writePcap(t, frames), writePcapng(t, frames)} {
		t.Run(filepath.Ext(file), func(t *testing.T) {
			asWorker(t, lcore.AnyCore)
			d := device1(t, "%s,rx_pcap=%s,infinite_rx=1", dpdktest.Name("net_pcap"), file)
			if n := d.Demand().Extra; n != len(frames) {
				t.Errorf("%d buffers are planned for the capture, want %d", n, len(frames))
			}
			next := 0
			for next < 3*len(frames) {
				for _, f := range take(d.Queue(0)) {
					if string(f) != string(frames[next%len(frames)]) {
						t.Fatalf("frame %d is another one", next)
					}
					next++
				}
			}
		})
	}
}

func TestBuffersForACaptureThatIsRepeated(t *testing.T) {
	for _, tc := range []struct {
		args string
		want int
	}{
		{"infinite_rx=1", 3},
		{"infinite_rx=2", 3},
		{"infinite_rx=0", 0},
		{"infinite_rx=no", 0},
		{"phy_mac=0", 0},
	} {
		d, err := parseDevice("net_pcap0,rx_pcap=" + writePcap(t, numbered(3, 60)) + "," + tc.args)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := d.preloaded(); err != nil || got != tc.want {
			t.Errorf("%s: %d, %v, want %d", tc.args, got, err, tc.want)
		}
	}
	cut := writePcap(t, numbered(3, 60))
	if err := os.Truncate(cut, 24+2*76+40); err != nil {
		t.Fatal(err)
	}
	if n, err := countPackets(cut); err != nil || n != 2 {
		t.Errorf("a capture cut short: %d packets, %v, want 2", n, err)
	}
}

// A frame over a buffer's size stays in several; the worker drops it, and none of them may leak.
func TestAFrameLargerThanABufferIsFlagged(t *testing.T) {
	asWorker(t, lcore.AnyCore)
	d := device1(t, "%s,rx_pcap=%s", dpdktest.Name("net_pcap"), writePcap(t, [][]byte{testFrame(60, 1), testFrame(5000, 2)}))
	q, b := d.Queue(0), d.Queue(0).Burst()
	q.Exchange(port.BurstSize)
	if b.NRX != 2 || b.RX[0].Flags != 0 || b.RX[1].Flags != port.Segmented {
		t.Errorf("%d frames, flags %#x and %#x", b.NRX, b.RX[0].Flags, b.RX[1].Flags)
	}
	discard(q, b.RX[:b.NRX]...)
}

func TestPcapOnAnInterface(t *testing.T) {
	asWorker(t, lcore.AnyCore)
	ours, theirs := dpdktest.Veth(t)
	d := device1(t, "%s,iface=%s", dpdktest.Name("net_pcap"), ours)
	wire, q := dpdktest.NewWire(t, theirs), d.Queue(0)
	in, out := testFrame(60, 1), testFrame(1514, 2)
	wire.Send(in)
	expect(t, q, in)
	send(t, q, out)
	wire.Expect(out)
	if got := take(q); len(got) > 0 {
		t.Errorf("%d of our own frames came back", len(got))
	}
}
