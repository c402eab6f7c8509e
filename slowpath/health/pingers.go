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
	ways    map[pingWay]bool // that some target uses
	sockets map[pingWay]*pinger
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
	if !s.ways[way] {
		return nil, errPingsEnded
	}
	if p := s.sockets[way]; p != nil && !p.broken() {
		return p, nil
	}
	p, err := newPinger(way)
	if err != nil {
		return nil, err
	}
	s.sockets[way] = p
	s.readers.Go(p.read)
	return p, nil
}

// use closes the sockets of all other ways; only these ones can be opened from now on.
func (s *pingers) use(ways map[pingWay]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ways = ways; s.sockets == nil {
		s.sockets = map[pingWay]*pinger{}
	}
	for way, p := range s.sockets {
		if !ways[way] {
			p.close()
			delete(s.sockets, way)
		}
	}
}

// close closes all sockets.
func (s *pingers) close() {
	s.use(nil)
	s.readers.Wait()
}
