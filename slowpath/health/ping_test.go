package health

import (
	"net/netip"
	"testing"
	"time"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/internal/netnstest"
)

func pingTarget(address string) Target {
	return Target{Service: "web", Backend: netip.AddrPortFrom(netip.MustParseAddr(address), 80), Check: quick(conf.CheckPing)}
}

// ping makes one check.
func ping(t *testing.T, target Target) outcome {
	t.Helper()
	m := New(func(Event) {})
	defer m.Close()
	p, err := compile([]Target{target}, m)
	if err != nil {
		t.Fatal(err)
	}
	m.pings.use(map[pingWay]bool{p[0].kind.(pingCheck).way: true})
	ctx, cancel := deadline(target.Check.Timeout)
	defer cancel()
	o, hangUp := askServer(ctx, p[0])
	hangUp()
	return o
}

func TestPingVerdicts(t *testing.T) {
	netnstest.NeedRoot(t)
	for _, address := range []string{"127.0.0.1", "127.0.0.99", "::1"} {
		expectOutcome(t, ping(t, pingTarget(address)), pass, "echo reply")
	}
	silent := pingTarget("127.255.255.255") // the broadcast address of lo: nobody answers
	silent.Check.Timeout = 50 * time.Millisecond
	if o := ping(t, silent); o.verdict == pass {
		t.Errorf("nobody answers: %d %q", o.verdict, o)
	}
	bound := pingTarget("127.0.0.1")
	bound.Interface, bound.Check.Source = "lo", netip.MustParseAddr("127.0.0.5")
	expectOutcome(t, ping(t, bound), pass, "echo reply")
	bound.Interface = "weir-none"
	expectOutcome(t, ping(t, bound), inconclusive, "not checked: the interface to check through does not exist")
}

func TestManyPingsShareASocketThatCloses(t *testing.T) {
	netnstest.NeedRoot(t)
	before := openFiles(t)
	m := New(func(e Event) { t.Errorf("%+v", e) })
	var targets []Target
	for i := range 100 {
		targets = append(targets, pingTarget(netip.AddrFrom4([4]byte{127, 0, 1, byte(i)}).String()))
	}
	set(t, m, targets)
	eventually(t, "every backend pinged twice", func() bool {
		for _, s := range m.Snapshot() {
			if s.Passed < 2 {
				return false
			}
		}
		return true
	})
	if n := openFiles(t); n > before+1 {
		t.Errorf("%d files are open, %d were before", n, before)
	}
	set(t, m, nil)
	eventually(t, "the socket is closed", func() bool { return openFiles(t) <= before })
	m.Close()
}

func TestICMPMessagesAreReadWithCare(t *testing.T) {
	const token = 0x01020304
	data := []byte("secret")
	for _, v6 := range []bool{false, true} {
		reply := request(token, data, v6)
		reply[0] = icmp4Reply
		quote := append(make([]byte, ip4Header), request(token, data, false)...)
		quote[0], quote[ip4ProtocolAt] = 0x45, protoICMP
		copy(quote[ip4DestinationAt:], []byte{10, 0, 0, 9})
		to, unreachable := netip.MustParseAddr("10.0.0.9"), byte(icmp4Unreachable)
		if v6 {
			reply[0], unreachable = icmp6Reply, icmp6Unreachable
			quote = append(make([]byte, ip6Header), request(token, data, true)...)
			quote[ip6NextHeaderAt] = protoICMP6
			to = netip.MustParseAddr("2001:db8::9")
			copy(quote[ip6DestinationsAt:], to.AsSlice())
		}
		if e, ok := read(reply, v6); !ok || e.token != token || string(e.data) != "secret" || e.error.verdict != inconclusive {
			t.Errorf("reply: %+v, %v", e, ok)
		}
		message := append([]byte{unreachable, 1, 0, 0, 0, 0, 0, 0}, quote...)
		e, ok := read(message, v6)
		if !ok || e.token != token || e.to != to || e.error.String() != "ICMP: destination unreachable, code 1" {
			t.Errorf("error: %+v, %v", e, ok)
		}
		for n := range len(message) - len(data) {
			if _, ok := read(message[:n], v6); ok {
				t.Errorf("the first %d bytes of an error are taken for one", n)
			}
		}
		if _, ok := read(request(token, data, v6), v6); ok {
			t.Error("a request is taken for an answer")
		}
	}
	if sum := checksum(request(token, []byte("odd"), false)); sum != 0 {
		t.Errorf("the checksum of a request is wrong by %#x", sum)
	}
}

func TestAnswersOfOthersAreNoAnswers(t *testing.T) {
	p := &pinger{waiting: map[uint32]waiter{}, secret: []byte("secret")}
	to := netip.MustParseAddr("10.0.0.9")
	answer := make(chan outcome, 1)
	token, _ := p.enter(waiter{to, answer})
	p.deliver(echo{token: token, data: []byte("guess")}, to)
	p.deliver(echo{token: token, data: p.secret}, netip.MustParseAddr("10.0.0.8"))
	p.deliver(echo{token: token + 1, data: p.secret}, to)
	select {
	case o := <-answer:
		t.Errorf("got %q", o)
	default:
	}
	p.deliver(echo{token: token, data: p.secret}, to)
	if o := <-answer; o.verdict != pass {
		t.Errorf("got %q", o)
	}
}
