package main

import (
	"net/netip"
	"time"

	"github.com/weirlb/weir/conf"
)

// clients are those of services with persistence, as far as a capture has been judged.
type clients struct {
	last map[client]time.Time
	// late are services of which a client has come back after the time of its persistence. From then on, that client's turn may be
	// another one's in either balancer.
	late map[*conf.Service]bool
}

// client is what persistence binds.
type client struct {
	service *conf.Service
	net     netip.Prefix
}

// returned notes a packet, and reports whether a client of its service has come back late by now.
func (c *clients) returned(s *conf.Service, x *exchange) bool {
	if s == nil || s.Persistence == nil {
		return false
	}
	const syn = 2
	if s.Protocol == conf.TCP && x.view.tcpFlags()&syn == 0 {
		return c.late[s]
	}
	bits := s.Persistence.Mask
	if x.view.v6 {
		bits = s.Persistence.Prefix
	}
	key := client{s, netip.PrefixFrom(x.view.src, bits).Masked()}
	if before, ok := c.last[key]; ok && x.packet.at.Sub(before) > s.Persistence.Timeout {
		c.late[s] = true
	}
	c.last[key] = x.packet.at
	return c.late[s]
}
