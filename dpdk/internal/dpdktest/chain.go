package dpdktest

/*
#cgo pkg-config: libdpdk
#define ALLOW_EXPERIMENTAL_API // rte_eth_dev_conf_get
#include <string.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

// Appends a segment to a frame, or begins one: n bytes, with room bytes free in front of them. NULL if it can't.
static struct rte_mbuf *
chain(struct rte_mbuf *head, struct rte_mempool *mp, const void *bytes, uint16_t n, uint16_t room)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(mp);

	if (m == NULL || room + n > m->buf_len)
		goto fail;
	m->data_off = room;
	m->data_len = n;
	m->pkt_len = n;
	memcpy(rte_pktmbuf_mtod(m, void *), bytes, n);
	if (head == NULL)
		return m;
	if (rte_pktmbuf_chain(head, m) == 0)
		return head;
fail:
	rte_pktmbuf_free(m);
	rte_pktmbuf_free(head);
	return NULL;
}

static int
transmit(uint16_t port, struct rte_mbuf *m, uint32_t hash, uint16_t tci, int stripped)
{
	m->hash.rss = hash;
	m->vlan_tci = tci;
	m->ol_flags |= RTE_MBUF_F_RX_RSS_HASH | RTE_MBUF_F_RX_L4_CKSUM_BAD;
	if (stripped)
		m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	if (rte_eth_tx_burst(port, 0, &m, 1) == 1)
		return 0;
	rte_pktmbuf_free(m);
	return -1;
}

static int
scatters(uint16_t port)
{
	struct rte_eth_conf conf;

	return rte_eth_dev_conf_get(port, &conf) == 0 && (conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_SCATTER) != 0;
}
*/
import "C"

import (
	"testing"
	"unsafe"
)

// Chain is a frame in several buffers, as a device that scatters delivers it: with a hash, and found to have a bad
// TCP or UDP checksum.
type Chain struct {
	Segments [][]byte
	Room     int // bytes free in front of the first segment
	Hash     uint32
	Stripped bool   // the device took off a VLAN tag
	TCI      uint16 // which was this
}

// SendChain puts a frame in several buffers of a pool into a net_ring, whose receive side gets it just so. port is
// DPDK's number of the device.
func SendChain(t testing.TB, port uint16, pool unsafe.Pointer, c Chain) {
	t.Helper()
	var m *C.struct_rte_mbuf
	room := c.Room
	for _, s := range c.Segments {
		if m = C.chain(m, (*C.struct_rte_mempool)(pool), unsafe.Pointer(unsafe.SliceData(s)), C.uint16_t(len(s)), C.uint16_t(room)); m == nil {
			t.Fatal("no buffer for a segment")
		}
		room = 0
	}
	stripped := C.int(0)
	if c.Stripped {
		stripped = 1
	}
	if C.transmit(C.uint16_t(port), m, C.uint32_t(c.Hash), C.uint16_t(c.TCI), stripped) != 0 {
		t.Fatal("the device does not take a frame in several buffers")
	}
}

// Scatters tells whether a device was configured to spread frames over several buffers.
func Scatters(port uint16) bool { return C.scatters(C.uint16_t(port)) != 0 }
