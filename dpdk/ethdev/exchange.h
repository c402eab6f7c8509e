/* The burst exchange. The structures mirror package fastpath/port, field by field; layout.go and the
 * assertions here keep them the same. */
#ifndef WEIR_EXCHANGE_H
#define WEIR_EXCHANGE_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

struct rte_mbuf;
struct rte_mempool;

enum {
	WEIR_BURST_SIZE = 64,
	WEIR_TX_SIZE = 512,
	WEIR_FREE_SIZE = 1024,
	WEIR_SPARE_SIZE = 32,
};

enum {
	WEIR_HASH_VALID = 1 << 0,
	WEIR_BAD_IP_CHECKSUM = 1 << 1,
	WEIR_BAD_L4_CHECKSUM = 1 << 2,
	WEIR_SEGMENTED = 1 << 3,
	WEIR_VLAN_STRIPPED = 1 << 4,
};

/* port.Frame */
struct weir_frame {
	uint8_t *data;
	struct rte_mbuf *buf;
	uint32_t len;
	uint32_t hash;
	uint16_t room;
	uint16_t tail;
	uint16_t flags;
	uint8_t port;
	uint8_t proto;
};

static_assert(sizeof(struct weir_frame) == 32, "port.Frame");
static_assert(offsetof(struct weir_frame, data) == 0, "port.Frame.Data");
static_assert(offsetof(struct weir_frame, buf) == 8, "port.Frame.Buf");
static_assert(offsetof(struct weir_frame, len) == 16, "port.Frame.Len");
static_assert(offsetof(struct weir_frame, hash) == 20, "port.Frame.Hash");
static_assert(offsetof(struct weir_frame, room) == 24, "port.Frame.Room");
static_assert(offsetof(struct weir_frame, tail) == 26, "port.Frame.Tail");
static_assert(offsetof(struct weir_frame, flags) == 28, "port.Frame.Flags");
static_assert(offsetof(struct weir_frame, port) == 30, "port.Frame.Port");
static_assert(offsetof(struct weir_frame, proto) == 31, "port.Frame.Proto");

/* port.Burst. Read and written by the queue's worker only, in Go between and in C during exchanges. */
struct weir_burst {
	uint32_t nrx;
	uint32_t ntx;
	uint32_t nfree;
	uint32_t nspare;
	uint64_t now;
	uint64_t tx_frames;
	uint64_t tx_bytes;
	struct weir_frame rx[WEIR_BURST_SIZE];
	struct weir_frame tx[WEIR_TX_SIZE];
	struct weir_frame spare[WEIR_SPARE_SIZE];
	struct rte_mbuf *free[WEIR_FREE_SIZE];
};

static_assert(offsetof(struct weir_burst, nrx) == 0, "port.Burst.NRX");
static_assert(offsetof(struct weir_burst, ntx) == 4, "port.Burst.NTX");
static_assert(offsetof(struct weir_burst, nfree) == 8, "port.Burst.NFree");
static_assert(offsetof(struct weir_burst, nspare) == 12, "port.Burst.NSpare");
static_assert(offsetof(struct weir_burst, now) == 16, "port.Burst.Now");
static_assert(offsetof(struct weir_burst, tx_frames) == 24, "port.Burst.TxFrames");
static_assert(offsetof(struct weir_burst, tx_bytes) == 32, "port.Burst.TxBytes");
static_assert(offsetof(struct weir_burst, rx) == 40, "port.Burst.RX");
static_assert(offsetof(struct weir_burst, tx) == 2088, "port.Burst.TX");
static_assert(offsetof(struct weir_burst, spare) == 18472, "port.Burst.Spare");
static_assert(offsetof(struct weir_burst, free) == 19496, "port.Burst.Free");
static_assert(sizeof(struct weir_burst) == 27688, "port.Burst");

/* One worker's side of one port: constant once made, except for its counter. */
struct weir_queue {
	struct weir_burst *burst;
	struct rte_mempool *pool; /* of the spare buffers, and of those that segments are joined in */
	uint64_t tsc_start;       /* eal.Clock */
	uint64_t tsc_mult;
	uint32_t max_frame;       /* bytes of the largest frame the device sends */
	uint16_t port;            /* DPDK's port id */
	uint16_t queue;
	uint8_t has_rx;
	uint8_t has_tx;
	uint8_t partial;          /* received checksums may be half made: partial.h */
	uint64_t oversized;       /* frames dropped for being larger; worker: wo, others: ro */
};

/* Makes a queue with an empty burst; NULL if there is no memory. */
struct weir_queue *weir_queue_new(const struct weir_queue *template);

/* Gives back every buffer the burst still owns (not the received ones, which are the worker's), and
 * the queue's memory. */
void weir_queue_free(struct weir_queue *q);

/* port.Queue.Exchange */
void weir_exchange(uintptr_t queue, uint32_t limit);

uint64_t weir_queue_oversized(const struct weir_queue *q);

#endif
