package sched

import (
	"net/netip"
	"slices"
	"testing"
)

// What Linux 6.1 chose for UDP connections, for sed, nq and ovf for TCP ones of which it saw the SYN, one after the
// other and all still open, with the servers added by ipvsadm in reverse order, since LVS puts a new server at the head
// of its list. -1: it refused.
func TestChoicesAreThoseOfLVS(t *testing.T) {
	tests := []struct {
		name    string
		weights []int
		want    []int
	}{
		{"rr", []int{4, 3, 2}, []int{0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1}},
		{"rr", []int{7, 0, 1, 7, 2}, []int{0, 2, 3, 4, 0, 2, 3, 4, 0, 2, 3, 4, 0, 2, 3, 4, 0, 2, 3, 4}},
		{"wrr", []int{4, 3, 2}, []int{0, 1, 2, 0, 0, 1, 0, 1, 2, 0, 1, 2, 0, 0, 1, 0, 1, 2, 0, 1}},
		{"wrr", []int{10, 20, 30}, []int{0, 1, 2, 2, 1, 2, 0, 1, 2, 2, 1, 2, 0, 1, 2, 2, 1, 2, 0, 1}},
		{"wrr", []int{0, 2, 0, 5}, []int{1, 3, 3, 3, 3, 1, 3, 1, 3, 3, 3, 3, 1, 3, 1, 3, 3, 3, 3, 1}},
		{"wrr", []int{7, 0, 1, 7, 2}, []int{0, 2, 3, 4, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3, 4, 0, 2, 3}},
		{"lc", []int{4, 3, 2}, []int{0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1}},
		{"lc", []int{0, 2, 0, 5}, []int{1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3}},
		{"wlc", []int{4, 3, 2}, []int{0, 1, 2, 0, 1, 0, 2, 1, 0, 0, 1, 2, 0, 1, 0, 2, 1, 0, 0, 1}},
		{"wlc", []int{10, 20, 30}, []int{0, 1, 2, 2, 1, 2, 0, 1, 2, 2, 1, 2, 0, 1, 2, 2, 1, 2, 0, 1}},
		{"wlc", []int{0, 2, 0, 5}, []int{1, 3, 3, 3, 1, 3, 3, 1, 3, 3, 3, 1, 3, 3, 1, 3, 3, 3, 1, 3}},
		{"wlc", []int{7, 0, 1, 7, 2}, []int{0, 2, 3, 4, 0, 3, 0, 3, 0, 3, 4, 0, 3, 0, 3, 0, 3, 0, 2, 3}},
		{"sed", []int{4, 3, 2}, []int{0, 1, 0, 2, 1, 0, 0, 1, 2, 0, 1, 0, 2, 1, 0, 0, 1, 2, 0, 1}},
		{"nq", []int{4, 3, 2}, []int{0, 1, 2, 0, 1, 0, 0, 1, 2, 0, 1, 0, 2, 1, 0, 0, 1, 2, 0, 1}},
		{"sed", []int{10, 20, 30}, []int{2, 1, 2, 0, 1, 2, 2, 1, 2, 0, 1, 2, 2, 1, 2, 0, 1, 2, 2, 1}},
		{"nq", []int{10, 20, 30}, []int{0, 1, 2, 2, 1, 2, 2, 1, 2, 0, 1, 2, 2, 1, 2, 0, 1, 2, 2, 1}},
		{"sed", []int{0, 2, 0, 5}, []int{3, 3, 1, 3, 3, 1, 3, 3, 3, 1, 3, 3, 1, 3, 3, 3, 1, 3, 3, 1}},
		{"nq", []int{0, 2, 0, 5}, []int{1, 3, 3, 3, 3, 1, 3, 3, 3, 1, 3, 3, 1, 3, 3, 3, 1, 3, 3, 1}},
		{"sed", []int{7, 0, 1, 7, 2}, []int{0, 3, 0, 3, 0, 3, 4, 0, 3, 0, 3, 0, 3, 0, 2, 3, 4, 0, 3, 0}},
		{"nq", []int{7, 0, 1, 7, 2}, []int{0, 2, 3, 4, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3, 4, 0, 3, 0}},
		{"ovf", []int{4, 3, 2}, []int{0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, -1, -1, -1, -1, -1, -1, -1, -1}},
		{"ovf", []int{0, 2, 0, 5}, []int{3, 3, 3, 3, 3, 3, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1}},
		{"ovf", []int{3, 0, 1, 3, 2}, []int{0, 0, 0, 0, 3, 3, 3, 3, 4, 4, 4, 2, 2, -1, -1, -1, -1, -1, -1, -1}},
	}
	for _, tt := range tests {
		ss := servers(tt.weights...)
		s := build(t, tt.name, ss, Options{})
		var st State
		var got []int
		for range tt.want {
			i := s.Pick(&Key{}, &st)
			if i >= 0 {
				ss[i].Load.Active.Add(1)
			}
			got = append(got, i)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s with weights %v picked\n%v, LVS\n%v", tt.name, tt.weights, got, tt.want)
		}
	}
}

