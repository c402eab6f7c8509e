#include "segments.h"

#include <rte_mbuf.h>

struct rte_mbuf *
weir_join(struct rte_mempool *pool, struct rte_mbuf *m)
{
	struct rte_mbuf *whole;

	if (rte_pktmbuf_linearize(m) == 0)
		return m;
	if (m->pkt_len + RTE_PKTMBUF_HEADROOM > rte_pktmbuf_data_room_size(pool))
		return m; /* rte_pktmbuf_copy would make segments again */
	whole = rte_pktmbuf_copy(m, pool, 0, m->pkt_len);
	if (whole == NULL)
		return m;
	rte_pktmbuf_free(m);
	return whole;
}
