//go:build race

package beaker_test

const raceDetector = true
