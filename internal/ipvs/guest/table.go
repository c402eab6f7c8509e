package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/weirlb/weir/internal/ipvs"
)

// Table implements ipvs.Balancer.
func (k *kernel) Table() (ipvs.Table, error) {
	t, err := read()
	for range 20 {
		if err != nil || !slices.ContainsFunc(t.Conns, func(c ipvs.Conn) bool { return c.Expires == 0 }) {
			break
		}
		// A connection that another took the place of ends at the next tick.
		if err = tick(coarse() + 1); err == nil {
			t, err = read()
		}
	}
	return t, err
}

// read is the table as it is.
func read() (t ipvs.Table, err error) {
	err = lines("/proc/net/ip_vs_conn", func(f []string) error {
		if len(f) < 9 || f[0] == "Pro" {
			return nil
		}
		c := ipvs.Conn{Protocol: ipvs.Protocol(strings.ToLower(f[0])), State: f[7]}
		for i, to := range []*netip.AddrPort{&c.Client, &c.VIP, &c.Backend} {
			if *to, err = addrPort(f[1+2*i], f[2+2*i]); err != nil {
				return err
			}
		}
		if c.Expires, err = strconv.Atoi(f[8]); err != nil {
			return err
		}
		if c.Client.Port() != 0 { // else it is a client's template
			t.Conns = append(t.Conns, c)
		}
		return nil
	})
	if err != nil {
		return t, err
	}
	service := ""
	err = lines("/proc/net/ip_vs", func(f []string) error {
		if len(f) < 2 {
			return nil
		}
		switch f[0] {
		case "TCP", "UDP", "SCTP":
			a, err := joined(f[1])
			service = strings.ToLower(f[0]) + " " + a.String()
			return err
		case "FWM":
			service = ipvs.Marked
		case "->":
			if service == "" || len(f) < 6 {
				return nil
			}
			c := ipvs.Count{Service: service}
			if c.Backend, err = joined(f[1]); err != nil {
				return err
			}
			for i, to := range []*int{&c.Weight, &c.Active, &c.Inactive} {
				if *to, err = strconv.Atoi(f[3+i]); err != nil {
					return err
				}
			}
			t.Counts = append(t.Counts, c)
		}
		return nil
	})
	return t, err
}

// lines calls f with the words of every line of a file.
func lines(name string, f func(words []string) error) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	s := bufio.NewScanner(bytes.NewReader(data))
	for s.Scan() {
		if err := f(strings.Fields(s.Text())); err != nil {
			return fmt.Errorf("%s: %q: %w", name, s.Text(), err)
		}
	}
	return s.Err()
}

// joined reads an address and a port as in /proc/net/ip_vs.
func joined(text string) (netip.AddrPort, error) {
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return netip.AddrPort{}, fmt.Errorf("%q is no address with a port", text)
	}
	return addrPort(text[:i], text[i+1:])
}

// addrPort reads what /proc has in hexadecimal; IPv6 stands as usual, in brackets or without.
func addrPort(addr, port string) (out netip.AddrPort, err error) {
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return out, err
	}
	a, err := netip.ParseAddr(strings.Trim(addr, "[]"))
	if err != nil {
		raw, err := hex.DecodeString(addr)
		if err != nil || len(raw) != 4 {
			return out, fmt.Errorf("%q is no address", addr)
		}
		a = netip.AddrFrom4([4]byte(raw))
	}
	return netip.AddrPortFrom(a, uint16(n)), nil
}
