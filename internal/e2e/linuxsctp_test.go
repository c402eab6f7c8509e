package e2e

import (
	"bytes"
	endian "encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// linuxSCTPEnd is set where this test's binary is run inside of a kernel, to be an end of associations: "server" or "client".
const linuxSCTPEnd = "WEIR_E2E_SCTP_END"

// linuxSCTPBlind is set where the client shall not find out path MTUs: its packets are as large as its NIC takes, and may be fragmented.
const linuxSCTPBlind = "WEIR_E2E_SCTP_BLIND"

// What the client and the test tell each other in the folder that they share.
const (
	clientEchoed = "echoed" // by the client: every association has carried its messages
	testHasSeen  = "seen"   // by the test: the associations may end
)

// linuxSCTPSizes are the sizes of the messages, in bytes: those beyond an MTU are several DATA chunks, which fill packets.
var linuxSCTPSizes = []int{1, 2, 3, 5, 1399, 1452, 1453, 1500, 9000, 30000, 60000, 7, 60000}

// The kernel's two hosts: a client, in a network namespace of its own, and a real server for every mode, with the VIPs of tun and
// dr on its tunnel devices. What has one of these as source leaves by the router.
const linuxSCTPNetwork = `set -e
modprobe -d "$IPVSLAB_CACHE" -a sctp hmac md5
mkdir /run/netns
ip netns add client
ip link set vec0 netns client
on() { ip -n client "$@"; }
on link set lo up
on link set vec0 up
on address add 198.51.101.7/24 dev vec0
on address add 2001:db8:d::7/64 dev vec0 nodad
on route add default via 198.51.101.1
on route add default via 2001:db8:d::1
for d in lo vec1 tunl0 ip6tnl0; do ip link set $d up; done
ip address add 10.0.0.13/24 dev vec1
ip address add fd00::13/64 dev vec1 nodad
ip route add default via 10.0.0.1
ip route add default via fd00::1
ip route add default via 10.0.0.254 table 100
ip route add default via fd00::fe table 100
echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore
echo 2 >/proc/sys/net/ipv4/conf/all/arp_announce
for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$f; done
for n in 11 12; do
	ip address add 203.0.113.$n/32 dev tunl0
	ip address add 2001:db8::$n/128 dev ip6tnl0 nodad
	ip rule add from 203.0.113.$n table 100
	ip -6 rule add from 2001:db8::$n table 100
done
`

// sctpAt is an SCTP socket of the kernel, one association each, bound to one address, that waits for nothing in vain.
func sctpAt(at netip.AddrPort) (int, error) {
	family := unix.AF_INET
	if at.Addr().Is6() {
		family = unix.AF_INET6
	}
	s, err := unix.Socket(family, unix.SOCK_STREAM, unix.IPPROTO_SCTP)
	if err != nil {
		return 0, fmt.Errorf("an SCTP socket: %w", err)
	}
	wait := unix.Timeval{Sec: int64(patience / time.Second)}
	return s, errors.Join(unix.SetsockoptTimeval(s, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait),
		unix.SetsockoptTimeval(s, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &wait), unix.Bind(s, sockaddr(at)))
}

// withoutMTUDiscovery lets a socket's packets be of 1500 bytes without DF (RFC 6458 section 8.1.12).
func withoutMTUDiscovery(s int) error {
	const peerAddrParams, disable = 9, 1 << 4 // SCTP_PEER_ADDR_PARAMS and SPP_PMTUD_DISABLE of linux/sctp.h
	// The structure is packed: association, address, heartbeat's interval, retransmissions; path MTU; SACK's delay; flags; the rest.
	var params [156]byte
	endian.NativeEndian.PutUint32(params[138:], 1500)
	endian.NativeEndian.PutUint32(params[146:], disable)
	if err := unix.SetsockoptString(s, unix.IPPROTO_SCTP, peerAddrParams, string(params[:])); err != nil {
		return fmt.Errorf("without the path MTU's discovery: %w", err)
	}
	return nil
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// linuxSCTPServer listens at addresses and sends back what comes, for ever. It says so when it listens.
func linuxSCTPServer(addresses []string) error {
	for _, a := range addresses {
		s, err := sctpAt(netip.MustParseAddrPort(a))
		if err == nil {
			err = unix.Listen(s, 8)
		}
		if err != nil {
			return fmt.Errorf("listening at %s: %w", a, err)
		}
		go func() {
			for {
				if c, _, err := unix.Accept(s); err == nil {
					go sendBack(c)
				}
			}
		}()
	}
	fmt.Println("listening")
	select {}
}

// sendBack serves an association until its end.
func sendBack(c int) {
	b := make([]byte, 1<<16)
	for {
		n, err := unix.Read(c, b)
		if err != nil || n == 0 {
			break
		}
		if _, err = unix.Write(c, b[:n]); err != nil {
			break
		}
	}
	_ = unix.Close(c)
}

// linuxSCTPClient makes an association with each address, uses it, and ends all when the test has seen them.
func linuxSCTPClient(folder string, addresses []string) error {
	sockets := make([]int, len(addresses))
	for i, a := range addresses {
		to, local := netip.MustParseAddrPort(a), netip.MustParseAddr("198.51.101.7")
		if to.Addr().Is6() {
			local = netip.MustParseAddr("2001:db8:d::7")
		}
		s, err := sctpAt(netip.AddrPortFrom(local, 0))
		if err == nil && os.Getenv(linuxSCTPBlind) != "" {
			err = withoutMTUDiscovery(s)
		}
		if err == nil {
			err = unix.Connect(s, sockaddr(to))
		}
		if err == nil {
			err = sendAndExpect(s)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", a, err)
		}
		sockets[i] = s
	}
	if err := os.WriteFile(filepath.Join(folder, clientEchoed), nil, 0o644); err != nil {
		return err
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(folder, testHasSeen)); err == nil {
			break
		}
		if time.Now().After(deadline) {
			return errors.New("the test did not look")
		}
	}
	for i, s := range sockets {
		if err := unix.Shutdown(s, unix.SHUT_WR); err != nil {
			return fmt.Errorf("%s: the end: %w", addresses[i], err)
		}
	}
	return noneEstablished()
}

// noneEstablished waits until the kernel has no association here that has not shut down.
func noneEstablished() error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		counts, err := os.ReadFile("/proc/net/sctp/snmp")
		if err != nil {
			return err
		}
		_, after, _ := strings.Cut(string(counts), "SctpCurrEstab")
		if n := strings.Fields(after); len(n) > 0 && n[0] == "0" {
			return nil
		}
	}
	return errors.New("associations do not end")
}

