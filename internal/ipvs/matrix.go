package ipvs

import (
	"fmt"
	"maps"
	"slices"
)

// Schedulers are those that Linux has, but for Twos, whose choices are random.
var Schedulers = []string{"rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh"}

// Protocols are those that both balancers know.
var Protocols = []Protocol{TCP, UDP, SCTP}

// Modes are those that both have.
var Modes = []Mode{NAT, Tun, DR}

// opening is the first packet of a connection.
func (s Service) opening(i int) Packet {
	return s.from(i, map[Protocol]string{TCP: "S", UDP: "", SCTP: "INIT"}[s.Protocol])
}

// schedulers has every scheduler in every mode, for every protocol and IP version: who gets connections while some stay and some
// end, weights change, one backend is drained, another leaves and comes back.
func schedulers() (all []Scenario) {
	for _, name := range Schedulers {
		for _, mode := range Modes {
			for _, proto := range Protocols {
				for _, v6 := range []bool{false, true} {
					all = append(all, scheduling(name, mode, proto, v6, nil))
					for _, flags := range flagsOf(name) {
						if mode == NAT {
							all = append(all, scheduling(name, mode, proto, v6, flags))
						}
					}
				}
			}
		}
	}
	return all
}

func flagsOf(scheduler string) [][]string {
	if scheduler != "sh" && scheduler != "mh" {
		return nil
	}
	port, fallback := scheduler+"-port", scheduler+"-fallback"
	return [][]string{{port}, {fallback}, {fallback, port}}
}

func scheduling(name string, mode Mode, proto Protocol, v6 bool, flags []string) Scenario {
	s := service(proto, mode, name, v6, 3, 1, 2, 5)
	s.Flags = flags
	t := newStory(fmt.Sprintf("scheduler/%s/%s/%s/%s", name, mode, proto, version(v6)), s)
	for _, f := range flags {
		t.s.Name += "/" + f
	}
	i := 0
	open := func(n int) (first int) {
		first = t.packets
		for range n {
			t.send(s.opening(i))
			i++
		}
		return first
	}
	first := open(12)
	for n := range 4 { // some end, which least-connection schedulers notice
		t.end(s, first+n*2, n*2)
	}
	t.table()
	open(6)
	t.edit(s.weights(1, 1, 4, 2))
	open(8)
	t.edit(s.weights(1, 0, 4, 2))
	open(8)
	t.edit(s.weights(1, 0, 4, 2).without(2))
	open(6)
	t.edit(s.weights(2, 1, 4, 2).without(2))
	open(6)
	t.table()
	return t.s
}

// end brings the connection of client i, whose first packet was n, to a close, as far as the balancer sees.
func (t *story) end(s Service, n, i int) {
	switch s.Protocol {
	case TCP:
		if s.Mode == NAT {
			t.reply(n, Packet{Flags: "SA"})
		}
		t.send(s.from(i, "A"))
		t.send(s.from(i, "FA"))
	case SCTP:
		if s.Mode == NAT {
			t.reply(n, Packet{Flags: "INIT-ACK"})
		}
		t.send(s.from(i, "COOKIE-ECHO"))
		t.send(s.from(i, "SHUTDOWN"))
	case UDP:
		t.send(s.from(i, ""))
	}
}

// Scenarios are those in which both do the same.
func Scenarios() []Scenario {
	return slices.Concat(schedulers(), drawing(), states(), timeouts(), edits(), thresholds(), onePacket(), sloppy(), policies(), tunnels(), persistence(), marked(), fields(), fragmented(), assembled(), complaints(), refusals())
}

// All are those, the ones in which they differ, and the ones that are left to chance.
func All() []Scenario { return slices.Concat(Scenarios(), Differences(), chances()) }

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
