package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/weirlb/weir/slowpath/replay"
)

// mtu is that of a port for which the configuration has none.
const mtu = 1500

// packet is one of the capture that is played.
type packet struct {
	number int // in the capture, from 1
	at     time.Time
	iface  string // of the capture
	frame  []byte
	view   view
}

// played is what a capture has to play.
type played struct {
	packets []*packet
	skipped map[string]int // packets that are not played, by what they are
	notes   []string       // what somebody should know of the capture
}

// read takes the packets of a capture that a director balances: unicast IP. Frames to one station only, if there is one.
func read(file string, station [6]byte) (*played, error) {
	c, err := replay.Open(file)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	p := &played{skipped: map[string]int{}}
	counts := map[string]int{}
	for number := 1; ; number++ {
		in, err := c.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		frame, tagged := untagged(in.Frame)
		v, why := playable(frame, in.Unaddressed)
		if why == "" && station != [6]byte{} && [6]byte(frame) != station {
			why = "to other stations"
		}
		if why != "" {
			p.skipped[why]++
			continue
		}
		if tagged {
			counts["had VLAN tags, which were taken off"]++
		}
		if in.Missing > 0 {
			counts["were not captured whole: neither takes them as they are: capture with tcpdump -s 0"]++
		}
		if len(v.ip) > mtu {
			counts[fmt.Sprintf("are longer than the MTU of %d: if the host's offloads joined them, capture elsewhere or with GRO, LRO and TSO off", mtu)]++
		}
		p.packets = append(p.packets, &packet{number, in.Time, in.Interface, frame, v})
	}
	for _, text := range slices.Sorted(maps.Keys(counts)) {
		p.notes = append(p.notes, fmt.Sprintf("%d packets %s", counts[text], text))
	}
	return p, nil
}

// untagged is a copy of a frame without VLAN tags.
func untagged(frame []byte) (out []byte, tagged bool) {
	out = slices.Clone(frame)
	for len(out) >= 18 {
		switch binary.BigEndian.Uint16(out[12:]) {
		case 0x8100, 0x88a8, 0x9100:
			out, tagged = slices.Delete(out, 12, 16), true
		default:
			return out, tagged
		}
	}
	return out, tagged
}

// playable tells what a frame has, or why it is not played. What is unaddressed has no MACs to judge by.
func playable(frame []byte, unaddressed bool) (v view, why string) {
	if len(frame) < 14 {
		return v, "too short"
	}
	kind := binary.BigEndian.Uint16(frame[12:])
	switch {
	case kind == 0x0806:
		return v, "ARP"
	case kind != 0x0800 && kind != 0x86dd:
		return v, "of other protocols"
	case frame[0]&1 != 0 && !unaddressed:
		return v, "multicast or broadcast"
	}
	v = look(frame[14:])
	switch t, _, icmp := v.icmp(); {
	case v.ip == nil:
		return v, "too short"
	case v.dst.IsMulticast(), v.dst.Is4() && v.dst.As4() == [4]byte{255, 255, 255, 255}:
		return v, "multicast or broadcast"
	case v.v6 && icmp && t >= 133 && t <= 137:
		return v, "neighbour discovery"
	}
	return v, ""
}