// sendAndExpect sends messages and expects them back.
func sendAndExpect(s int) error {
	b := make([]byte, 1<<16)
	for i, size := range linuxSCTPSizes {
		message := bytes.Repeat([]byte{byte(i), 1, 2, 3, 5, 7, 11}, size/7+1)[:size]
		if n, err := unix.Write(s, message); err != nil || n != size {
			return fmt.Errorf("a message of %d bytes: %d sent: %w", size, n, err)
		}
		var back []byte
		for len(back) < size {
			n, err := unix.Read(s, b)
			if err != nil || n == 0 {
				return fmt.Errorf("a message of %d bytes: %d came back: %w", size, len(back), err)
			}
			back = append(back, b[:n]...)
		}
		if !bytes.Equal(back, message) {
			return fmt.Errorf("a message of %d bytes came back as another", size)
		}
	}
	return nil
}

// linuxSCTP is what this test's binary is inside of the kernel. Its arguments are a folder, and addresses.
func linuxSCTP(end string, args []string) int {
	err := errors.New("no such end")
	switch end {
	case "server":
		err = linuxSCTPServer(args)
	case "client":
		err = linuxSCTPClient(args[0], args[1:])
	}
	if err != nil {
		fmt.Println(end+":", err)
		return 1
	}
	return 0
}

// linuxSCTPTAPs makes the kernel's ways to the router, and to Weir's lan.
func (l *lab) linuxSCTPTAPs(t *testing.T) {
	t.Helper()
	for _, args := range []string{
		"tuntap add sctp-client mode tap", "address add 198.51.101.1/24 dev sctp-client", "address add 2001:db8:d::1/64 dev sctp-client nodad",
		"tuntap add sctp-server mode tap", "link set sctp-server master lan", "link set sctp-client up", "link set sctp-server up",
	} {
		l.do(t, "router", append([]string{"ip"}, strings.Fields(args)...)...)
	}
	t.Cleanup(func() {
		l.do(t, "router", "ip", "link", "del", "sctp-client")
		l.do(t, "router", "ip", "link", "del", "sctp-server")
	})
}

// linuxSCTPKernel boots the kernel with both ends and waits until the client's associations have ended. None may have been aborted or
// have seen a wrong checksum.
func (l *lab) linuxSCTPKernel(shared string, vips []string, a associations) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	servers := append([]string{"10.0.0.13:5868", "[fd00::13]:5868"}, a.whole...)
	script := linuxSCTPNetwork + fmt.Sprintf(`export %[1]s=server
# Go's own signals would interrupt system calls that have a timeout.
export GODEBUG=asyncpreemptoff=1
mkfifo /run/said
%[2]q %[3]s >/run/said &
exec 3</run/said
read -r said <&3
[ "$said" = listening ] || { echo "$said"; exit 1; }
# An INIT that waits for ARP in vain comes again after 3 s.
ping -qc 1 -W 2 10.0.0.1 || true
ping -qc 1 -W 2 fd00::1 || true
%[1]s=client ip netns exec client %[2]q %[4]q %[5]s
for at in "" "ip netns exec client"; do
	$at grep -E '^Sctp(Aborteds|ChecksumErrors|OutOfBlues)[[:space:]]+[1-9]' /proc/net/sctp/snmp && exit 1
done
exit 0
`, linuxSCTPEnd, self, quoted(servers), shared, quoted(vips))
	if a.blind {
		script = "export " + linuxSCTPBlind + "=1\n" + script
	}
	out, err := l.try("router", "env", "IPVSLAB_LIMIT=120", "IPVSLAB_OUT="+shared, "../../scripts/ipvslab", "wired", script, "sctp-client", "sctp-server")
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// quoted makes words for the shell of addresses: those of IPv6 have brackets.
func quoted(addresses []string) string { return "'" + strings.Join(addresses, "' '") + "'" }
