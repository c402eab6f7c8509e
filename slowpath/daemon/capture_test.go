package daemon

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/weirlb/weir/slowpath/api"
	"github.com/weirlb/weir/slowpath/view"
)

const knownNeighbors = `
neighbors:
  - {port: wan, address: 203.0.113.9, mac: 02:00:00:00:09:09}
  - {port: lan, address: 10.0.0.11, mac: 02:00:00:00:01:11}
  - {port: lan, address: 10.0.0.12, mac: 02:00:00:00:01:12}
`

// arrive lets a client's SYN to a port of the VIP, with a payload of some bytes, come in on wan.
func (r *rig) arrive(from, to uint16, payload int) {
	r.t.Helper()
	eth := &layers.Ethernet{SrcMAC: []byte{2, 0, 0, 0, 9, 9}, DstMAC: r.hw.devices[0].mac[:], EthernetType: layers.EthernetTypeIPv4}
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: []byte{203, 0, 113, 9}, DstIP: []byte{203, 0, 113, 10}}
	tcp := &layers.TCP{SrcPort: layers.TCPPort(from), DstPort: layers.TCPPort(to), SYN: true}
	_ = tcp.SetNetworkLayerForChecksum(ip)
	b := gopacket.NewSerializeBuffer()
	o := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(b, o, eth, ip, tcp, gopacket.Payload(make([]byte, payload))); err != nil {
		r.t.Fatal(err)
	}
	if err := r.hw.devices[0].queues[0].Put(b.Bytes(), 0); err != nil {
		r.t.Fatal(err)
	}
}

// recording is a client's capture.
type recording struct {
	t       *testing.T
	mu      sync.Mutex
	file    bytes.Buffer
	cancel  context.CancelFunc
	begun   atomic.Bool
	ended   chan struct{}
	summary view.CaptureSummary
	err     error
}

func (c *recording) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.file.Write(b)
}

// capture begins a capture and waits until it is under way. Unless it has a filter of its own, it leaves out the ARP by
// which Weir announces its addresses at the start.
func (r *rig) capture(q view.CaptureRequest) *recording {
	r.t.Helper()
	if q.Filter == "" {
		q.Filter = "ip"
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	c := &recording{t: r.t, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(c.ended)
		c.summary, c.err = api.Dial(r.socket).Capture(ctx, q, func() (io.Writer, error) {
			c.begun.Store(true)
			return c, nil
		})
	}()
	r.t.Cleanup(c.end)
	r.until("the capture begins", func() bool {
		select {
		case <-c.ended:
			return true
		default:
			return c.begun.Load()
		}
	})
	return c
}

func (c *recording) end() {
	c.cancel()
	c.wait()
}

func (c *recording) wait() {
	select {
	case <-c.ended:
	case <-time.After(patience):
		c.t.Fatal("the capture does not end")
	}
}

// told is a packet of a capture: its port, its comment, and whether it left.
type told struct {
	port    string
	comment string
	out     bool
	id      uint64
	frame   []byte
}

// read takes a finished capture apart, with gopacket for what it knows and by hand for the options of packets.
func (c *recording) read() (all []told) {
	c.t.Helper()
	c.mu.Lock()
	b := bytes.Clone(c.file.Bytes())
	c.mu.Unlock()
	r, err := pcapgo.NewNgReader(bytes.NewReader(b), pcapgo.DefaultNgReaderOptions)
	if err != nil {
		c.t.Fatal(err)
	}
	for {
		data, ci, err := r.ReadPacketData()
		if err == io.EOF {
			break
		}
		if err != nil {
			c.t.Fatal(err)
		}
		i, err := r.Interface(ci.InterfaceIndex)
		if err != nil || time.Since(ci.Timestamp).Abs() > time.Minute {
			c.t.Fatalf("%v, of %v", err, ci.Timestamp)
		}
		all = append(all, told{port: i.Name, frame: data})
	}
	n := 0
	for len(b) > 0 {
		kind, size := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
		if kind == 6 {
			held := binary.LittleEndian.Uint32(b[20:])
			all[n].options(b[28+(held+3)&^3 : size-4])
			n++
		}
		b = b[size:]
	}
	return all
}

func (p *told) options(b []byte) {
	for {
		code, size := binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:])
		switch value := b[4 : 4+size]; code {
		case 0:
			return
		case 1:
			p.comment = string(value)
		case 2:
			p.out = binary.LittleEndian.Uint32(value) == 2
		case 5:
			p.id = binary.LittleEndian.Uint64(value)
		}
		b = b[4+(size+3)&^3:]
	}
}

