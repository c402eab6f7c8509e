#define _GNU_SOURCE
#include "eal.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>

int
weir_eal_init(int argc, char **argv)
{
	cpu_set_t before;
	int known = pthread_getaffinity_np(pthread_self(), sizeof(before), &before) == 0;
	int rc = rte_eal_init(argc, argv);
	int err = rc < 0 ? (rte_errno != 0 ? rte_errno : EIO) : 0;

	if (known)
		pthread_setaffinity_np(pthread_self(), sizeof(before), &before);
	return -err;
}

void
weir_clock_sample(uint64_t *tsc, uint64_t *ns)
{
	uint64_t best = UINT64_MAX;

	/* The narrowest of a few tries: the others were interrupted. */
	for (int i = 0; i < 8; i++) {
		struct timespec now;
		uint64_t before = rte_rdtsc_precise();

		clock_gettime(CLOCK_MONOTONIC, &now);
		uint64_t after = rte_rdtsc_precise();

		if (after - before >= best)
			continue;
		best = after - before;
		*tsc = before + best / 2;
		*ns = (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	}
}
