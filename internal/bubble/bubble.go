// Package bubble runs tests in bubbles of [testing/synctest], where time is virtual, on
// machines in FIPS 140-3 mode too.
package bubble

import (
	"crypto/fips140"
	"crypto/rand"
	"runtime/debug"
	"sync"
	"testing"
	"testing/synctest"
)

// Test is [synctest.Test], after it has seen to it that crypto/rand need not be seeded
// within the bubble.
//
// In FIPS 140-3 mode Go seeds its generators from the jitter of the clock, and the clock
// of a bubble has none: the first random byte there is a panic ("failed to obtain initial
// entropy"). So generators are seeded before, one for each goroutine that may draw at the
// same moment, and kept until the test is over: they lie in a [sync.Pool], which the
// garbage collector empties.
func Test(t *testing.T, f func(*testing.T)) {
	t.Helper()
	if fips140.Enabled() {
		noCollector.enter()
		t.Cleanup(noCollector.leave)
		seed()
	}
	synctest.Test(t, f)
}

// seed leaves several seeded generators in the pool of crypto/rand. It has one for each
// call of Read that is under way, and calls for much at once last long enough to overlap.
func seed() {
	const generators, much = 4, 16 << 20
	var wg sync.WaitGroup
	for range generators {
		wg.Go(func() { _, _ = rand.Read(make([]byte, much)) }) // it never fails
	}
	wg.Wait()
}

// noCollector keeps the garbage collector off while at least one test wants it off.
var noCollector collector

type collector struct {
	mu      sync.Mutex
	tests   int
	percent int // what is to be set again
}

func (c *collector) enter() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tests++; c.tests == 1 {
		c.percent = debug.SetGCPercent(-1)
	}
}

func (c *collector) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tests--; c.tests == 0 {
		debug.SetGCPercent(c.percent)
	}
}
