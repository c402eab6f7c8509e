#ifndef WEIR_IFACE_H
#define WEIR_IFACE_H

#include <stdint.h>

/* Runs one of ethtool's commands that take and return a number (ETHTOOL_GGRO and the like) on a
 * network interface. Returns 0 or a negative errno. */
int weir_iface_ethtool(const char *name, uint32_t command, uint32_t *value);

#endif
