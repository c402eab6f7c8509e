#include "mempool.h"

#include <errno.h>
#include <stdio.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_mempool.h>
#include <rte_memzone.h>

static uint32_t
element(uint32_t room)
{
	return sizeof(struct rte_mbuf) + RTE_PKTMBUF_HEADROOM + room;
}

uint32_t
weir_mempool_element(uint32_t room)
{
	return rte_mempool_calc_obj_size(element(room), 0, NULL);
}

static void
free_zone(struct rte_mempool_memhdr *hdr, void *zone)
{
	RTE_SET_USED(hdr);
	rte_memzone_free(zone);
}

/* Lays the buffers out back to back in one piece of memory, where IO addresses are virtual ones and
 * thus contiguous over any number of pages. By default DPDK keeps each buffer within a page; with
 * 4 kB pages that puts one on a page, so all headers fall into the same few sets of the CPU's caches
 * and evict each other: net_null forwards a third of what it does with huge pages. */
static int
populate_packed(struct rte_mempool *mp)
{
	char name[RTE_MEMZONE_NAMESIZE];
	const struct rte_memzone *zone;
	size_t chunk, align;
	ssize_t size;
	int rc;

	size = rte_mempool_op_calc_mem_size_helper(mp, mp->size, 0, 0, &chunk, &align);
	if (size < 0)
		return size;
	snprintf(name, sizeof(name), "%.20s_mem", mp->name);
	zone = rte_memzone_reserve_aligned(name, size, mp->socket_id, 0, align);
	if (zone == NULL)
		return -rte_errno;
	/* With this flag buffers may cross pages; it also makes the pool one that devices must not use,
	 * which does not hold here: every buffer gets its IO address. */
	mp->flags |= RTE_MEMPOOL_F_NO_IOVA_CONTIG;
	rc = rte_mempool_populate_iova(mp, zone->addr, zone->iova, zone->len, free_zone, (void *)(uintptr_t)zone);
	mp->flags &= ~(RTE_MEMPOOL_F_NO_IOVA_CONTIG | RTE_MEMPOOL_F_NON_IO);
	if (rc <= 0)
		rte_memzone_free(zone);
	return rc;
}

static int
fill(struct rte_mempool *mp, const struct rte_pktmbuf_pool_private *priv)
{
	int rc;

	rc = rte_mempool_set_ops_byname(mp, rte_mbuf_best_mempool_ops(), NULL);
	if (rc != 0)
		return rc;
	rte_pktmbuf_pool_init(mp, (void *)(uintptr_t)priv);
	rc = rte_eal_iova_mode() == RTE_IOVA_VA ? populate_packed(mp) : rte_mempool_populate_default(mp);
	if (rc < 0)
		return rc;
	if (mp->populated_size < mp->size)
		return -ENOMEM;
	rte_mempool_obj_iter(mp, rte_pktmbuf_init, NULL);
	return 0;
}

struct rte_mempool *
weir_mempool_create(const char *name, uint32_t count, uint32_t room, uint32_t cache, int socket, int *err)
{
	const struct rte_pktmbuf_pool_private priv = { .mbuf_data_room_size = RTE_PKTMBUF_HEADROOM + room };
	struct rte_mempool *mp;
	int rc;

	mp = rte_mempool_create_empty(name, count, element(room), cache, sizeof(struct rte_pktmbuf_pool_private), socket, 0);
	if (mp == NULL) {
		*err = rte_errno;
		return NULL;
	}
	rc = fill(mp, &priv);
	if (rc != 0) {
		rte_mempool_free(mp);
		*err = -rc;
		return NULL;
	}
	return mp;
}
