package health

import (
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weirlb/weir/conf"
)

// quick checks often, and has a timeout that no busy machine reaches.
func quick(kind conf.Check) conf.Health {
	return conf.Health{Type: kind, Interval: 20 * time.Millisecond, Timeout: patience, Rise: 2, Fall: 3}
}

func openFiles(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

// eventually waits for a condition that must come true.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %v still not: %s", patience, what)
		}
	}
}

func expectEvent(t *testing.T, events <-chan Event, up bool) Event {
	t.Helper()
	select {
	case e := <-events:
		if e.Up != up {
			t.Fatalf("got %+v, want up %v", e, up)
		}
		return e
	case <-time.After(patience):
		t.Fatalf("no event after %v", patience)
		return Event{}
	}
}

// awaitEvent passes over events until one is as wanted: of two checks under way at once, the one that began later may
// have been first to see how things were, so what was before comes once more.
func awaitEvent(t *testing.T, events <-chan Event, what string, wanted func(Event) bool) {
	t.Helper()
	var others []Event
	for timeout := time.After(patience); ; {
		select {
		case e := <-events:
			if wanted(e) {
				return
			}
			others = append(others, e)
		case <-timeout:
			t.Fatalf("no event of %s after %v, but %+v", what, patience, others)
		}
	}
}

// webServer serves 200 for every path on the address, and returns what stops it.
func webServer(t *testing.T, address string) (at netip.AddrPort, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l)
	}()
	return l.Addr().(*net.TCPAddr).AddrPort(), func() {
		_ = s.Close()
		<-done
	}
}

func TestRealServerDiesAndComesBack(t *testing.T) {
	for _, kind := range []conf.Check{"tcp", "http"} {
		t.Run(string(kind), func(t *testing.T) {
			before := openFiles(t)
			at, stop := webServer(t, "127.0.0.1:0")
			events := make(chan Event, 16)
			m := New(func(e Event) { events <- e })
			set(t, m, []Target{{Service: "web", Backend: at, Check: quick(kind)}})
			eventually(t, "a first check", func() bool {
				st, _ := m.Status("web", at)
				return st.Text != "not checked yet"
			})
			stop()
			// Refused or, if a check was just under way, reset.
			e := expectEvent(t, events, false)
			if !strings.HasPrefix(e.Reason, "connection ") || e.Service != "web" || e.Backend != at {
				t.Errorf("%+v", e)
			}
			_, stop = webServer(t, at.String())
			expectEvent(t, events, true)
			m.Close()
			stop()
			eventually(t, "every file closed", func() bool { return openFiles(t) <= before })
		})
	}
}

func TestManyBackendsEachWithItsOwnState(t *testing.T) {
	const n = 200
	at, stop := webServer(t, "127.0.0.1:0")
	defer stop()
	dead := closedPort(t)
	var targets []Target
	for i := range n {
		port := at.Port()
		if i%2 == 1 {
			port = dead.Port()
		}
		check := quick("http")
		check.Interval, check.Port, check.Fall = time.Second, port, 1
		b := netip.AddrPortFrom(at.Addr(), uint16(1+i))
		targets = append(targets, Target{Service: "web", Backend: b, Check: check})
	}
	down := make(chan Event, n)
	m := New(func(e Event) { down <- e })
	defer m.Close()
	set(t, m, targets)
	for range n / 2 {
		expectEvent(t, down, false)
	}
	eventually(t, "every backend checked", func() bool {
		for _, s := range m.Snapshot() {
			if s.Text == "not checked yet" {
				return false
			}
		}
		return true
	})
	for i, s := range m.Snapshot() {
		if s.Up != (i%2 == 0) {
			t.Errorf("%+v", s)
		}
	}
}

// What the receiver of an event does with it: it asks for more, and sets other targets.
func TestReceiverOfAnEventMayCallBack(t *testing.T) {
	set := make(chan error, 1)
	var m *Manager
	dead := closedPort(t)
	m = New(func(e Event) {
		if st, ok := m.Status(e.Service, e.Backend); !ok || st.Up {
			t.Errorf("in the event: %+v", st)
		}
		set <- m.Set(nil)
	})
	defer m.Close()
	check := quick("tcp")
	check.Fall = 1
	if err := m.Set([]Target{{Service: "web", Backend: dead, Check: check}}); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-set:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("stuck")
	}
}

func BenchmarkHTTPCheck(b *testing.B) {
	b.ReportAllocs()
	at, stop := benchServer(b)
	defer stop()
	h := quick("http")
	p, err := newProbe(Target{Backend: at, Check: h}, newStock())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		o, hangUp := askServer(b.Context(), p)
		hangUp()
		if o.verdict != pass {
			b.Fatal(o)
		}
	}
}

// benchServer answers without allocating, so that the figures are the check's.
func benchServer(b *testing.B) (netip.AddrPort, func()) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			_, _ = c.Read(buf)
			_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
			_ = c.Close()
		}
	}()
	return l.Addr().(*net.TCPAddr).AddrPort(), func() {
		_ = l.Close()
		<-done
	}
}
