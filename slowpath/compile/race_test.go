//go:build race

package compile

// raceDetector tells that the race detector looks on.
const raceDetector = true