// What Linux 6.1 chose for connections to the addresses 203.0.113.n of a service made with a firewall mark; the
// rest as above.
func TestChoicesByDestinationAreThoseOfLVS(t *testing.T) {
	tests := []struct {
		name    string
		weights []int
		to      []int
		want    []int
	}{
		{"dh", []int{5, 1, 1, 0, 2},
			[]int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20},
			[]int{0, 2, 0, 2, 0, 1, 4, 2, 4, 2, -1, 1, 4, 1, 4, 1, -1, 1, -1, 0}},
		{"lblc", []int{4, 3, 2},
			[]int{1, 2, 1, 1, 1, 2, 2, 2, 3, 2, 1, 1, 2, 1, 2, 2, 2, 1, 3, 2, 1, 3, 1, 2, 1, 1, 1, 1, 1, 3},
			[]int{0, 1, 0, 0, 0, 1, 1, 1, 2, 1, 0, 0, 1, 0, 1, 1, 1, 0, 2, 1, 0, 2, 0, 1, 0, 0, 0, 0, 0, 2}},
		{"lblcr", []int{4, 3, 2},
			[]int{1, 2, 1, 1, 1, 2, 2, 2, 3, 2, 1, 1, 2, 1, 2, 2, 2, 1, 3, 2, 1, 3, 1, 2, 1, 1, 1, 1, 1, 3},
			[]int{0, 1, 0, 0, 0, 1, 1, 1, 2, 1, 0, 0, 1, 0, 1, 1, 1, 0, 2, 1, 0, 2, 0, 1, 0, 0, 0, 0, 0, 2}},
		{"lblc", []int{2, 6},
			[]int{2, 1, 2, 3, 1, 2, 3, 1, 2, 1, 2, 2, 2, 1, 1, 1, 3, 1, 2, 1, 1, 2, 2, 3, 1, 1, 3, 3, 1, 1},
			[]int{0, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0, 0, 0, 1, 1, 1, 1, 1, 0, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1}},
		{"lblcr", []int{2, 6},
			[]int{2, 1, 2, 3, 1, 2, 3, 1, 2, 1, 2, 2, 2, 1, 1, 1, 3, 1, 2, 1, 1, 2, 2, 3, 1, 1, 3, 3, 1, 1},
			[]int{0, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0, 0, 0, 1, 1, 1, 1, 1, 0, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1}},
		{"lblc", []int{3, 0, 5, 3, 2},
			[]int{3, 1, 3, 3, 2, 2, 2, 3, 1, 1, 1, 2, 2, 2, 2, 2, 1, 2, 1, 3, 2, 2, 3, 1, 1, 2, 3, 3, 3, 1},
			[]int{0, 2, 0, 0, 3, 3, 3, 0, 2, 2, 2, 3, 4, 4, 4, 4, 2, 4, 2, 0, 4, 4, 0, 2, 2, 4, 0, 0, 0, 2}},
		{"lblcr", []int{3, 0, 5, 3, 2},
			[]int{3, 1, 3, 3, 2, 2, 2, 3, 1, 1, 1, 2, 2, 2, 2, 2, 1, 2, 1, 3, 2, 2, 3, 1, 1, 2, 3, 3, 3, 1},
			[]int{0, 2, 0, 0, 3, 3, 3, 0, 2, 2, 2, 3, 4, 4, 4, 3, 2, 4, 2, 0, 3, 4, 0, 2, 2, 3, 0, 0, 0, 2}},
	}
	for _, tt := range tests {
		ss := servers(tt.weights...)
		s := build(t, tt.name, ss, Options{})
		var got []int
		for _, n := range tt.to {
			i := s.Pick(&Key{Dst: [16]byte{203, 0, 113, byte(n)}}, nil)
			if i >= 0 {
				ss[i].Load.Active.Add(1)
			}
			got = append(got, i)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s with weights %v picked\n%v, LVS\n%v", tt.name, tt.weights, got, tt.want)
		}
	}
}

