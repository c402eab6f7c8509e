#include "device.h"

#include <rte_common.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_version.h>

#define L4_CHECKSUMS (RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM | RTE_ETH_RX_OFFLOAD_SCTP_CKSUM)
#define RX_CHECKSUMS (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | L4_CHECKSUMS)

/* Whether the largest frame may take the device several buffers. A device may fill less of a buffer than there is. */
static int
scatters(const struct rte_eth_dev_info *info, const struct weir_setup *s)
{
	uint32_t room = s->room;

#if RTE_VERSION >= RTE_VERSION_NUM(23, 11, 0, 0)
	if (info->max_rx_bufsize != 0)
		room = RTE_MIN(room, info->max_rx_bufsize);
#else
	RTE_SET_USED(info);
#endif
	return s->frame > room;
}

int
weir_device_configure(uint16_t port, const struct weir_setup *s)
{
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf = { .rxmode.mtu = s->mtu };
	int rc = rte_eth_dev_info_get(port, &info);

	if (rc != 0)
		return rc;
	conf.rxmode.offloads = info.rx_offload_capa & RX_CHECKSUMS;
	if (s->vlans)
		conf.rxmode.offloads |= info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_VLAN_STRIP;
	if (scatters(&info, s))
		conf.rxmode.offloads |= info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
	if (s->no_l4_checksum)
		conf.rxmode.offloads &= ~(uint64_t)L4_CHECKSUMS;
	if (s->fast_free)
		conf.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
	if (s->rss && s->rx_queues > 1) {
		conf.rx_adv_conf.rss_conf.rss_hf =
			(RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_SCTP) & info.flow_type_rss_offloads;
		if (conf.rx_adv_conf.rss_conf.rss_hf != 0) {
			conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
			conf.rxmode.offloads |= info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_RSS_HASH;
		}
	}
	return rte_eth_dev_configure(port, s->rx_queues, s->tx_queues, &conf);
}

int
weir_device_link(uint16_t port, int *up, uint32_t *mbps)
{
	struct rte_eth_link link;
	int rc = rte_eth_link_get_nowait(port, &link);

	if (rc != 0)
		return rc;
	*up = link.link_status == RTE_ETH_LINK_UP;
	*mbps = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
	return 0;
}

void
weir_device_drain(uint16_t port, uint16_t rx_queues, uint32_t max)
{
	struct rte_mbuf *m[64];

	for (uint16_t q = 0; q < rx_queues; q++) {
		for (uint32_t left = max; left >= RTE_DIM(m); left -= RTE_DIM(m)) {
			uint16_t n = rte_eth_rx_burst(port, q, m, RTE_DIM(m));

			if (n == 0)
				break;
			rte_pktmbuf_free_bulk(m, n);
		}
	}
}
