//go:build race

package redisstore_test

// The race detector allocates, and empties pools at random.
const raceDetector = true
