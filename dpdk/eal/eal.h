#ifndef WEIR_EAL_H
#define WEIR_EAL_H

#include <stdint.h>

/* Calls rte_eal_init and gives the calling thread its affinity back. Returns 0 or a negative errno.
 * DPDK keeps pointers into argv: it must stay allocated. */
int weir_eal_init(int argc, char **argv);

/* Reads the time stamp counter and CLOCK_MONOTONIC (nanoseconds) as of the same moment. */
void weir_clock_sample(uint64_t *tsc, uint64_t *ns);

#endif
