package eal

/*
#include <rte_config.h>
#include <rte_version.h>
*/
import "C"

// Version is the name and version of the DPDK library in use, as in "DPDK 22.11.11".
func Version() string { return C.GoString(C.rte_version()) }

// DriverFolder is where that library looks for its drivers.
const DriverFolder = C.RTE_EAL_PMD_PATH
