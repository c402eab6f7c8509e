// Package layout has no code: its test holds the repository to its own rules, who may import whom and where cgo and
// unsafe memory may stand.
package layout
