//go:build !race

package memcachetest

const raceDetector = false
