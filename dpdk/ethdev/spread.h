#ifndef WEIR_SPREAD_H
#define WEIR_SPREAD_H

#include <stdint.h>

/* Limits of what is read of a device's RSS. */
#define WEIR_RSS_KEY 52
#define WEIR_RSS_TABLE 512

/* A device's RSS as it is in force. */
struct weir_spread {
	uint64_t functions; /* RTE_ETH_RSS_* */
	uint16_t key_size;  /* bytes */
	uint16_t table_size;
	uint8_t key[WEIR_RSS_KEY];
	uint16_t table[WEIR_RSS_TABLE];
};

/* Returns 0 or a negative errno: -ENOTSUP if the device does not tell, or has more than there is room for. */
int weir_device_spread(uint16_t port, struct weir_spread *s);

#endif
