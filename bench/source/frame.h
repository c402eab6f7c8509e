/* The frames of the source, and the order they come in. Only this and traffic.go of weirbench know what the traffic
 * looks like; a test holds them against each other. Nothing here needs DPDK. */
#ifndef WEIR_SOURCE_FRAME_H
#define WEIR_SOURCE_FRAME_H

#include <stdint.h>
#include <string.h>

enum {
	FRAME_LEN = 64,
	SERVICES = 16,
	VIP_PORT = 7000,
	BACKEND_PORT = 8000,
	FIRST_PORT = 1024,
	CLIENT_BITS = 24,
	ETHER_LEN = 14,
};

/* A packet of one service in one direction, all but the client's address and port. */
struct template {
	uint8_t frame[FRAME_LEN];
	uint32_t ip_sum, l4_sum; /* of 16-bit words, as numbers: without the client and the checksum itself */
	uint8_t client_at;       /* where the last 32 bits of the client's address are */
	uint8_t port_at;
	uint8_t ip_sum_at;       /* 0: IPv6 has none */
	uint8_t l4_sum_at;
};

static inline uint16_t
load16(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

static inline void
store16(uint8_t *p, uint16_t v)
{
	v = __builtin_bswap16(v);
	memcpy(p, &v, sizeof(v));
}

static inline void
store32(uint8_t *p, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(p, &v, sizeof(v));
}

static inline uint32_t
add_words(const uint8_t *p, int n)
{
	uint32_t s = 0;

	for (int i = 0; i < n; i += 2)
		s += load16(p + i);
	return s;
}

/* The checksum of a sum of less than 2^24. */
static inline uint16_t
finish(uint32_t s)
{
	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	return ~s;
}

static void
make_template(struct template *t, int v6, int service, int reply)
{
	static const uint8_t weir[6] = { 2, 0, 0, 0, 0, 2 }, router[6] = { 2, 0, 0, 0, 0, 1 };
	static const uint8_t client4[4] = { 10 }, vip4[4] = { 203, 0, 113, 10 };
	static const uint8_t client6[16] = { 0x20, 1, 0xd, 0xb8, 0, 0xc };
	static const uint8_t vip6[16] = { 0x20, 1, 0xd, 0xb8, [15] = 0x10 };
	uint8_t backend4[4] = { 192, 0, 2, 16 + service };
	uint8_t backend6[16] = { 0x20, 1, 0xd, 0xb8, 0, 2, [14] = 0x10, [15] = service };
	uint8_t backend_mac[6] = { 2, 0, 0, 0, 1, service };
	int size = v6 ? 16 : 4, head = v6 ? 40 : 20;
	uint8_t *ip = t->frame + ETHER_LEN, *l4 = ip + head;
	uint8_t *src = ip + head - 2 * size, *dst = src + size;
	int l4_len = FRAME_LEN - ETHER_LEN - head;

	memset(t, 0, sizeof(*t));
	memcpy(t->frame, weir, 6);
	memcpy(t->frame + 6, reply ? backend_mac : router, 6);
	store16(t->frame + 12, v6 ? 0x86dd : 0x0800);
	memcpy(reply ? dst : src, v6 ? client6 : client4, size);
	if (reply)
		memcpy(src, v6 ? backend6 : backend4, size);
	else
		memcpy(dst, v6 ? vip6 : vip4, size);
	if (v6) {
		ip[0] = 0x60;
		store16(ip + 4, l4_len);
		ip[6] = 17;
		ip[7] = 64;
	} else {
		ip[0] = 0x45;
		store16(ip + 2, FRAME_LEN - ETHER_LEN);
		ip[8] = 64;
		ip[9] = 17;
		t->ip_sum_at = ETHER_LEN + 10;
		t->ip_sum = add_words(ip, head);
	}
	store16(l4 + (reply ? 0 : 2), (reply ? BACKEND_PORT : VIP_PORT) + service);
	store16(l4 + 4, l4_len);
	t->l4_sum_at = ETHER_LEN + head + 6;
	t->l4_sum = add_words(src, 2 * size) + add_words(l4, l4_len) + 17 + l4_len;
	t->client_at = (reply ? dst : src) + size - 4 - t->frame;
	t->port_at = ETHER_LEN + head + (reply ? 2 : 0);
}

/* Writes the packet of a connection. */
static inline void
write_frame(uint8_t *out, const struct template *t, uint64_t flow)
{
	uint32_t client = flow & ((1 << CLIENT_BITS) - 1);
	uint16_t port = FIRST_PORT + ((uint32_t)(flow >> CLIENT_BITS) ^ client * 0x9e3779b1u >> 17);
	uint32_t words = (client >> 16) + (client & 0xffff);
	uint16_t sum;
	uint32_t address;

	memcpy(out, t->frame, FRAME_LEN);
	memcpy(&address, t->frame + t->client_at, sizeof(address));
	store32(out + t->client_at, __builtin_bswap32(address) | client);
	store16(out + t->port_at, port);
	if (t->ip_sum_at != 0)
		store16(out + t->ip_sum_at, finish(t->ip_sum + words));
	sum = finish(t->l4_sum + words + port);
	store16(out + t->l4_sum_at, sum == 0 ? 0xffff : sum);
}

/* A walk through all numbers of some bits (4 to 63), each once, in an order without a pattern that a processor sees. */
struct walk {
	uint64_t at, mask;
	int half;
};

static inline void
start_walk(struct walk *w, int bits, uint64_t seed)
{
	w->mask = (1ULL << bits) - 1;
	w->half = bits / 2;
	w->at = seed & w->mask;
}

static inline uint64_t
step(struct walk *w)
{
	uint64_t x = w->at;

	/* Of full period: the factor is 1 more than a multiple of 4, the addend is odd (Hull, Dobell). */
	w->at = (x * 6364136223846793005ULL + 1442695040888963407ULL) & w->mask;
	/* Each step can be undone, so no number comes twice. */
	x ^= x >> w->half;
	x = x * 0x9e3779b97f4a7c15ULL & w->mask;
	return x ^ x >> w->half;
}

#endif
