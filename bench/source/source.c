/* A source of traffic for any program on DPDK: loaded with LD_PRELOAD, it takes the place of net_null's receive
 * function, and makes up frames where that one gives empty ones. Unlike a capture it has any number of flows, in
 * memory that stays in the cache. Environment:
 *
 *	WEIR_SOURCE_FLOWS     connections, a power of two from 16 on; without it nothing is changed
 *	WEIR_SOURCE_FAMILY    4 or 6
 *	WEIR_SOURCE_REPLIES   1: half of the packets come from the backends
 *	WEIR_SOURCE_NEW       how many of 1024 packets begin a connection that there has not been before
 *	WEIR_SOURCE_RATE      packets a second and queue; 0 as fast as they are taken. What is not taken in time is lost,
 *	                      as in a device with
 *	WEIR_SOURCE_DESCRIPTORS  descriptors (1024), and counted as missed
 *	WEIR_SOURCE_SEED      where in their order to begin
 */
#define _GNU_SOURCE
#include "frame.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_branch_prediction.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

enum { QUEUES = 16, BURST = 64 };

/* One receive queue. Its thread writes the counters; others read them. */
struct queue {
	struct rte_mempool *pool;
	struct walk walk;
	uint64_t fresh;       /* the next connection that there has not been */
	uint64_t chance;      /* random numbers for whether to begin one */
	uint64_t since, due;  /* with a rate: cycles at the start, packets accounted for since */
	uint64_t packets, missed;
	uint16_t port;
} __rte_cache_aligned;

static struct {
	uint64_t flows, rate, seed;
	uint64_t fresh_share; /* of 1024 */
	uint64_t descriptors;
	int flow_bits;
	bool v6, replies;
	struct template templates[2][SERVICES];
	struct queue queues[RTE_MAX_ETHPORTS][QUEUES];
	void *data[RTE_MAX_ETHPORTS][QUEUES];
	bool active[RTE_MAX_ETHPORTS];
} source;

static uint64_t
setting(const char *name, uint64_t otherwise)
{
	const char *s = getenv(name);

	return s == NULL || *s == 0 ? otherwise : strtoull(s, NULL, 10);
}

static void __attribute__((constructor))
read_settings(void)
{
	source.flows = setting("WEIR_SOURCE_FLOWS", 0);
	if (source.flows == 0)
		return;
	if (source.flows < 16 || (source.flows & (source.flows - 1)) != 0) {
		fprintf(stderr, "WEIR_SOURCE_FLOWS must be a power of two from 16 on\n");
		exit(2);
	}
	source.flow_bits = __builtin_ctzll(source.flows);
	source.v6 = setting("WEIR_SOURCE_FAMILY", 4) == 6;
	source.replies = setting("WEIR_SOURCE_REPLIES", 0) != 0;
	source.fresh_share = setting("WEIR_SOURCE_NEW", 0);
	source.descriptors = setting("WEIR_SOURCE_DESCRIPTORS", 1024);
	source.rate = setting("WEIR_SOURCE_RATE", 0);
	source.seed = setting("WEIR_SOURCE_SEED", 1);
	for (int k = 0; k < SERVICES; k++)
		for (int reply = 0; reply < 2; reply++)
			make_template(&source.templates[reply][k], source.v6, k, reply);
}

/* How many packets there are for a receiver that wants n. */
static inline uint16_t
arrived(struct queue *q, uint16_t n)
{
	uint64_t total, waiting;

	if (source.rate == 0)
		return n;
	if (q->since == 0)
		q->since = rte_rdtsc();
	total = (unsigned __int128)(rte_rdtsc() - q->since) * source.rate / rte_get_tsc_hz();
	waiting = total - q->due;
	if (unlikely(waiting > source.descriptors)) {
		q->missed += waiting - source.descriptors;
		q->due += waiting - source.descriptors;
		waiting = source.descriptors;
	}
	n = RTE_MIN((uint64_t)n, waiting);
	q->due += n;
	return n;
}

