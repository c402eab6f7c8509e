// Package e2e has no code: its tests run the built bin/weir as its users do, over captures, virtual devices and
// network namespaces. They need root and what scripts/setup installs; make test provides both.
package e2e
