package fastpath

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/weirlb/weir/fastpath/packet"
)

// mixture is what several clients send to services of all modes, and backends to them: whole packets, and fragments in any order, in
// bursts of any size. All datagrams of one sender have one identification: only their order keeps them apart.
type mixture struct {
	t *testing.T
	r *rig
	mixtureOf
	rnd   *rand.Rand
	begun map[string]bool // connections
	sent  []mixedDatagram
	// answered are the connections whose backends send, by backend: in nat or in fullnat, as a client cannot tell apart what two
	// senders send it from one VIP with one identification.
	answered [2][]mixedConn
	inFull   bool

	left  [][]byte            // IP packets in the order in which they left
	parts map[string][][]byte // what has come of datagrams that are not complete
	last  map[string]int      // by sender: the last datagram in fragments
	seen  []int               // datagrams
}

// mixtureOf says what a mixture is of.
type mixtureOf struct {
	v6      bool
	workers int
	mtu     int  // of both ports
	known   bool // all connections begin before anything is in fragments
	reset   bool // on_empty: a SYN in fragments waits for the last
}

// mixedDatagram is a packet that is sent, whole or in fragments. Its payload begins with its number.
type mixedDatagram struct {
	client, service int
	proto           uint8
	reply, parted   bool
	payload         []byte
}

type mixedConn struct {
	d              mixedDatagram
	client, server string // as the backend sees them
}

// mixedServices are by their port, less mixedPort; the last one has one-packet scheduling.
var mixedServices = []Mode{NAT, TUN, DR, FullNAT, NAT}

var mixedProtos = []uint8{packet.ProtoUDP, packet.ProtoTCP, packet.ProtoSCTP}

const (
	mixedClients = 5
	mixedOnce    = 4
	mixedPort    = 1000
)

func newMixture(t *testing.T, seed uint64, of mixtureOf) *mixture {
	x := &mixture{t: t, mixtureOf: of, rnd: rand.New(rand.NewPCG(seed, 1)), begun: map[string]bool{}, parts: map[string][][]byte{}, last: map[string]int{}}
	x.inFull = x.rnd.IntN(2) == 0
	var services []rigService
	x.each(func(service int, proto uint8) {
		services = append(services, rigService{vip: x.vip(service), proto: proto, mode: mixedServices[service], once: service == mixedOnce})
	})
	x.r = newRig(t, services, withWorkers(of.workers, of.workers), withLanMTU(of.mtu), withCapacity(70))
	x.r.setMTU(wan, of.mtu)
	if of.reset {
		for i := range x.r.spec.Services {
			x.r.spec.Services[i].OnEmpty = AnswerReset
		}
		x.r.publish()
	}
	for _, qs := range x.r.queues {
		for _, q := range qs {
			q.OnSend(func(f []byte) { x.left = append(x.left, ipOf(slices.Clone(f))) })
		}
	}
	return x
}

// each goes through the services and what they take.
func (x *mixture) each(f func(service int, proto uint8)) {
	for service := range mixedServices {
		for _, proto := range mixedProtos {
			if service != mixedOnce || proto == packet.ProtoUDP {
				f(service, proto)
			}
		}
	}
}

func (x *mixture) vip(service int) string {
	return netipPort(families[family(x.v6)].vip, uint16(mixedPort+service))
}

func (x *mixture) client(i int) string {
	if x.v6 {
		return fmt.Sprintf("[2001:db8:c::%d]:%d", 10+i, 4000+i)
	}
	return fmt.Sprintf("198.51.100.%d:%d", 10+i, 4000+i)
}

// fill gives a datagram a number and a payload.
func (x *mixture) fill(d *mixedDatagram) {
	n := 4 + x.rnd.IntN(1200)
	if d.parted = x.rnd.IntN(3) > 0; d.parted {
		n = 1300 + x.rnd.IntN(2500)
	}
	x.fillWith(d, n)
}

func (x *mixture) fillWith(d *mixedDatagram, n int) {
	d.payload = make([]byte, n)
	for i := range d.payload {
		d.payload[i] = byte(x.rnd.Uint32())
	}
	binary.BigEndian.PutUint32(d.payload, uint32(len(x.sent)))
	x.sent = append(x.sent, *d)
}

