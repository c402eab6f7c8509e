// Package vm has no code: its test runs bin/weir on PCI NICs, bound to vfio-pci behind an IOMMU, in a virtual machine
// that stands in the lab in the place of its Weir (scripts/vm). It needs root and what scripts/setup vm installs.
package vm
