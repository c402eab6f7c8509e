/* Checksums that a sender's kernel left to a device that there is not, as at the other end of a veth pair. */
#ifndef WEIR_PARTIAL_H
#define WEIR_PARTIAL_H

#include <netinet/in.h>
#include <stdint.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_hash_crc.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_sctp.h>
#include <rte_tcp.h>
#include <rte_udp.h>

/* Finds what follows the IP header of a frame that is TCP, UDP or SCTP in one piece without IPv6 extension headers: its
 * protocol, offset, length, and the sum of the pseudo-header. Returns 0 if it is none such. */
static inline int
weir_l4(const uint8_t *d, uint32_t len, uint8_t *proto, uint32_t *off, uint32_t *size, uint16_t *pseudo)
{
	uint32_t at = RTE_ETHER_HDR_LEN;
	uint16_t type;

	if (len < at + sizeof(struct rte_ipv4_hdr))
		return 0;
	type = *(const unaligned_uint16_t *)(d + at - 2);
	while (type == RTE_BE16(RTE_ETHER_TYPE_VLAN) || type == RTE_BE16(RTE_ETHER_TYPE_QINQ)) {
		at += sizeof(struct rte_vlan_hdr);
		if (len < at + sizeof(struct rte_ipv4_hdr))
			return 0;
		type = *(const unaligned_uint16_t *)(d + at - 2);
	}
	if (type == RTE_BE16(RTE_ETHER_TYPE_IPV4)) {
		const struct rte_ipv4_hdr *ip = (const void *)(d + at);
		uint32_t header = (ip->version_ihl & 15) * 4, total = rte_be_to_cpu_16(ip->total_length);

		if (ip->version_ihl >> 4 != 4 || header < sizeof(*ip) || total < header || len < at + total ||
		    (ip->fragment_offset & RTE_BE16(0x3fff)) != 0)
			return 0;
		*proto = ip->next_proto_id;
		*off = at + header;
		*size = total - header;
		*pseudo = rte_ipv4_phdr_cksum(ip, 0);
	} else if (type == RTE_BE16(RTE_ETHER_TYPE_IPV6) && len >= at + sizeof(struct rte_ipv6_hdr)) {
		const struct rte_ipv6_hdr *ip = (const void *)(d + at);

		*proto = ip->proto;
		*off = at + sizeof(*ip);
		*size = rte_be_to_cpu_16(ip->payload_len);
		if (len < *off + *size)
			return 0;
		*pseudo = rte_ipv6_phdr_cksum(ip, 0);
	} else {
		return 0;
	}
	return (*proto == IPPROTO_TCP && *size >= sizeof(struct rte_tcp_hdr)) ||
		(*proto == IPPROTO_UDP && *size >= sizeof(struct rte_udp_hdr)) ||
		(*proto == IPPROTO_SCTP && *size >= sizeof(struct rte_sctp_hdr));
}

/* Completes SCTP's CRC32c (RFC 9260 appendix A), which a sender leaves at 0. One in 2^32 right ones is 0, and comes out the same. */
static inline void
weir_complete_sctp(struct rte_sctp_hdr *h, uint32_t size)
{
	if (likely(h->cksum != 0))
		return;
	h->cksum = rte_cpu_to_le_32(~rte_hash_crc(h, size, 0xffffffff));
}

/* Completes the checksum of a frame whose field has the sum of the pseudo-header and no more. One in 65536 right
 * checksums is the same: those add up, and stay. */
static inline void
weir_complete(struct rte_mbuf *m)
{
	uint8_t *d = rte_pktmbuf_mtod(m, uint8_t *), proto;
	uint32_t off, size;
	uint16_t pseudo, sum;
	unaligned_uint16_t *field;

	if (!weir_l4(d, m->data_len, &proto, &off, &size, &pseudo))
		return;
	if (unlikely(proto == IPPROTO_SCTP)) {
		weir_complete_sctp((void *)(d + off), size);
		return;
	}
	field = (void *)(d + off + (proto == IPPROTO_TCP ? offsetof(struct rte_tcp_hdr, cksum) :
		offsetof(struct rte_udp_hdr, dgram_cksum)));
	if (likely(*field != pseudo))
		return;
	sum = rte_raw_cksum(d + off, size);
	if (__rte_raw_cksum_reduce((uint32_t)sum + pseudo) == 0xffff)
		return;
	sum = ~sum;
	/* UDP's 0 says that there is none (RFC 768); TCP's is a checksum like any other (RFC 1624 section 3). */
	*field = sum == 0 && proto == IPPROTO_UDP ? 0xffff : sum;
}

#endif
