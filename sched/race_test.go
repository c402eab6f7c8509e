//go:build race

package sched

// raceDetector tells that the race detector looks on.
const raceDetector = true