// What Linux 6.1 chose with sh and the flags sh-fallback and, where the port counts, sh-port.
func TestSourceHashIsThatOfLVS(t *testing.T) {
	clients := []string{
		"198.51.100.7:40000", "198.51.100.8:41000", "192.0.2.1:42000", "100.64.3.9:43000", "8.8.8.8:44000",
		"172.16.200.201:45000", "[2001:db8::1]:46000", "[2001:db8:1:2:3:4:5:6]:47000",
		"[2001:db8:ffff::aa:1]:48000", "[2a00:1450:4001:801::200e]:49000",
	}
	tests := []struct {
		weights []int
		ports   bool
		want    []int
	}{
		{[]int{3, 1, 2, 5}, false, []int{3, 0, 3, 0, 0, 1, 3, 1, 3, 3}},
		{[]int{0, 2, 0, 5}, false, []int{3, 3, 3, 3, 3, 3, 1, 3, 3, 3}},
		{[]int{100, 100, 100}, false, []int{1, 0, 0, 0, 1, 1, 0, 1, 1, 0}},
		{[]int{3, 1, 2, 5}, true, []int{0, 1, 3, 3, 3, 0, 3, 3, 3, 3}},
		{[]int{0, 2, 0, 5}, true, []int{3, 3, 3, 3, 3, 1, 1, 1, 3, 1}},
		{[]int{100, 100, 100}, true, []int{0, 1, 1, 1, 0, 0, 1, 2, 0, 1}},
	}
	for _, tt := range tests {
		s := build(t, "sh", servers(tt.weights...), Options{Ports: tt.ports, Fallback: true})
		var got []int
		for _, c := range clients {
			k := keyOf(c)
			got = append(got, s.Pick(&k, nil))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("weights %v, ports %v: picked %v, LVS %v", tt.weights, tt.ports, got, tt.want)
		}
	}
}

// What Linux 6.1 chose with mh, for four servers of the weights 3, 1, 2 and 5.
func TestMaglevHashIsThatOfLVS(t *testing.T) {
	clients := []string{
		"100.64.0.49:20000", "100.94.55.150:20007", "100.124.111.244:20014", "100.90.166.92:20021", "100.120.222.185:20028",
		"100.87.21.25:20035", "100.117.77.127:20042", "100.83.132.221:20049", "100.113.187.68:20056", "100.79.243.162:20063",
		"100.110.42.2:20070", "100.76.98.103:20077",
	}
	ss := servers(3, 1, 2, 5)
	for i := range ss {
		ss[i].Address = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(11 + i)}), 8080).String()
	}
	for ports, want := range map[bool][]int{
		false: {0, 0, 3, 3, 3, 3, 2, 3, 2, 3, 3, 3},
		true:  {3, 0, 3, 0, 0, 0, 3, 3, 3, 0, 2, 2},
	} {
		s := build(t, "mh", ss, Options{Ports: ports})
		var got []int
		for _, c := range clients {
			k := keyOf(c)
			got = append(got, s.Pick(&k, nil))
		}
		if !slices.Equal(got, want) {
			t.Errorf("ports %v: picked %v, LVS %v", ports, got, want)
		}
	}
}

func keyOf(client string) Key {
	a := netip.MustParseAddrPort(client)
	k := Key{SrcPort: a.Port(), V6: a.Addr().Is6()}
	copy(k.Src[:], a.Addr().AsSlice())
	return k
}
