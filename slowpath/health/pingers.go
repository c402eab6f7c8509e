package health

import (
	"errors"
	"net/netip"
	"sync"
)

// pingers are the raw ICMP sockets: one for each way that pings leave by, as every raw socket of a machine gets a copy
// of every ICMP packet. Sockets are opened when they are needed.
type pingers struct {
	mu      sync.Mutex
	sockets map[pingWay]*pinger
	done    bool
	readers sync.WaitGroup
}

// pingWay is what one socket is for.
type pingWay struct {
	v6     bool
	source netip.Addr
	iface  string
}

var errPingsEnded = errors.New("pings have ended")

func (s *pingers) open(way pingWay) (*pinger, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return nil, errPingsEnded
	}
	if p := s.sockets[way]; p != nil && !p.broken() {
		return p, nil
	}
	p, err := newPinger(way)
	if err != nil {
		return nil, err
	}
	if s.sockets == nil {
		s.sockets = map[pingWay]*pinger{}
	}
	s.sockets[way] = p
	s.readers.Go(p.read)
	return p, nil
}

// keep closes the sockets that are not in use any more.
func (s *pingers) keep(used map[pingWay]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for way, p := range s.sockets {
		if !used[way] {
			p.close()
			delete(s.sockets, way)
		}
	}
}

// close closes all, for good.
func (s *pingers) close() {
	s.mu.Lock()
	s.done = true
	s.mu.Unlock()
	s.keep(nil)
	s.readers.Wait()
}
