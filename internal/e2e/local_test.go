package e2e

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/weirlb/weir/internal/netnstest"
)

// vipsOnly is a configuration that only has Weir's own addresses and one VIP of each family.
func vipsOnly() string {
	a, _ := service("nat", "4", "")
	b, _ := service("nat", "6", "")
	return "services:\n" + a + b
}

func TestPingIsAnsweredOnceByVIPsAndByWeirsOwnAddresses(t *testing.T) {
	l := needLab(t)
	d := l.start(t, "", vipsOnly())
	for what, address := range map[string]string{
		"VIP, IPv4": "203.0.113.10", "VIP, IPv6": "2001:db8::10", "own, IPv4": "203.0.113.2", "own, IPv6": "2001:db8::2",
	} {
		t.Run(what, func(t *testing.T) {
			for i, size := range []string{"0", "57", "1400", "57"} {
				from := [...]string{"router", "client"}[i%2] // the client is behind a gateway
				out, err := l.try(from, "ping", "-n", "-c", "3", "-i", "0.05", "-W", "2", "-s", size, address)
				if err != nil || !strings.Contains(out, "3 received") || strings.Contains(out, "DUP") || strings.Contains(out, "duplicates") {
					t.Errorf("%v\n%s", err, out)
				}
			}
		})
	}
	d.accounted()
}

func TestARPForAVIPIsAnsweredOnceWithThePortsMAC(t *testing.T) {
	l := needLab(t)
	d := l.start(t, "", vipsOnly())
	mac := strings.ToUpper(d.row("ports", "name", "wan")["mac"].(string))
	for _, address := range []string{"203.0.113.10", "203.0.113.2"} {
		out := l.do(t, "router", "arping", "-c", "2", "-w", "5", "-I", "wan", address)
		if strings.Count(out, "["+mac+"]") != 2 || !strings.Contains(out, "Received 2 response") {
			t.Errorf("%s:\n%s", address, out)
		}
	}
}

// TestTCPAndUDPToAndFromTheMachineItself talks to sockets of the machine that Weir runs on, through the TAP interfaces.
func TestTCPAndUDPToAndFromTheMachineItself(t *testing.T) {
	l := needLab(t)
	l.start(t, "", vipsOnly())
	for _, c := range []struct{ name, from, to, address string }{
		{"to Weir's machine over IPv4", "router", "lb", "203.0.113.2:2222"},
		{"to Weir's machine over IPv6", "router", "lb", "[2001:db8::2]:2222"},
		{"from Weir's machine over IPv4", "lb", "router", "203.0.113.1:2222"},
		{"from Weir's machine over IPv6", "lb", "router", "[2001:db8::1]:2222"},
	} {
		t.Run(c.name, func(t *testing.T) {
			go echoTCP(netnstest.Listen(t, l.ns(c.to), c.address))
			conn, err := netnstest.Dial(t.Context(), l.ns(c.from), "tcp", c.address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			echoes(t, conn, strings.Repeat("ssh-like bytes ", 10_000))

			go echoUDP(netnstest.ListenPacket(t, l.ns(c.to), c.address))
			dgram, err := netnstest.Dial(t.Context(), l.ns(c.from), "udp", c.address)
			if err != nil {
				t.Fatal(err)
			}
			defer dgram.Close()
			echoes(t, dgram, "a datagram")
		})
	}
}

func echoTCP(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			_, _ = io.Copy(c, c) // the other end sees what is missing
			_ = c.Close()
		}()
	}
}

func echoUDP(c net.PacketConn) {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		_, _ = c.WriteTo(buf[:n], from) // likewise
	}
}

// echoes sends a text and waits for it to come back.
func echoes(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(c, text) }() // an error shows in what comes back
	back := make([]byte, len(text))
	if _, err := io.ReadFull(c, back); err != nil || string(back) != text {
		t.Errorf("what came back is not what was sent: %v", err)
	}
}
