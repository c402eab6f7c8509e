package compile

import (
	"fmt"
	"time"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath"
	"github.com/weirlb/weir/fastpath/conn"
)

// addTimeouts notes the sets of timeouts that the services have, after those of the last snapshot that stay where they are.
func (c *Compiler) addTimeouts(spec *fastpath.Spec, cfg *conf.Config) error {
	if _, err := c.timeouts(cfg.Dataplane.Timeouts); err != nil {
		return err
	}
	for i := range cfg.Services {
		s := &cfg.Services[i]
		if _, err := c.timeouts(s.Timeouts.Over(cfg.Dataplane.Timeouts)); err != nil {
			return fmt.Errorf("service %s: %w", s.Name, err)
		}
	}
	spec.Timeouts = c.tables
	return nil
}

// timeouts is the index of a set of timeouts in a snapshot, where each set stands once.
func (c *Compiler) timeouts(t conf.Timeouts) (uint16, error) {
	if i, ok := c.idles[t]; ok {
		return i, nil
	}
	i := len(c.tables)
	if i >= fastpath.MaxTimeouts {
		return 0, fmt.Errorf("its timeouts are one set too many: all services together can have %d different ones", fastpath.MaxTimeouts)
	}
	c.idles[t] = uint16(i)
	c.tables = append(c.tables, idleTimes(t))
	return uint16(i), nil
}

func idleTimes(t conf.Timeouts) conn.Timeouts {
	ms := func(d time.Duration) uint32 { return uint32(d.Milliseconds()) }
	return conn.NewTimeouts(ms(t.TCP), ms(t.TCPFin), ms(t.UDP), ms(t.SCTP))
}
