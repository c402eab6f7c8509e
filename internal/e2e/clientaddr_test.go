package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weirlb/weir/internal/netnstest"
)

// proxied is a real server whose program speaks the PROXY protocol: nginx, which tells who it thinks the client is.
func (l *lab) proxied(t *testing.T, rs string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	conf := dir + "/nginx.conf"
	text := fmt.Sprintf(`daemon off;
user root;
worker_processes 1;
pid %[1]s/nginx.pid;
error_log %[1]s/nginx.log;
events {}
http {
    access_log off;
    client_body_temp_path %[1]s/body;
    proxy_temp_path %[1]s/proxy;
    fastcgi_temp_path %[1]s/fastcgi;
    uwsgi_temp_path %[1]s/uwsgi;
    scgi_temp_path %[1]s/scgi;
    server {
        listen 9080 proxy_protocol;
        listen [::]:9080 proxy_protocol;
        location / { return 200 "$proxy_protocol_addr $proxy_protocol_server_addr $proxy_protocol_server_port\n"; }
        location = /1m { root %[2]s; }
    }
}
`, dir, l.file(rs, "www"))
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	l.background(t, rs, "nginx", "-e", dir+"/nginx.log", "-p", dir, "-c", conf)
	until(t, "nginx listens in "+rs, func() bool {
		out, err := l.try(rs, "ss", "-Hltn", "sport", "=", ":9080")
		return err == nil && strings.Contains(out, ":9080")
	})
}

func TestNginxLearnsTheClientFromThePROXYHeader(t *testing.T) {
	l := needLab(t)
	l.proxied(t, "rs1")
	for _, version := range []string{"proxy_v1", "proxy_v2"} {
		d := l.start(t, "", fmt.Sprintf(`services:
  - {name: p4, address: "203.0.113.13:80", protocol: tcp, mode: fullnat, local_addresses: [10.0.0.20], client_address: %[1]s, backends: [{address: "10.0.0.11:9080"}]}
  - {name: p6, address: "[2001:db8::13]:80", protocol: tcp, mode: fullnat, local_addresses: ["fd00::20"], client_address: %[1]s, backends: [{address: "[fd00::11]:9080"}]}
`, version))
		for url, want := range map[string]string{
			"http://203.0.113.13/":   "198.51.100.7 203.0.113.13 80\n",
			"http://[2001:db8::13]/": "2001:db8:c::7 2001:db8::13 80\n",
		} {
			for range 5 {
				if out, err := l.try("client", "curl", "-gsS", "--max-time", "5", url); err != nil || out != want {
					t.Errorf("%s, %s: %v, %q, want %q", version, url, err, out, want)
				}
			}
			size, err := l.try("client", "curl", "-gsS", "--max-time", "5", "-o", "/dev/null", "-w", "%{size_download}", url+"1m")
			if err != nil || size != "1048576" {
				t.Errorf("%s, %s1m: %v, %s bytes", version, url, err, size)
			}
		}
		d.accounted()
		d.stop()
	}
}

// A server that speaks first, and only when it knows its client, as SMTP servers do.
func TestAServerThatSpeaksFirstLearnsTheClient(t *testing.T) {
	l := needLab(t)
	server := netnstest.Listen(t, l.ns("rs1"), "10.0.0.11:2525")
	go func() {
		for {
			c, err := server.Accept()
			if err != nil {
				return
			}
			go greet(c)
		}
	}()
	l.start(t, "", `services:
  - {name: smtp, address: "203.0.113.13:25", protocol: tcp, mode: fullnat, local_addresses: [10.0.0.20], client_address: proxy_v1, backends: [{address: "10.0.0.11:2525"}]}
`)
	c, err := netnstest.Dial(t.Context(), l.ns("client"), "tcp", "203.0.113.13:25")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(patience)) // a net.Conn of TCP takes one
	r := bufio.NewReader(c)
	want := fmt.Sprintf("220 hello PROXY TCP4 198.51.100.7 203.0.113.13 %d 25\r\n", c.LocalAddr().(*net.TCPAddr).Port)
	if got, err := r.ReadString('\n'); err != nil || got != want {
		t.Fatalf("the greeting is %q (%v), want %q", got, err, want)
	}
	for range 3 {
		if _, err := io.WriteString(c, "NOOP\r\n"); err != nil {
			t.Fatal(err)
		}
		if got, err := r.ReadString('\n'); err != nil || got != "250 NOOP\r\n" {
			t.Fatalf("the answer is %q (%v)", got, err)
		}
	}
}

// greet reads a PROXY header, greets its client, and then repeats what that says.
func greet(c net.Conn) {
	defer func() { _ = c.Close() }()
	r := bufio.NewReader(c)
	for prefix := "220 hello "; ; prefix = "250 " {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		if _, err := io.WriteString(c, prefix+line); err != nil {
			return
		}
	}
}

// What the backend's kernel gets has the option, and it takes the packets.
func TestTheBackendsKernelGetsTOA(t *testing.T) {
	l := needLab(t)
	l.start(t, "", `services:
  - {name: toa4, address: "203.0.113.13:80", protocol: tcp, mode: fullnat, local_addresses: [10.0.0.20], client_address: toa, backends: [{address: "10.0.0.11:2626"}]}
  - {name: toa6, address: "[2001:db8::13]:80", protocol: tcp, mode: fullnat, local_addresses: ["fd00::20"], client_address: toa, backends: [{address: "[fd00::11]:2626"}]}
`)
	for _, c := range []struct{ family, backend, vip string }{
		{"ip4:tcp", "10.0.0.11:2626", "203.0.113.13:80"}, {"ip6:tcp", "[fd00::11]:2626", "[2001:db8::13]:80"},
	} {
		server := netnstest.Listen(t, l.ns("rs1"), c.backend)
		var tap net.PacketConn
		host, _, err := net.SplitHostPort(c.backend)
		if err != nil {
			t.Fatal(err)
		}
		if err := netnstest.In(l.ns("rs1"), func() (err error) {
			tap, err = net.ListenPacket(c.family, host)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		conn, err := netnstest.Dial(t.Context(), l.ns("client"), "tcp", c.vip)
		if err != nil {
			t.Fatal(err)
		}
		from := conn.LocalAddr().(*net.TCPAddr).AddrPort()
		option := append([]byte{254, byte(4 + len(from.Addr().AsSlice())), byte(from.Port() >> 8), byte(from.Port())}, from.Addr().AsSlice()...)
		flags := map[byte]bool{}
		buf := make([]byte, 2048)
		_ = tap.SetDeadline(time.Now().Add(patience)) // a raw socket takes one
		for len(flags) < 2 {
			_, _, err := tap.ReadFrom(buf)
			if err != nil {
				t.Fatalf("%s: with %x in the flags %v came: %v", c.vip, option, flags, err)
			}
			if bytes.Equal(buf[20:20+len(option)], option) {
				flags[buf[13]&0x12] = true // SYN and ACK
			}
		}
		s, err := server.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "hello"); err != nil {
			t.Fatal(err)
		}
		_ = s.SetDeadline(time.Now().Add(patience)) // a net.Conn of TCP takes one
		if _, err := io.ReadFull(s, buf[:5]); err != nil || string(buf[:5]) != "hello" {
			t.Errorf("%s: %q, %v", c.vip, buf[:5], err)
		}
		_, _, _ = conn.Close(), s.Close(), tap.Close()
	}
}
