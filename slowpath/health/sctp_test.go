package health

import (
	"encoding/binary"
	"hash/crc32"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/internal/netnstest"
)

// sctpServer answers INITs on an address of lo until the test ends, with a chunk of the type that its port asks for; 0:
// with nothing.
func sctpServer(t *testing.T, address string) {
	t.Helper()
	network := map[bool]string{false: "ip4:132", true: "ip6:132"}[netip.MustParseAddr(address).Is6()]
	c, err := net.ListenIP(network, &net.IPAddr{IP: net.ParseIP(address)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 2048)
		for {
			n, from, err := c.ReadFromIP(buf)
			if err != nil {
				return
			}
			if answer := answerTo(t, buf[:n]); answer != nil {
				other := append([]byte(nil), answer...)
				other[7]++ // somebody else's tag
				_, _ = c.WriteToIP(other, from)
				_, _ = c.WriteToIP(answer, from)
			}
		}
	}()
	t.Cleanup(func() {
		_ = c.Close()
		<-done
	})
}

func answerTo(t *testing.T, b []byte) []byte {
	if len(b) != 32 || b[12] != chunkInit {
		return nil // on lo the server hears what it says itself
	}
	sum := binary.LittleEndian.Uint32(b[8:])
	copy(b[8:], make([]byte, 4))
	if want := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)); sum != want {
		t.Errorf("the INIT's checksum is %08x, want %08x", sum, want)
	}
	tag := b[16:20]
	if binary.BigEndian.Uint32(tag) == 0 || binary.BigEndian.Uint32(b[4:]) != 0 || binary.BigEndian.Uint32(b[20:]) < 1500 {
		t.Errorf("a bad INIT: % x", b)
	}
	port := binary.BigEndian.Uint16(b[2:])
	if port == 0 || port%10 == 0 {
		return nil
	}
	out := []byte{b[2], b[3], b[0], b[1], tag[0], tag[1], tag[2], tag[3], 0, 0, 0, 0, byte(port % 10), 0, 0, 4}
	return out
}

func TestSCTPVerdicts(t *testing.T) {
	netnstest.NeedRoot(t)
	const soon = 50 * time.Millisecond
	for _, address := range []string{"127.0.0.44", "::1"} {
		sctpServer(t, address)
		for _, c := range []struct {
			name    string
			port    uint16
			timeout time.Duration
			want    verdict
			text    string
		}{
			{"accepts", 3002, 0, pass, "INIT ACK"},
			{"refuses", 3006, 0, fail, "association refused"},
			{"says something else", 3003, soon, fail, "timeout after 50ms waiting for an INIT ACK"},
			{"is silent", 3000, soon, fail, "timeout after 50ms waiting for an INIT ACK"},
		} {
			t.Run(address+" "+c.name, func(t *testing.T) {
				at := netip.AddrPortFrom(netip.MustParseAddr(address), c.port)
				o := askOnce(t, Target{Backend: at, Check: conf.Health{Type: conf.CheckSCTP, Timeout: c.timeout}})
				expectOutcome(t, o, c.want, c.text)
			})
		}
	}
}

func TestOnlyAnswersToTheINITCount(t *testing.T) {
	i := initiation{from: 40000, to: 3868, tag: 0x01020304}
	answer := []byte{0x0f, 0x1c, 0x9c, 0x40, 1, 2, 3, 4, 0, 0, 0, 0, chunkInitAck, 0, 0, 4}
	if o, ok := i.read(answer); !ok || o.verdict != pass {
		t.Fatalf("%v, %t", o, ok)
	}
	for n := range answer {
		if _, ok := i.read(answer[:n]); ok {
			t.Errorf("%d bytes of it count", n)
		}
	}
	for _, at := range []int{0, 1, 2, 3, 4, 5, 6, 7, 12} {
		other := append([]byte(nil), answer...)
		other[at]++
		if _, ok := i.read(other); ok {
			t.Errorf("it counts with another byte %d", at)
		}
	}
}
