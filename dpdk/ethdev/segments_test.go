package ethdev

import (
	"bytes"
	"testing"

	"github.com/weirlb/weir/dpdk/internal/dpdktest"
	"github.com/weirlb/weir/dpdk/lcore"
	"github.com/weirlb/weir/fastpath/port"
)

// split cuts a frame into segments of the sizes, and one of what is left.
func split(frame []byte, sizes ...int) (segments [][]byte) {
	for _, n := range sizes {
		segments, frame = append(segments, frame[:n]), frame[n:]
	}
	return append(segments, frame)
}

func TestAFrameInSeveralBuffersIsMadeOne(t *testing.T) {
	for _, tc := range []struct {
		name     string
		mtu      int
		length   int
		sizes    []int
		room     int
		stripped bool
		want     int // bytes received in one piece
		tail     int // bytes free behind them
		flags    uint16
	}{
		{name: "behind the first", mtu: 1500, length: 1514, sizes: []int{100}, room: 128, want: 1514, tail: 2048 - 1514},
		{name: "three buffers", mtu: 1500, length: 1514, sizes: []int{14, 500}, room: 128, want: 1514, tail: 2048 - 1514},
		{name: "exactly", mtu: 1500, length: 2048, sizes: []int{1024}, room: 128, want: 2048},
		{name: "the first has its bytes far behind", mtu: 1500, length: 1514, sizes: []int{100}, room: 2000, want: 1514, tail: 2048 - 1514},
		{name: "a VLAN tag taken off", mtu: 1500, length: 1514, sizes: []int{100}, room: 2000, stripped: true, want: 1514, tail: 2048 - 1514},
		{name: "too large by a byte", mtu: 1500, length: 2049, sizes: []int{1024}, room: 128, want: 1024, tail: 1024, flags: port.Segmented},
		{name: "too large, three buffers", mtu: 1500, length: 5000, sizes: []int{2000, 2000}, room: 128, want: 2000, tail: 48, flags: port.Segmented},
		{name: "jumbo", mtu: 9000, length: 9014, sizes: []int{8192}, room: 128, want: 9014, tail: 9216 - 9014},
		{name: "jumbo in many", mtu: 9000, length: 9014, sizes: []int{2048, 2048, 2048, 2048}, room: 2048, want: 9014, tail: 9216 - 9014},
	} {
		t.Run(tc.name, func(t *testing.T) {
			asWorker(t, lcore.AnyCore)
			d := open(t, Config{Name: "p0", Device: dpdktest.Name("net_ring"), MTU: tc.mtu})[0]
			q, b := d.Queue(0), d.Queue(0).Burst()
			frame, before, after := testFrame(tc.length, 2), testFrame(60, 1), testFrame(1514, 3)
			send(t, q, before)
			dpdktest.SendChain(t, d.id, d.pool.Pointer(), dpdktest.Chain{
				Segments: split(frame, tc.sizes...), Room: tc.room, Hash: 0xabcdef01, Stripped: tc.stripped, TCI: 42,
			})
			send(t, q, after)
			q.Exchange(port.BurstSize)
			if b.NRX != 3 {
				t.Fatalf("%d frames arrived, want 3", b.NRX)
			}
			flags, hash := tc.flags|port.BadL4Checksum|port.HashValid, uint32(0xabcdef01)
			if tc.stripped {
				flags, hash = port.BadL4Checksum|port.VLANStripped, 42
			}
			f := b.RX[1]
			if f.Flags != flags || f.Hash != hash || int(f.Tail) != tc.tail || f.Room < port.Headroom {
				t.Errorf("flags %#x, hash %#x, %d bytes in front and %d behind; want %#x, %#x, at least %d and %d",
					f.Flags, f.Hash, f.Room, f.Tail, flags, hash, port.Headroom, tc.tail)
			}
			if !bytes.Equal(data(f), frame[:tc.want]) {
				t.Errorf("%d bytes arrived that are not the frame's first %d", f.Len, tc.want)
			}
			if !bytes.Equal(data(b.RX[0]), before) || !bytes.Equal(data(b.RX[2]), after) {
				t.Error("the frames around it changed")
			}
			discard(q, b.RX[:b.NRX]...)
			q.Exchange(0)
			if n := d.pool.InUse(); n != port.SpareSize {
				t.Errorf("%d buffers are in use at the end, want the %d spare ones", n, port.SpareSize)
			}
		})
	}
}

func TestFramesAreScatteredOnlyWhereABufferIsTooSmall(t *testing.T) {
	for _, tc := range []struct {
		device    string
		mtu, room int
		want      bool
	}{
		{"net_ring", 1500, 1526, false},
		{"net_ring", 9000, 9026, false},
		{"net_ring", 9000, 1526, true},
		{"net_null", 9000, 1526, false}, // it has no such offload
	} {
		d, err := Probe(dpdktest.EAL(), Config{Name: "p0", Device: dpdktest.Name(tc.device), Workers: 1, MTU: tc.mtu})
		if err != nil {
			t.Fatal(err)
		}
		pool := poolFor(t, d.Demand().Buffers(), tc.room)
		t.Cleanup(func() { closeDevice(t, d) })
		if err := d.Start(pool, true); err != nil {
			t.Fatal(err)
		}
		if got := dpdktest.Scatters(d.id); got != tc.want {
			t.Errorf("%s with an MTU of %d and buffers for %d bytes scatters: %v, want %v", tc.device, tc.mtu, tc.room, got, tc.want)
		}
	}
}
