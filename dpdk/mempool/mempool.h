#ifndef WEIR_MEMPOOL_H
#define WEIR_MEMPOOL_H

#include <stdint.h>

struct rte_mempool;

/* Makes a pool of count packet buffers with DPDK's headroom and room bytes behind it, or returns NULL and a
 * positive errno in *err. socket is a NUMA node or SOCKET_ID_ANY. */
struct rte_mempool *weir_mempool_create(const char *name, uint32_t count, uint32_t room, uint32_t cache, int socket, int *err);

/* The memory one buffer takes, in bytes. */
uint32_t weir_mempool_element(uint32_t room);

#endif
