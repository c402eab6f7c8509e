#ifndef WEIR_DEVICE_H
#define WEIR_DEVICE_H

#include <stdint.h>

/* What weir_device_configure is asked for. */
struct weir_setup {
	uint16_t rx_queues;
	uint16_t tx_queues;
	uint16_t mtu;
	uint32_t frame;    /* bytes of the largest frame received, with VLAN tags and CRC */
	uint32_t room;     /* bytes of it that one receive buffer takes */
	uint8_t rss;       /* spread over the queues by L3 and L4, as far as the device can */
	uint8_t vlans;     /* take VLAN tags off, as far as the device can */
	uint8_t fast_free; /* all buffers come from one pool and have one owner */
	/* Leave TCP and UDP checksums unverified: the device passes on packets whose checksum its host
	 * never filled in if it is told that they will be verified. */
	uint8_t no_l4_checksum;
};

/* Both return 0 or a negative errno. */
int weir_device_configure(uint16_t port, const struct weir_setup *s);
int weir_device_link(uint16_t port, int *up, uint32_t *mbps);

/* Frees the frames waiting in the receive queues, at most max of each. */
void weir_device_drain(uint16_t port, uint16_t rx_queues, uint32_t max);

#endif
