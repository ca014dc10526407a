//go:build race

package memcachetest

// The race detector allocates, and empties pools at random.
const raceDetector = true
