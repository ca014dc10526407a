package sessiontest

import (
	"sync"
	"time"
)

// start is when a clock begins that is given no other time. It is no round number, so
// that code which cuts times off shows.
var start = time.Date(2026, time.January, 2, 15, 4, 5, 678_000_000, time.UTC)

// Clock is a clock that stands still until it is moved. Use its Now as
// beaker.Config.Now. It is safe for concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that shows the given time. The zero time stands for
// 2026-01-02 15:04:05.678 UTC, so that tests which do not care agree.
func NewClock(at time.Time) *Clock {
	if at.IsZero() {
		at = start
	}
	return &Clock{now: at}
}

// Now returns the time that the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock by d. A negative d moves it back, as an operator or a bad
// time server does.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Set makes the clock show t.
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}
