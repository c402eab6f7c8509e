package ethdev

/*
#include <rte_ethdev.h>
#include "spread.h"
*/
import "C"

import (
	"unsafe"

	"github.com/weirlb/weir/dpdk/internal/rtelog"
	"github.com/weirlb/weir/fastpath/rss"
)

// hashed says by which of DPDK's hash functions the ports of which packets are hashed.
var hashed = map[uint64]rss.Kinds{
	C.RTE_ETH_RSS_NONFRAG_IPV4_TCP:  rss.TCP4,
	C.RTE_ETH_RSS_NONFRAG_IPV4_UDP:  rss.UDP4,
	C.RTE_ETH_RSS_NONFRAG_IPV4_SCTP: rss.SCTP4,
	C.RTE_ETH_RSS_NONFRAG_IPV6_TCP:  rss.TCP6,
	C.RTE_ETH_RSS_NONFRAG_IPV6_UDP:  rss.UDP6,
	C.RTE_ETH_RSS_NONFRAG_IPV6_SCTP: rss.SCTP6,
}

// learnSpread asks the started device how it spreads received packets over its queues. One that does not tell is used
// without that knowledge.
func (d *Device) learnSpread() error {
	if !d.cfg.RSS || d.rxQueues == 1 {
		return nil
	}
	var s C.struct_weir_spread
	var rc C.int
	rtelog.Record(func() { rc = C.weir_device_spread(C.uint16_t(d.id), &s) })
	if rc != 0 {
		return nil
	}
	settings := rss.Settings{Key: C.GoBytes(unsafe.Pointer(&s.key), C.int(s.key_size))}
	for _, q := range s.table[:s.table_size] {
		settings.Table = append(settings.Table, uint16(q))
	}
	for function, kind := range hashed {
		if uint64(s.functions)&function != 0 {
			settings.Ports |= kind
		}
	}
	if spread, err := rss.New(settings); err == nil {
		d.spread = spread
	}
	return nil
}
