//go:build race

package fastpath

// raceDetector tells that the race detector looks on.
const raceDetector = true