func (p told) String() string { return fmt.Sprintf("%s %t %s", p.port, p.out, p.comment) }

func (c *recording) expect(want ...string) {
	c.t.Helper()
	var got []string
	for _, p := range c.read() {
		got = append(got, p.String())
	}
	if !slices.Equal(got, want) {
		c.t.Errorf("captured\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestCaptureShowsPacketsAndWhatBecameOfThem(t *testing.T) {
	r := startIn(t, "", memory(), somePorts+oneService+knownNeighbors)
	c := r.capture(view.CaptureRequest{})
	r.arrive(4000, 80, 0)
	r.arrive(4000, 81, 0)
	r.until("all is written", func() bool { return len(c.read()) == 3 })
	c.end()
	c.expect("wan false worker 0, in, nat web → 10.0.0.11:8080", "lan true worker 0, out, nat web → 10.0.0.11:8080",
		"wan false worker 0, in, dropped: no_service")
	all := c.read()
	if all[0].id != all[1].id || all[0].id == all[2].id {
		t.Errorf("identities %d, %d, %d", all[0].id, all[1].id, all[2].id)
	}
	if all[0].frame[5] != 1 || all[1].frame[5] != 0x11 {
		t.Error("the frames are not as they came and left")
	}
	want := view.CaptureSummary{Packets: 2, Frames: 3, Bytes: uint64(c.file.Len()), Filtered: c.summary.Filtered, Ended: "on request"}
	if c.err != nil || c.summary != want {
		t.Errorf("%+v, %v; want %+v", c.summary, c.err, want)
	}
}

func TestCaptureTakesWhatIsAskedFor(t *testing.T) {
	r := startIn(t, "", memory(), somePorts+oneService+knownNeighbors)
	for name, c := range map[string]struct {
		q    view.CaptureRequest
		want int
	}{
		"a service":     {view.CaptureRequest{Service: "web"}, 4},
		"a backend":     {view.CaptureRequest{Backend: "10.0.0.11:8080"}, 4},
		"its address":   {view.CaptureRequest{Backend: "10.0.0.11", Service: "web"}, 4},
		"the other":     {view.CaptureRequest{Backend: "10.0.0.12"}, 0},
		"the client":    {view.CaptureRequest{Client: "203.0.113.0/28"}, 5},
		"a reason":      {view.CaptureRequest{Reasons: []string{"no_service"}}, 1},
		"what is lost":  {view.CaptureRequest{Reasons: []string{"dropped"}}, 1},
		"an expression": {view.CaptureRequest{Filter: "dst port 8080"}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			rec := r.capture(c.q)
			before := r.packets()
			for range 2 {
				r.arrive(4000, 80, 0)
			}
			r.arrive(4000, 81, 0)
			r.until("the worker has had them", func() bool { return r.packets() == before+3 })
			rec.end()
			if got := rec.read(); len(got) != c.want {
				t.Errorf("%d frames, want %d: %v", len(got), c.want, got)
			}
			if s := rec.summary; s.Packets+s.Filtered < 3 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func (r *rig) packets() (n uint64) {
	for _, w := range r.workers() {
		n += w.PacketsIn
	}
	return n
}

func TestCaptureEndsAtItsBounds(t *testing.T) {
	r := startIn(t, "", memory(), somePorts+oneService+knownNeighbors)
	for name, c := range map[string]struct {
		q      view.CaptureRequest
		frames uint64
	}{
		"packets":  {view.CaptureRequest{Count: 3}, 6},
		"duration": {view.CaptureRequest{Seconds: 1}, 200},
		"size":     {view.CaptureRequest{MaxSize: 20_000, Snap: 600}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			rec := r.capture(c.q)
			for range 100 {
				r.arrive(4000, 80, 1000)
			}
			rec.wait()
			s := rec.summary
			if rec.err != nil || s.Frames == 0 || c.frames > 0 && s.Frames != c.frames || c.q.MaxSize > 0 && s.Bytes > uint64(c.q.MaxSize) {
				t.Errorf("%+v, %v", s, rec.err)
			}
			if n := uint64(len(rec.read())); n != s.Frames {
				t.Errorf("%d frames in the file, %d in the summary", n, s.Frames)
			}
		})
	}
}

func TestCaptureThatMakesNoSenseIsRefused(t *testing.T) {
	r := startIn(t, "", memory(), somePorts+oneService)
	for want, q := range map[string]view.CaptureRequest{
		"there is no service nobody":                {Service: "nobody"},
		"service web has no backend 10.0.0.13":      {Service: "web", Backend: "10.0.0.13"},
		"no service has a backend 10.0.0.11:80":     {Backend: "10.0.0.11:80"},
		`"example.org" is no backend`:               {Backend: "example.org"},
		`"me" is no client`:                         {Client: "me"},
		`there is no reason "because"`:              {Reasons: []string{"because"}},
		`the filter "port http": expected a number`: {Filter: "port http"},
	} {
		_, err := api.Dial(r.socket).Capture(t.Context(), q, func() (io.Writer, error) {
			t.Error("the file was opened")
			return io.Discard, nil
		})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", q, err)
		}
	}
}

func TestAsManyCapturesAsThereMayBe(t *testing.T) {
	r := startIn(t, "", memory(), somePorts+oneService+knownNeighbors)
	var all []*recording
	for range 4 {
		all = append(all, r.capture(view.CaptureRequest{}))
	}
	one := r.capture(view.CaptureRequest{})
	if one.wait(); one.err == nil || !strings.Contains(one.err.Error(), "4 captures are under way") {
		t.Errorf("a fifth one: %v", one.err)
	}
	r.arrive(4000, 80, 0)
	for _, c := range all {
		r.until("every capture has the packet", func() bool { return len(c.read()) == 2 })
		c.end()
	}
	d := r.daemonView()
	if d.Captures.Running != 0 || d.Captures.Packets != 4 {
		t.Errorf("%+v", d.Captures)
	}
	r.capture(view.CaptureRequest{}).end() // there is room again
}

func (r *rig) daemonView() view.Daemon {
	r.t.Helper()
	d, err := api.Dial(r.socket).Daemon(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return d
}

func TestCaptureOutlivesAReload(t *testing.T) {
	r := startIn(t, "", memory(), somePorts+oneService+knownNeighbors)
	c := r.capture(view.CaptureRequest{Service: "web"})
	second := strings.Replace(strings.Replace(oneService, "web", "api", 1), ":80\n", ":81\n", 1)
	r.rewrite(somePorts + oneService + strings.TrimPrefix(second, "\nservices:\n") + knownNeighbors)
	if _, err := r.reload(); err != nil {
		t.Fatal(err)
	}
	r.arrive(4001, 81, 0)
	r.arrive(4001, 80, 0)
	r.until("the packet is captured", func() bool { return len(c.read()) == 2 })
	c.end()
	if s := c.summary; s.Packets != 1 || s.Filtered == 0 {
		t.Errorf("%+v", s)
	}
}

func TestDaemonThatStopsEndsCapturesInOrder(t *testing.T) {
	r := startIn(t, "", memory(), somePorts+oneService+knownNeighbors)
	c := r.capture(view.CaptureRequest{})
	r.arrive(4000, 80, 0)
	r.until("the packet is captured", func() bool { return len(c.read()) == 2 })
	r.end()
	if c.wait(); c.err != nil || c.summary.Ended != "weir is stopping" || c.summary.Frames != 2 {
		t.Errorf("%+v, %v", c.summary, c.err)
	}
}

// dial asks for a capture by hand.
func (r *rig) dial() net.Conn {
	r.t.Helper()
	conn, err := net.Dial("unix", r.socket)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	if _, err := conn.Write([]byte("GET /v1/capture?rate=0 HTTP/1.1\r\nHost: weir\r\n\r\n")); err != nil {
		r.t.Fatal(err)
	}
	r.until("the capture runs", func() bool { return r.daemonView().Captures.Running == 1 })
	return conn
}

func TestClientThatStallsLosesCopiesAndDisturbsNobody(t *testing.T) {
	r := startIn(t, "", memory(), somePorts+oneService+knownNeighbors)
	r.dial()
	sent := uint64(0)
	r.until("copies are lost", func() bool {
		for range 50 {
			r.arrive(4000, 80, 1400)
			sent++
		}
		return r.daemonView().Captures.Lost > 0
	})
	r.until("all packets have gone on", func() bool { return r.workers()[0].PacketsOut >= sent })
	r.until("the client is cut off", func() bool { return r.daemonView().Captures.Running == 0 })
	if !strings.Contains(r.log.String(), "the client is gone") {
		t.Error(r.log)
	}
}

func TestClientThatDiesEndsItsCapture(t *testing.T) {
	r := startIn(t, "", memory(), somePorts+oneService+knownNeighbors)
	_ = r.dial().Close()
	r.until("its capture has ended", func() bool { return r.daemonView().Captures.Running == 0 })
}
