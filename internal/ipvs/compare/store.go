package main

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"

	"github.com/weirlb/weir/internal/ipvs"
	"github.com/weirlb/weir/slowpath/replay"
)

// store writes what went in and what came out, as captures whose packets stand at the times of what caused them.
func (c *comparison) store(dir string) error {
	names, numbers := []string{}, map[string]int{}
	for i, p := range c.plan.Network.Ports {
		names = append(names, p.Name)
		numbers[p.Name] = i
	}
	for name, frames := range map[string]func(x *exchange) []ipvs.Frame{
		"in":   func(x *exchange) []ipvs.Frame { return []ipvs.Frame{x.in} },
		"ipvs": func(x *exchange) []ipvs.Frame { return x.linux },
		"weir": func(x *exchange) []ipvs.Frame { return x.weir },
	} {
		o, err := replay.Create(filepath.Join(dir, name+".pcapng"), names, true)
		if err != nil {
			return err
		}
		for _, x := range c.all {
			for _, f := range frames(x) {
				err = errors.Join(err, o.Write(f.Data, x.packet.at, numbers[f.Port]))
			}
		}
		if err := errors.Join(err, o.Close()); err != nil {
			return fmt.Errorf("writing %s.pcapng: %w", name, err)
		}
	}
	return nil
}

func parseMAC(text string) (mac [6]byte, err error) {
	if text == "" {
		return mac, nil
	}
	a, err := net.ParseMAC(text)
	if err != nil || len(a) != len(mac) {
		return mac, fmt.Errorf("--to %s: it is no MAC, such as 02:00:00:00:00:01", text)
	}
	return [6]byte(a), nil
}
