/* Received frames that the device spread over several buffers. */
#ifndef WEIR_SEGMENTS_H
#define WEIR_SEGMENTS_H

struct rte_mbuf;
struct rte_mempool;

/* Puts a frame of several segments into one buffer: its own first one if the rest fits behind it, else a fresh one
 * of pool. Returns the buffer, or m as it was if the frame fits into neither or pool is empty. */
struct rte_mbuf *weir_join(struct rte_mempool *pool, struct rte_mbuf *m);

#endif
