// Package prepare has no code: its tests run scripts/nic and scripts/hugepages over trees that look like /sys, /proc and
// /etc, with a kernel of the tests' own behind the files.
package prepare
