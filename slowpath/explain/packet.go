package explain

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/weirlb/weir/fastpath/memport"
	"github.com/weirlb/weir/fastpath/packet"
)

// Syntax is how a packet is written.
const Syntax = `PROTO SOURCE > DESTINATION [syn|ack|fin|rst …|init|data …] [ttl N] [len N] [df] [fragment] [in PORT]`

const example = "'tcp 198.51.100.7:40000 > 203.0.113.10:80'"

// Packet is a packet as an operator writes it.
type Packet struct {
	Proto    string // tcp, udp, sctp, icmp, or another protocol of IP that has no ports here
	number   uint8
	Src, Dst netip.AddrPort // port 0 without ports
	Flags    []string       // of TCP; of SCTP: the chunks
	assumed  bool           // nobody gave the flags
	TTL      uint8
	Len      int // of the IP packet in bytes; 0: as short as it can be
	DF       bool
	Fragment bool   // the first of several
	In       string // the port it comes in by; empty: the one that leads to the source
}

const (
	defaultTTL    = 64
	defaultSource = 40000
	maxLen        = memport.MaxFrame - packet.EthLen
)

// protocols without ports that a client might try, besides ICMP.
var protocols = map[string]uint8{"ipip": 4, "ipv6": 41, "gre": 47, "esp": 50, "ah": 51}

var tcpFlags = map[string]uint8{"fin": packet.FIN, "syn": packet.SYN, "rst": packet.RST, "psh": 0x08, "ack": packet.ACK, "urg": 0x20}

// Parse reads a packet as Syntax has it. IPv6 addresses with a port are in brackets; a source without a port has 40000; a TCP
// packet without flags is a SYN, one of SCTP without chunks an INIT.
func Parse(text string) (*Packet, error) {
	words := strings.Fields(strings.NewReplacer(">", " > ", ",", " ").Replace(text))
	if len(words) < 4 || words[2] != ">" {
		return nil, fmt.Errorf("%q is no packet: write %s, such as %s", text, Syntax, example)
	}
	p := &Packet{TTL: defaultTTL}
	if err := p.setProto(strings.ToLower(words[0])); err != nil {
		return nil, err
	}
	var err error
	if p.Src, err = p.endpoint("source", words[1], defaultSource); err != nil {
		return nil, err
	}
	if p.Dst, err = p.endpoint("destination", words[3], 0); err != nil {
		return nil, err
	}
	if p.v6() != p.Src.Addr().Is6() {
		return nil, errors.New("source and destination must both be IPv4 or both IPv6")
	}
	if err := p.setOptions(words[4:]); err != nil {
		return nil, err
	}
	return p, p.check()
}

func (p *Packet) v6() bool { return p.Dst.Addr().Is6() }

func (p *Packet) setProto(name string) error {
	n, known := protocols[name]
	switch {
	case name == "tcp":
		n = packet.ProtoTCP
	case name == "udp":
		n = packet.ProtoUDP
	case name == "sctp":
		n = packet.ProtoSCTP
	case name == "icmp", name == "icmp6", name == "icmpv6":
		name, n = "icmp", packet.ProtoICMP
	case !known:
		v, err := strconv.ParseUint(name, 10, 8)
		if err != nil {
			return fmt.Errorf("%q is no protocol: write tcp, udp, icmp, sctp, gre, esp, ah, ipip, ipv6 or a number", name)
		}
		switch n = uint8(v); n {
		case packet.ProtoTCP, packet.ProtoUDP, packet.ProtoSCTP, packet.ProtoICMP, packet.ProtoICMP6:
			return fmt.Errorf("write protocol %d as tcp, udp, sctp or icmp", n)
		}
	}
	p.Proto, p.number = name, n
	return nil
}

// ports reports whether the protocol has ports that Weir looks at.
func (p *Packet) ports() bool {
	return p.number == packet.ProtoTCP || p.number == packet.ProtoUDP || p.number == packet.ProtoSCTP
}