// toVIP is a client's packet. Those of connections that are known need not be able to begin one.
func (x *mixture) toVIP(d *mixedDatagram) pk {
	p := pk{from: x.client(d.client), to: x.vip(d.service), body: d.payload, udp: d.proto == packet.ProtoUDP, flags: "S"}
	conn := fmt.Sprint(d.client, d.service, d.proto)
	known := x.known && x.begun[conn]
	x.begun[conn] = true
	if known {
		p.flags = "A"
	}
	if d.proto == packet.ProtoSCTP {
		p.chunks = []uint8{initiate}
		if known {
			p.chunks = []uint8{data}
		}
	}
	return p
}

// next are the frames of a sender's next datagram: of a client, or of a backend behind them.
func (x *mixture) next(sender int) [][]byte {
	var d mixedDatagram
	if sender < mixedClients {
		d = mixedDatagram{client: sender, service: x.rnd.IntN(len(mixedServices)), proto: mixedProtos[x.rnd.IntN(len(mixedProtos))]}
		if d.service == mixedOnce {
			d.proto = packet.ProtoUDP
		}
		x.fill(&d)
		return x.framesOf(x.toVIP(&d), d.parted, sender)
	}
	of := x.answered[sender-mixedClients]
	if len(of) == 0 {
		return nil
	}
	c := &of[x.rnd.IntN(len(of))]
	d = c.d
	d.reply = true
	x.fill(&d)
	p := pk{from: c.server, to: c.client, body: d.payload, udp: d.proto == packet.ProtoUDP, flags: "A", srcMAC: rs1MAC, dstMAC: lanMAC}
	if d.proto == packet.ProtoSCTP {
		p.chunks = []uint8{data}
	}
	return x.framesOf(p, d.parted, sender)
}

// framesOf are those of a packet: in fragments, in order, the other way round or in any.
func (x *mixture) framesOf(p pk, parted bool, sender int) [][]byte {
	frame := p.frame(x.t)
	if !parted {
		return [][]byte{frame}
	}
	id := uint32(0x1234) // as a whole packet of IPv4 has
	if x.v6 || sender >= mixedClients {
		id += uint32(sender) // from IPv6 to IPv6 it stays, also in fullnat
	}
	cut := cutUp(frame, 8*(30+x.rnd.IntN(130)), id)
	switch x.rnd.IntN(4) {
	case 0:
		slices.Reverse(cut)
	case 1:
		x.rnd.Shuffle(len(cut), func(i, j int) { cut[i], cut[j] = cut[j], cut[i] })
	}
	return cut
}

// begin makes all connections.
func (x *mixture) begin() {
	x.each(func(service int, proto uint8) {
		for client := range mixedClients {
			d := mixedDatagram{client: client, service: service, proto: proto}
			x.fillWith(&d, 30)
			x.r.send(wan, x.toVIP(&d).frame(x.t))
			if m := mixedServices[service]; m == NAT && !x.inFull || m == FullNAT && x.inFull {
				var s seen
				s.read(x.t, x.left[len(x.left)-1])
				b := b2i(s.dst.Addr() == netipAddr(onceBackends[x.v6][1]))
				x.answered[b] = append(x.answered[b], mixedConn{d, s.src.String(), s.dst.String()})
			}
		}
	})
}

// run lets datagrams arrive, those of each sender in a row, and looks at what has left.
func (x *mixture) run(datagrams int) {
	if x.known {
		x.begin()
	}
	var queues [mixedClients + len(x.answered)][][]byte
	waiting := 0
	for range datagrams {
		sender := x.rnd.IntN(len(queues))
		frames := x.next(sender)
		queues[sender] = append(queues[sender], frames...)
		waiting += len(frames)
	}
	for waiting > 0 {
		for range x.rnd.IntN(40) {
			sender := x.rnd.IntN(len(queues))
			q := &queues[sender]
			for n := x.rnd.IntN(5); n > 0 && len(*q) > 0; n-- {
				if err := x.r.queues[sender%x.workers][sender/mixedClients].Put((*q)[0], 0); err != nil {
					x.t.Fatal(err)
				}
				*q = (*q)[1:]
				waiting--
			}
		}
		for range 1 + x.rnd.IntN(2*x.workers) {
			x.r.workers[x.rnd.IntN(x.workers)].Poll()
		}
		for _, w := range x.r.workers {
			if w.datagrams.ripe.head != 0 {
				x.t.Fatal("fragments that know their connection are left behind after a round")
			}
		}
	}
	x.r.run()
	x.check()
}

