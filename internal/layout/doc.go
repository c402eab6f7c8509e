// Package layout has no code: its tests hold the repository to its own rules: who may import whom, where cgo and
// unsafe memory may stand, and what its pages must list.
package layout