// endpoint reads an address, with a port if the protocol has ports; missing stands for one that is not given, 0 for an error.
func (p *Packet) endpoint(what, text string, missing uint16) (netip.AddrPort, error) {
	if a, err := netip.ParseAddrPort(text); err == nil {
		switch {
		case !p.ports():
			return a, fmt.Errorf("%s %q: %s has no ports", what, text, p.Proto)
		case a.Addr().Zone() != "":
			return a, fmt.Errorf("%s %q: leave out the zone, and name the port with in PORT", what, text)
		}
		return a, nil
	}
	a, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil || a.Zone() != "" {
		return netip.AddrPort{}, fmt.Errorf("%s %q is no address: write 203.0.113.10:80 or [2001:db8::10]:80", what, text)
	}
	if p.ports() && missing == 0 {
		return netip.AddrPort{}, fmt.Errorf("%s %q needs a port, such as %s", what, text, netip.AddrPortFrom(a, 80))
	}
	if !p.ports() {
		missing = 0
	}
	return netip.AddrPortFrom(a, missing), nil
}

func (p *Packet) setOptions(words []string) error {
	for len(words) > 0 {
		word := strings.ToLower(words[0])
		words = words[1:]
		switch word {
		case "df":
			p.DF = true
		case "fragment":
			p.Fragment = true
		case "ttl", "len", "in":
			if len(words) == 0 {
				return fmt.Errorf("%s needs a value: write %s", word, Syntax)
			}
			if err := p.set(word, words[0]); err != nil {
				return err
			}
			words = words[1:]
		default:
			if err := p.setFlag(word); err != nil {
				return err
			}
		}
	}
	if first := map[uint8]string{packet.ProtoTCP: "syn", packet.ProtoSCTP: "init"}[p.number]; first != "" && len(p.Flags) == 0 {
		p.Flags, p.assumed = []string{first}, true
	}
	return nil
}

// setFlag adds a flag of TCP or a chunk of SCTP.
func (p *Packet) setFlag(word string) error {
	_, flag := tcpFlags[word]
	_, chunk := chunkTypes[word]
	switch {
	case !flag && !chunk:
		return fmt.Errorf("%q makes no sense behind a packet: write %s", word, Syntax)
	case flag && p.number != packet.ProtoTCP:
		return fmt.Errorf("%s is for tcp, not for %s", word, p.Proto)
	case chunk && p.number != packet.ProtoSCTP:
		return fmt.Errorf("%s is for sctp, not for %s", word, p.Proto)
	}
	p.Flags = append(p.Flags, word)
	return nil
}

func (p *Packet) set(option, value string) error {
	if option == "in" {
		p.In = value
		return nil
	}
	n, err := strconv.Atoi(value)
	switch {
	case err != nil:
		return fmt.Errorf("%s must be a number, is %q", option, value)
	case option == "ttl" && (n < 0 || n > 255):
		return fmt.Errorf("ttl is 0 to 255, not %d", n)
	case option == "ttl":
		p.TTL = uint8(n)
	case n < 1 || n > maxLen:
		return fmt.Errorf("len is at most %d bytes, not %d", maxLen, n)
	default:
		p.Len = n
	}
	return nil
}

// check looks at what only all of the packet together tells.
func (p *Packet) check() error {
	if p.v6() && p.DF {
		return errors.New("df is for IPv4: IPv6 has no such flag")
	}
	if least := p.headers(); p.Len != 0 && p.Len < least {
		return fmt.Errorf("the headers of such a packet take %d bytes already, more than len %d", least, p.Len)
	}
	return nil
}

// String is the packet as it is written, with what was assumed.
func (p *Packet) String() string {
	end := func(a netip.AddrPort) string {
		if !p.ports() {
			return a.Addr().String()
		}
		return a.String()
	}
	s := fmt.Sprintf("%s %s > %s", p.Proto, end(p.Src), end(p.Dst))
	if len(p.Flags) > 0 {
		s += " " + strings.Join(p.Flags, ",")
	}
	s += fmt.Sprintf(" ttl %d len %d", p.TTL, max(p.Len, p.headers()))
	if p.DF {
		s += " df"
	}
	if p.Fragment {
		s += " fragment"
	}
	if p.In != "" {
		s += " in " + p.In
	}
	return s
}