static inline bool
begins(struct queue *q)
{
	if (source.fresh_share == 0)
		return false;
	q->chance = q->chance * 6364136223846793005ULL + 1442695040888963407ULL;
	return q->chance >> 54 < source.fresh_share;
}

static inline void
write_next(struct queue *q, struct rte_mbuf *m)
{
	uint64_t flow;
	int reply = 0;

	if (begins(q)) {
		flow = q->fresh++;
	} else {
		uint64_t n = step(&q->walk);

		flow = n & (source.flows - 1);
		reply = n >> source.flow_bits;
	}
	m->data_len = FRAME_LEN;
	m->pkt_len = FRAME_LEN;
	m->port = q->port;
	write_frame(rte_pktmbuf_mtod(m, uint8_t *), &source.templates[reply][flow % SERVICES], flow);
}

static uint16_t
receive(void *queue, struct rte_mbuf **m, uint16_t n)
{
	struct queue *q = queue;

	n = arrived(q, RTE_MIN(n, (uint16_t)BURST));
	if (n == 0)
		return 0;
	if (unlikely(rte_pktmbuf_alloc_bulk(q->pool, m, n) != 0)) {
		q->missed += n;
		return 0;
	}
	for (uint16_t i = 0; i < n; i++)
		write_next(q, m[i]);
	__atomic_store_n(&q->packets, q->packets + n, __ATOMIC_RELAXED);
	return n;
}

int
rte_eth_rx_queue_setup(uint16_t port, uint16_t queue, uint16_t descriptors, unsigned int socket,
	const struct rte_eth_rxconf *conf, struct rte_mempool *pool)
{
	static int (*next)(uint16_t, uint16_t, uint16_t, unsigned int, const struct rte_eth_rxconf *, struct rte_mempool *);

	if (next == NULL)
		next = dlsym(RTLD_NEXT, "rte_eth_rx_queue_setup");
	if (port < RTE_MAX_ETHPORTS && queue < QUEUES)
		source.queues[port][queue].pool = pool;
	return next(port, queue, descriptors, socket, conf, pool);
}

static void
take_over(uint16_t port)
{
	/* Every queue has a share of the connections' order and new connections of its own. */
	for (int i = 0; i < QUEUES; i++) {
		struct queue *q = &source.queues[port][i];

		start_walk(&q->walk, source.flow_bits + source.replies, source.seed + i * 0x9e3779b97f4a7c15ULL);
		q->fresh = source.flows + ((uint64_t)i << 35);
		q->chance = source.seed + i;
		q->port = port;
		source.data[port][i] = q;
	}
	rte_eth_fp_ops[port].rxq.data = source.data[port];
	rte_eth_fp_ops[port].rx_pkt_burst = receive;
	source.active[port] = true;
}

int
rte_eth_dev_start(uint16_t port)
{
	static int (*next)(uint16_t);
	struct rte_eth_dev_info info;
	int rc;

	if (next == NULL)
		next = dlsym(RTLD_NEXT, "rte_eth_dev_start");
	rc = next(port);
	if (rc == 0 && source.flows != 0 && rte_eth_dev_info_get(port, &info) == 0 &&
	    strcmp(info.driver_name, "net_null") == 0)
		take_over(port);
	return rc;
}

int
rte_eth_stats_get(uint16_t port, struct rte_eth_stats *stats)
{
	static int (*next)(uint16_t, struct rte_eth_stats *);
	int rc;

	if (next == NULL)
		next = dlsym(RTLD_NEXT, "rte_eth_stats_get");
	rc = next(port, stats);
	if (rc != 0 || port >= RTE_MAX_ETHPORTS || !source.active[port])
		return rc;
	stats->ipackets = stats->imissed = 0;
	for (int i = 0; i < QUEUES; i++) {
		stats->ipackets += __atomic_load_n(&source.queues[port][i].packets, __ATOMIC_RELAXED);
		stats->imissed += __atomic_load_n(&source.queues[port][i].missed, __ATOMIC_RELAXED);
	}
	stats->ibytes = stats->ipackets * FRAME_LEN;
	return rc;
}
