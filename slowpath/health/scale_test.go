package health

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"golang.org/x/net/ipv4"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/internal/netnstest"
)

// serverVariable makes the test program a server for the benchmark, so that the CPU time of one process is that of the
// checks alone.
const serverVariable = "WEIR_BENCHMARK_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(serverVariable) != "" {
		benchmarkServer()
		return
	}
	goleak.VerifyTestMain(m)
}

// benchmarkServer answers HTTP, HTTP/2, gRPC and UDP on every loopback address until its standard input ends, and
// prints its ports. Its answers are ready-made, so that it leaves the machine to the checks.
func benchmarkServer() {
	web, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		panic(err)
	}
	socket, err := net.ListenPacket("udp4", "0.0.0.0:0")
	if err != nil {
		panic(err)
	}
	packets := ipv4.NewPacketConn(socket)
	if err := packets.SetControlMessage(ipv4.FlagDst, true); err != nil {
		panic(err)
	}
	http2Answer := readyAnswer()
	go func() {
		for {
			c, err := web.Accept()
			if err == nil {
				go answerBenchmark(c, http2Answer)
			}
		}
	}()
	go func() {
		buf := make([]byte, 4096)
		for {
			n, to, from, err := packets.ReadFrom(buf)
			if err == nil {
				buf[2] |= 0x80 // a DNS response
				_, _ = packets.WriteTo(buf[:n], &ipv4.ControlMessage{Src: to.Dst}, from)
			}
		}
	}()
	secure, err := tls.Listen("tcp4", "0.0.0.0:0", &tls.Config{Certificates: []tls.Certificate{benchmarkCertificate()}})
	if err != nil {
		panic(err)
	}
	go func() {
		for {
			c, err := secure.Accept()
			if err == nil {
				go answerBenchmark(c, nil)
			}
		}
	}()
	fmt.Println(web.Addr().(*net.TCPAddr).Port, socket.LocalAddr().(*net.UDPAddr).Port, secure.Addr().(*net.TCPAddr).Port)
	_, _ = bufio.NewReader(os.Stdin).ReadByte()
}

func benchmarkCertificate() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// answerBenchmark answers one request and waits for the end of the connection.
func answerBenchmark(c net.Conn, http2Answer []byte) {
	defer c.Close()
	buf := make([]byte, 1024)
	switch n, _ := c.Read(buf); {
	case n == 0:
		return
	case string(buf[:3]) == "PRI":
		_, _ = c.Write(http2Answer)
		for n > 0 {
			n, _ = c.Read(buf)
		}
	default:
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	}
}

// readyAnswer is a server's frames: those of a page, and of SERVING.
func readyAnswer() []byte {
	var header, trailer, out bytes.Buffer
	encoder := hpack.NewEncoder(&header)
	_ = encoder.WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
	_ = encoder.WriteField(hpack.HeaderField{Name: "content-type", Value: "application/grpc"})
	_ = hpack.NewEncoder(&trailer).WriteField(hpack.HeaderField{Name: "grpc-status", Value: "0"})
	frames := http2.NewFramer(&out, nil)
	_ = frames.WriteSettings()
	_ = frames.WriteSettingsAck()
	_ = frames.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: header.Bytes(), EndHeaders: true})
	_ = frames.WriteData(stream, false, []byte{0, 0, 0, 0, 2, 8, serving})
	_ = frames.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: trailer.Bytes(), EndHeaders: true, EndStream: true})
	return out.Bytes()
}

func startBenchmarkServer(b *testing.B) (tcp, udp, secure uint16) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serverVariable+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	if _, err := fmt.Fscan(out, &tcp, &udp, &secure); err != nil {
		b.Fatal(err)
	}
	return tcp, udp, secure
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // fails only for what is no such thing
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkTenThousandBackends measures the cores that checks of 10,000 backends every 2 s keep busy, kernel included:
//
//	go test -run '^$' -bench TenThousand -benchtime 1x ./slowpath/health
//
// Each backend is a loopback address of its own; a process of its own answers. The figure is cores: CPU seconds a second.
func BenchmarkTenThousandBackends(b *testing.B) {
	tcp, udp, secure := startBenchmarkServer(b)
	for _, kind := range []conf.Check{conf.CheckTCP, conf.CheckHTTP, conf.CheckHTTP2, conf.CheckGRPC, conf.CheckUDP, conf.CheckDNS, conf.CheckPing} {
		h := conf.Health{
			Type: kind, Interval: 2 * time.Second, Jitter: 10, Timeout: time.Second, Rise: 2, Fall: 3, Port: tcp,
			UDP: conf.UDPCheck{Send: "hello", Expect: "o$"}, DNS: conf.DNSCheck{Name: "www.example.com.", Record: "A", RCode: "NOERROR"},
		}
		if kind == conf.CheckUDP || kind == conf.CheckDNS {
			h.Port = udp
		}
		b.Run(string(kind), func(b *testing.B) {
			if kind == conf.CheckPing {
				netnstest.NeedRoot(b)
			}
			benchmarkChecks(b, h, 10_000, netip.AddrPort{})
		})
	}
	for _, kind := range []conf.Check{conf.CheckTCP, conf.CheckHTTP} {
		h := conf.Health{Type: kind, Interval: 2 * time.Second, Jitter: 10, Timeout: time.Second, Rise: 2, Fall: 3}
		vip := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 9, 9, 9}), tcp)
		b.Run(string(kind)+" through one service", func(b *testing.B) { benchmarkChecks(b, h, 10_000, vip) })
	}
	h := conf.Health{
		Type: conf.CheckHTTPS, Interval: 2 * time.Second, Jitter: 10, Timeout: time.Second, Rise: 2, Fall: 3, Port: secure,
	}
	b.Run("https, 1,000 of them", func(b *testing.B) { benchmarkChecks(b, h, 1_000, netip.AddrPort{}) })
}

// benchmarkChecks checks so many backends at their own addresses, or through a service if there is one.
func benchmarkChecks(b *testing.B, h conf.Health, backends int, service netip.AddrPort) {
	var changes atomic.Int64
	m := New(func(Event) { changes.Add(1) })
	defer m.Close()
	targets := make([]Target, backends)
	for i := range targets {
		address := netip.AddrFrom4([4]byte{127, 1, byte(i / 250), byte(1 + i%250)})
		targets[i] = Target{Service: "web", Backend: netip.AddrPortFrom(address, 80), Check: h, Through: service}
		if service.IsValid() {
			targets[i].From = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		}
	}
	if err := m.Set(targets); err != nil {
		b.Fatal(err)
	}
	time.Sleep(3 * time.Second) // past the first checks
	before, cpu, begun := passed(m), cpuTime(), time.Now()
	b.ResetTimer()
	time.Sleep(10 * time.Second)
	spent, wall := (cpuTime() - cpu).Seconds(), time.Since(begun).Seconds()
	b.ReportMetric(spent/wall, "cores")
	b.ReportMetric(float64(passed(m)-before)/wall, "checks/s")
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(changes.Load()), "changes") // more than 0: the machine is too slow
}

func passed(m *Manager) (n uint64) {
	for _, s := range m.Snapshot() {
		n += s.Passed
	}
	return n
}