// check expects that all datagrams have left, whole and once.
func (x *mixture) check() {
	for _, ip := range x.left {
		x.take(ip)
	}
	if len(x.parts) != 0 || len(x.r.reasons()) != 0 {
		x.t.Errorf("%d datagrams are not complete; reasons %v", len(x.parts), x.r.reasons())
	}
	slices.Sort(x.seen)
	for i := range x.sent {
		if i >= len(x.seen) || x.seen[i] != i {
			x.t.Fatalf("%d of %d datagrams have left, and %d not once", len(x.seen), len(x.sent), i)
		}
	}
}

// take is what a host does with a packet: it puts fragments together by addresses, protocol and identification.
func (x *mixture) take(ip []byte) {
	v6 := ip[0]>>4 == 6
	header, proto := 20, ip[9]
	if v6 {
		header, proto = 40, ip[6]
	}
	if proto == 4 || proto == 41 {
		ip = ip[header:]
	}
	if !fragmented(ip, v6) {
		var s seen
		s.read(x.t, ip)
		x.arrived(&s, false)
		return
	}
	key := fmt.Sprintf("%x %d %d", ip[12:20], ip[9], identOf(ip))
	if v6 {
		header += 8
		key = fmt.Sprintf("%x %d", ip[8:40], identOf(ip))
	}
	parts := append(x.parts[key], ip)
	slices.SortFunc(parts, func(a, b []byte) int { return offsetOf(a) - offsetOf(b) })
	x.parts[key] = parts
	end, more := 0, true
	for _, p := range parts {
		if offsetOf(p) < end {
			x.t.Fatalf("fragments of two datagrams have left one among the other: %s", key)
		}
		if offsetOf(p) > end {
			return
		}
		end += len(p) - header
		more = p[6]&0x20 != 0
		if v6 {
			more = p[43]&1 != 0
		}
	}
	if !more {
		delete(x.parts, key)
		s := together(x.t, parts)
		x.arrived(&s, true)
	}
}

// arrived compares a packet with what was sent.
func (x *mixture) arrived(s *seen, parted bool) {
	payload := s.l4[8:]
	switch s.proto {
	case packet.ProtoTCP:
		payload = s.l4[20:]
	case packet.ProtoSCTP:
		payload = s.l4[16:]
	}
	n := int(binary.BigEndian.Uint32(payload))
	if n >= len(x.sent) || x.sent[n].proto != s.proto || !bytes.Equal(x.sent[n].payload, payload) {
		x.t.Fatalf("%s is not what was sent as %d", s, n)
	}
	d := &x.sent[n]
	mode, vip, client := mixedServices[d.service], x.vip(d.service), x.client(d.client)
	switch {
	case d.reply && (s.src.String() != vip || s.dst.String() != client),
		!d.reply && s.dst.Port() != mixedPort+uint16(d.service),
		!d.reply && (s.dst.String() == vip) != (mode == TUN || mode == DR),
		!d.reply && (s.src.String() == client) != (mode != FullNAT):
		x.t.Fatalf("datagram %d left as %s", n, s)
	}
	if d.parted && parted {
		sender := fmt.Sprint(d.client, d.proto, d.reply, s.src)
		if x.last[sender] > n {
			x.t.Fatalf("datagram %d left after %d", n, x.last[sender])
		}
		x.last[sender] = n
	}
	x.seen = append(x.seen, n)
}

// What comes leaves, whole and once, and each sender's datagrams in fragments in a row, whatever they are among.
func TestAMixtureLeavesAsItCame(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		for workers := 1; workers <= 3; workers++ {
			for seed := range uint64(rounds(10)) {
				t.Run(fmt.Sprintf("IPv6 %t/%d workers/%d", v6, workers, seed), func(t *testing.T) {
					newMixture(t, seed, mixtureOf{v6: v6, workers: workers, mtu: 1500, known: seed%2 == 0, reset: seed%4 > 1}).run(150)
				})
			}
		}
	}
}

// A whole packet that is cut up here may have the identification of the fragments around it. With several workers it may
// overtake them: it need not go by the one that keeps an eye on them.
func TestAMixtureThatIsCutUpLeavesAsItCame(t *testing.T) {
	for seed := range uint64(rounds(40)) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			newMixture(t, seed, mixtureOf{workers: 1, mtu: 700, known: seed%2 == 0}).run(150)
		})
	}
}
