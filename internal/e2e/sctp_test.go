package e2e

import (
	"bytes"
	"context"
	bytewise "encoding/binary" // binary is the package's name for weir
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/logging"
	"github.com/pion/sctp"

	"github.com/weirlb/weir/internal/netnstest"
)

// pionPort is the port that pion's SCTP, which lives inside of WebRTC, takes both ends to have.
const pionPort = 5000

// sctpWire carries an association's packets over IP through a raw socket: the kernel need not know SCTP. It gives them
// their real ports on the way out, and looks at the ports and the checksum of what comes in.
type sctpWire struct {
	*net.IPConn
	t      *testing.T
	local  uint16
	peer   netip.AddrPort // of a server: the first that sends an INIT
	weirs  []string       // addresses that only check whether there is a server
	dialed bool
}

func overIP(a netip.Addr) string {
	if a.Is6() {
		return "ip6:132"
	}
	return "ip4:132"
}

// sctpServer is the end of a server.
func sctpServer(t *testing.T, ns string, at netip.AddrPort) *sctpWire {
	t.Helper()
	w := &sctpWire{t: t, local: at.Port(), weirs: []string{"10.0.0.1", "fd00::1"}}
	err := netnstest.In(ns, func() (err error) {
		w.IPConn, err = net.ListenIP(overIP(at.Addr()), &net.IPAddr{IP: at.Addr().AsSlice()})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.IPConn.Close() })
	return w
}

