#include "exchange.h"
#include "partial.h"
#include "segments.h"

#include <stdlib.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

enum {
	CACHE_LINE = 64,
	/* Frames are handed to the device in groups of this many. */
	TX_GROUP = 64,
};

/* The vectors start at a multiple of 32 bytes off a cache line in the structure; placing the
 * structure this far off a line keeps every frame within one. */
enum { BURST_OFFSET = CACHE_LINE - offsetof(struct weir_burst, rx) % CACHE_LINE };

static_assert((BURST_OFFSET + offsetof(struct weir_burst, rx)) % CACHE_LINE == 0, "rx on a cache line");
static_assert((BURST_OFFSET + offsetof(struct weir_burst, tx)) % CACHE_LINE == 0, "tx on a cache line");

struct weir_queue *
weir_queue_new(const struct weir_queue *template)
{
	size_t burst_at = RTE_ALIGN_CEIL(sizeof(struct weir_queue), CACHE_LINE) + BURST_OFFSET;
	size_t size = RTE_ALIGN_CEIL(burst_at + sizeof(struct weir_burst), CACHE_LINE);
	struct weir_queue *q = aligned_alloc(CACHE_LINE, size);

	if (q == NULL)
		return NULL;
	memset(q, 0, size);
	*q = *template;
	q->burst = (struct weir_burst *)((uint8_t *)q + burst_at);
	return q;
}

void
weir_queue_free(struct weir_queue *q)
{
	struct weir_burst *b = q->burst;

	rte_pktmbuf_free_bulk(b->free, b->nfree);
	for (uint32_t i = 0; i < b->ntx; i++)
		rte_pktmbuf_free(b->tx[i].buf);
	for (uint32_t i = 0; i < b->nspare; i++)
		rte_pktmbuf_free(b->spare[i].buf);
	free(q);
}

uint64_t
weir_queue_oversized(const struct weir_queue *q)
{
	return __atomic_load_n(&q->oversized, __ATOMIC_RELAXED);
}

/* The frame of a buffer as the worker gets it. flags is what the receive side found out. */
static inline void
describe(struct weir_frame *f, struct rte_mbuf *m, uint16_t flags)
{
	f->data = rte_pktmbuf_mtod(m, uint8_t *);
	f->buf = m;
	f->len = m->data_len;
	f->hash = m->hash.rss;
	f->room = m->data_off;
	f->tail = m->buf_len - m->data_off - m->data_len;
	f->flags = flags;
	f->port = 0;
	f->proto = 0;
}

/* What the device found out about a buffer, as port.h's flags. A checksum's state has two bits; both
 * set means that the device vouches for a packet whose field was never filled in (CKSUM_NONE): only
 * BAD without GOOD is bad. */
