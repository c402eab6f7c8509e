package replay

import (
	"time"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/slowpath/node"
)

// Player plays packets that are not in a file, one by one, and takes a new configuration between them: what Run does, for
// those who have to see what came out before they know what comes in next.
type Player struct {
	p *player
}

// NewPlayer makes one that hands every frame that leaves a port, by its number, to send; the frame is only valid
// during the call. The clock starts with the first packet.
func NewPlayer(cfg *conf.Config, send func(port int, frame []byte)) (*Player, error) {
	p, err := newPlayer(cfg, func(frame []byte, _ time.Time, port int) error {
		send(port, frame)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &Player{p: p}, nil
}

// Play takes a frame that comes in by a port, with all that it causes.
func (p *Player) Play(at time.Time, port string, frame []byte) error {
	return p.p.play(&Packet{Frame: frame, Time: at, Interface: port})
}

// Apply changes the configuration in force, but not its ports.
func (p *Player) Apply(cfg *conf.Config) error {
	return p.p.node.Apply(time.Unix(0, int64(p.p.clock)), cfg, FromConfig)
}

// Now is the workers' clock in nanoseconds.
func (p *Player) Now() uint64 { return p.p.clock }

// Node is what plays.
func (p *Player) Node() *node.Node { return p.p.node }

// Summary is what became of the packets so far.
func (p *Player) Summary() *Summary { return p.p.summary() }

// Close frees the player's memory.
func (p *Player) Close() error { return p.p.close() }

// Pass lets time pass without a packet.
func (p *Player) Pass(at time.Time) {
	p.p.pass(at)
	p.p.node.Workers()[0].Poll()
}