// sctpClient is the end of a client of a server.
func sctpClient(t *testing.T, ns string, local uint16, to netip.AddrPort) *sctpWire {
	t.Helper()
	w := &sctpWire{t: t, local: local, peer: to, dialed: true}
	c, err := netnstest.Dial(t.Context(), ns, overIP(to.Addr()), to.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	w.IPConn = c.(*net.IPConn)
	t.Cleanup(func() { _ = w.IPConn.Close() })
	return w
}

// seal computes a packet's checksum anew and returns the one that was there.
func seal(b []byte) (was, now uint32) {
	was = bytewise.LittleEndian.Uint32(b[8:])
	copy(b[8:], make([]byte, 4))
	now = crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
	bytewise.LittleEndian.PutUint32(b[8:], now)
	return was, now
}

const sctpInit, sctpInitAck = 1, 2

// Read implements net.Conn.
func (w *sctpWire) Read(b []byte) (int, error) {
	for {
		n, source, err := w.ReadFromIP(b)
		if err != nil {
			return 0, err
		}
		p := b[:n]
		if n < 16 || bytewise.BigEndian.Uint16(p[2:]) != w.local {
			continue
		}
		addr, _ := netip.AddrFromSlice(source.IP)
		from := netip.AddrPortFrom(addr.Unmap(), bytewise.BigEndian.Uint16(p))
		if was, now := seal(p); was != now {
			w.t.Errorf("a packet of %d bytes from %s has the checksum %08x, not %08x", n, from, was, now)
			continue
		}
		if p[12] == sctpInit && strings.Contains(" "+strings.Join(w.weirs, " ")+" ", " "+from.Addr().String()+" ") {
			w.acknowledge(p, source)
			continue
		}
		if p[12] == sctpInit && !w.peer.IsValid() {
			w.peer = from
		}
		if from != w.peer {
			continue
		}
		bytewise.BigEndian.PutUint16(p, pionPort)
		bytewise.BigEndian.PutUint16(p[2:], pionPort)
		seal(p)
		return n, nil
	}
}

// acknowledge answers an INIT that only wants to know.
func (w *sctpWire) acknowledge(p []byte, to *net.IPAddr) {
	answer := append([]byte{p[2], p[3], p[0], p[1]}, p[16:20]...)
	answer = append(answer, 0, 0, 0, 0, sctpInitAck, 0, 0, 4)
	seal(answer)
	_, _ = w.WriteToIP(answer, to)
}

// Write implements net.Conn.
func (w *sctpWire) Write(b []byte) (int, error) {
	p := bytes.Clone(b)
	bytewise.BigEndian.PutUint16(p, w.local)
	bytewise.BigEndian.PutUint16(p[2:], w.peer.Port())
	seal(p)
	if w.dialed {
		return w.IPConn.Write(p)
	}
	return w.WriteToIP(p, &net.IPAddr{IP: w.peer.Addr().AsSlice()})
}

// echoSCTP serves one association that sends every message back, until it ends.
func echoSCTP(w *sctpWire) error {
	a, err := sctp.ServerWithOptions(sctp.WithNetConn(w), sctp.WithLoggerFactory(logging.NewDefaultLoggerFactory()))
	if err != nil {
		return fmt.Errorf("accepting an association: %w", err)
	}
	s, err := a.AcceptStream()
	if err != nil {
		return fmt.Errorf("accepting a stream: %w", err)
	}
	buf := make([]byte, 1<<16)
	for {
		n, kind, err := s.ReadSCTP(buf)
		if err != nil {
			return nil // the client has ended it
		}
		if _, err := s.WriteSCTP(buf[:n], kind); err != nil {
			return fmt.Errorf("sending a message back: %w", err)
		}
	}
}

// messages sends messages of all sizes through an association and expects them back.
func messages(s *sctp.Stream) error {
	r := rand.New(rand.NewPCG(1, 132))
	buf := make([]byte, 1<<16)
	for i := range 100 {
		message := make([]byte, 1+r.IntN([]int{20, 1200, 20000}[i%3]))
		for j := range message {
			message[j] = byte(r.Uint32())
		}
		if _, err := s.WriteSCTP(message, sctp.PayloadTypeWebRTCBinary); err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
		if err := s.SetReadDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		n, _, err := s.ReadSCTP(buf)
		if err != nil {
			return fmt.Errorf("the answer to message %d: %w", i, err)
		}
		if !bytes.Equal(buf[:n], message) {
			return fmt.Errorf("%d bytes came back as %d others", len(message), n)
		}
	}
	return nil
}

// through makes an association from the client through Weir to a server, uses it, looks at it and ends it.
func (d *daemon) through(t *testing.T, l *lab, local uint16, vip, server netip.AddrPort) error {
	ended := make(chan error, 1)
	serving := sctpServer(t, l.ns("rs1"), server)
	go func() { ended <- echoSCTP(serving) }()
	if d.state(server.String()) != "" {
		d.until("the check of "+server.String()+" passes", func() bool {
			r := d.row("backends", "address", server.String())
			return r["state"] == "up" && strings.HasPrefix(r["health"].(string), "INIT ACK in ")
		})
	}
	client := sctpClient(t, l.ns("client"), local, vip)
	a, err := sctp.ClientWithOptions(sctp.WithNetConn(client), sctp.WithLoggerFactory(logging.NewDefaultLoggerFactory()))
	if err != nil {
		return fmt.Errorf("beginning an association: %w", err)
	}
	s, err := a.OpenStream(1, sctp.PayloadTypeWebRTCBinary)
	if err == nil {
		err = messages(s)
	}
	if err != nil {
		return err
	}
	d.until("the association is shown", func() bool {
		for _, c := range d.show("connections") {
			if c["protocol"] == "sctp" && c["vip"] == vip.String() && c["state"] == "ESTABLISHED" {
				return true
			}
		}
		return false
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := a.Shutdown(ctx); err != nil {
		return fmt.Errorf("ending the association: %w", err)
	}
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return errors.New("the server still waits")
	}
}

// TestSCTPThroughEveryMode sends messages through associations of a user-space SCTP: this is real SCTP on real wires, on
// kernels without it, too.
func TestSCTPThroughEveryMode(t *testing.T) {
	l := needLab(t)
	d := l.start(t, "", `services:
  - {name: nat4, address: "203.0.113.10:3868", protocol: sctp, mode: nat, backends: [{address: "10.0.0.11:3869"}], health: {type: sctp, interval: 200ms}}
  - {name: nat6, address: "[2001:db8::10]:3868", protocol: sctp, mode: nat, backends: [{address: "[fd00::11]:3869"}], health: {type: sctp, interval: 200ms}}
  - {name: tun4, address: "203.0.113.11:3868", protocol: sctp, mode: tun, backends: [{address: "10.0.0.11"}]}
  - {name: tun6, address: "[2001:db8::11]:3868", protocol: sctp, mode: tun, backends: [{address: "fd00::11"}]}
  - {name: dr4, address: "203.0.113.12:3868", protocol: sctp, mode: dr, backends: [{address: "10.0.0.11"}]}
  - {name: dr6, address: "[2001:db8::12]:3868", protocol: sctp, mode: dr, backends: [{address: "fd00::11"}]}
`)
	for i, c := range []struct{ vip, server string }{
		{"203.0.113.10:3868", "10.0.0.11:3869"}, {"[2001:db8::10]:3868", "[fd00::11]:3869"},
		{"203.0.113.11:3868", "203.0.113.11:3868"}, {"[2001:db8::11]:3868", "[2001:db8::11]:3868"},
		{"203.0.113.12:3868", "203.0.113.12:3868"}, {"[2001:db8::12]:3868", "[2001:db8::12]:3868"},
	} {
		if err := d.through(t, l, uint16(4000+i), netip.MustParseAddrPort(c.vip), netip.MustParseAddrPort(c.server)); err != nil {
			t.Errorf("%s: %v; %v", c.vip, err, d.show("drops"))
		}
	}
}
