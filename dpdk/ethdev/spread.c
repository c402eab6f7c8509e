#include "spread.h"

#include <errno.h>
#include <string.h>

#include <rte_common.h>
#include <rte_ethdev.h>

#define USUAL_KEY 40 /* bytes, where a driver does not tell: that of struct rte_eth_rss_conf */

int
weir_device_spread(uint16_t port, struct weir_spread *s)
{
	uint8_t key[UINT8_MAX] = { 0 }; /* some drivers copy theirs whatever length they are told */
	struct rte_eth_rss_reta_entry64 groups[WEIR_RSS_TABLE / RTE_ETH_RETA_GROUP_SIZE] = { 0 };
	struct rte_eth_rss_conf conf = { .rss_key = key };
	struct rte_eth_dev_info info;
	int rc = rte_eth_dev_info_get(port, &info);

	if (rc != 0)
		return rc;
	if (info.hash_key_size == 0)
		info.hash_key_size = USUAL_KEY;
	if (info.hash_key_size > WEIR_RSS_KEY || info.reta_size == 0 || info.reta_size > WEIR_RSS_TABLE)
		return -ENOTSUP;
	conf.rss_key_len = info.hash_key_size;
	rc = rte_eth_dev_rss_hash_conf_get(port, &conf);
	if (rc != 0)
		return rc;
	for (uint16_t i = 0; i < info.reta_size; i++)
		groups[i / RTE_ETH_RETA_GROUP_SIZE].mask |= RTE_BIT64(i % RTE_ETH_RETA_GROUP_SIZE);
	rc = rte_eth_dev_rss_reta_query(port, groups, info.reta_size);
	if (rc != 0)
		return rc;
	s->functions = conf.rss_hf;
	s->key_size = info.hash_key_size;
	memcpy(s->key, key, s->key_size);
	s->table_size = info.reta_size;
	for (uint16_t i = 0; i < info.reta_size; i++)
		s->table[i] = groups[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE];
	return 0;
}