static inline uint16_t
rx_flags(const struct rte_mbuf *m)
{
	uint64_t ol = m->ol_flags & (RTE_MBUF_F_RX_RSS_HASH | RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK |
		RTE_MBUF_F_RX_VLAN_STRIPPED);
	uint16_t flags = 0;

	if (likely((ol | (m->nb_segs - 1)) == 0))
		return 0;
	if (ol & RTE_MBUF_F_RX_RSS_HASH)
		flags |= WEIR_HASH_VALID;
	if ((ol & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_BAD)
		flags |= WEIR_BAD_IP_CHECKSUM;
	if ((ol & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_BAD)
		flags |= WEIR_BAD_L4_CHECKSUM;
	if (m->nb_segs > 1)
		flags |= WEIR_SEGMENTED;
	if (ol & RTE_MBUF_F_RX_VLAN_STRIPPED)
		flags = (flags & ~WEIR_HASH_VALID) | WEIR_VLAN_STRIPPED;
	return flags;
}

/* A frame in several buffers, or one whose VLAN tag the device took off. */
static void
receive_special(const struct weir_queue *q, struct weir_frame *f)
{
	struct rte_mbuf *m = f->buf;

	if (f->flags & WEIR_SEGMENTED) {
		m = weir_join(q->pool, m);
		describe(f, m, rx_flags(m));
	}
	if (f->flags & WEIR_VLAN_STRIPPED)
		f->hash = m->vlan_tci;
}

/* The driver has just written the buffers' headers, so they are in the cache. The frames themselves
 * are not: the device wrote them. */
static inline void
receive(struct weir_queue *q, struct weir_burst *b, uint32_t limit)
{
	struct rte_mbuf *m[WEIR_BURST_SIZE];
	uint16_t n = rte_eth_rx_burst(q->port, q->queue, m, RTE_MIN(limit, (uint32_t)WEIR_BURST_SIZE));

	if (unlikely(q->partial)) {
		for (uint16_t i = 0; i < n; i++)
			weir_complete(m[i]);
	}
	for (uint16_t i = 0; i < n; i++) {
		rte_prefetch0(rte_pktmbuf_mtod(m[i], void *));
		describe(&b->rx[i], m[i], rx_flags(m[i]));
		if (unlikely(b->rx[i].flags & (WEIR_SEGMENTED | WEIR_VLAN_STRIPPED)))
			receive_special(q, &b->rx[i]);
	}
	b->nrx = n;
}

/* Writes the worker's changes back into the buffers and returns how many of them the device took. */
static inline uint32_t
transmit_group(struct weir_queue *q, struct weir_burst *b, const struct weir_frame *f, uint32_t n)
{
	struct rte_mbuf *m[TX_GROUP];
	uint64_t bytes = 0;
	uint32_t sent;

	for (uint32_t i = 0; i < n; i++) {
		m[i] = f[i].buf;
		m[i]->data_off = f[i].data - (uint8_t *)m[i]->buf_addr;
		m[i]->data_len = f[i].len;
		m[i]->pkt_len = f[i].len;
		bytes += f[i].len;
	}
	sent = rte_eth_tx_burst(q->port, q->queue, m, n);
	for (uint32_t i = sent; i < n; i++)
		bytes -= f[i].len;
	b->tx_frames += sent;
	b->tx_bytes += bytes;
	return sent;
}

/* Some drivers stop at a frame they can't send instead of dropping it: it would block the queue for
 * ever. Returns 1 if the frame was such a one and is gone. */
static uint32_t
drop_oversized(struct weir_queue *q, struct weir_frame *f)
{
	if (f->len <= q->max_frame)
		return 0;
	rte_pktmbuf_free(f->buf);
	__atomic_store_n(&q->oversized, q->oversized + 1, __ATOMIC_RELAXED);
	return 1;
}

static inline void
transmit(struct weir_queue *q, struct weir_burst *b)
{
	uint32_t done = 0;

	while (done < b->ntx) {
		uint32_t n = RTE_MIN(b->ntx - done, (uint32_t)TX_GROUP);
		uint32_t sent = transmit_group(q, b, &b->tx[done], n);

		done += sent;
		if (unlikely(sent < n)) {
			if (drop_oversized(q, &b->tx[done]) == 0)
				break;
			done++;
		}
	}
	b->ntx -= done;
	if (unlikely(b->ntx > 0))
		memmove(b->tx, b->tx + done, b->ntx * sizeof(b->tx[0]));
}

static void
refill(struct weir_queue *q, struct weir_burst *b)
{
	struct rte_mbuf *m[WEIR_SPARE_SIZE];
	uint32_t n = WEIR_SPARE_SIZE - b->nspare;

	if (rte_pktmbuf_alloc_bulk(q->pool, m, n) != 0)
		return; /* the pool is empty: next time */
	for (uint32_t i = 0; i < n; i++)
		describe(&b->spare[b->nspare + i], m[i], 0);
	b->nspare = WEIR_SPARE_SIZE;
}

/* A core may see a counter some ticks behind the one its worker was on before. */
static inline void
tell_time(struct weir_queue *q, struct weir_burst *b)
{
	uint64_t ticks = rte_rdtsc() - q->tsc_start;
	uint64_t now = ((unsigned __int128)ticks * q->tsc_mult) >> 32;

	if (likely(now > b->now))
		b->now = now;
}

void
weir_exchange(uintptr_t queue, uint32_t limit)
{
	struct weir_queue *q = (struct weir_queue *)queue;
	struct weir_burst *b = q->burst;

	if (b->nfree > 0) {
		rte_pktmbuf_free_bulk(b->free, b->nfree);
		b->nfree = 0;
	}
	if (b->ntx > 0 && q->has_tx)
		transmit(q, b);
	if (unlikely(b->nspare < WEIR_SPARE_SIZE))
		refill(q, b);
	b->nrx = 0;
	if (limit > 0 && q->has_rx)
		receive(q, b, limit);
	tell_time(q, b);
}
