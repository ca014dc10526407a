package beaker

import (
	"context"
	"sync"
	"time"
)

// opContext bounds one store operation. It is a context.WithTimeout that reads the
// clock at its first use and makes its timer only when somebody waits: stores in
// memory never do, and three allocations a request would be most of what a read costs.
// It is used for one operation only, since a store may keep it for longer.
type opContext struct {
	values  context.Context
	parent  context.Context // its end also ends the operation; nil: it does not
	timeout time.Duration

	mu       sync.Mutex
	deadline time.Time
	timed    context.Context
	cancel   context.CancelFunc
	stopped  bool
	fresh    bool // armed at the start, and Err was not asked yet
}

var _ context.Context = (*opContext)(nil)

// start makes c the context of one operation that ends with ctx.
func (c *opContext) start(ctx context.Context, timeout time.Duration) *opContext {
	c.values, c.parent, c.timeout = ctx, ctx, timeout
	return c
}

// startedAt is start where the clock has just been read: the first look at Err, with
// which stores begin, need not read it again.
func (c *opContext) startedAt(now time.Time) *opContext {
	c.arm(now)
	c.fresh = now.Before(c.deadline)
	return c
}

// detach is start for an operation that goes on when the client is gone: a logout is
// not undone by closing the laptop. The deadline of ctx still holds.
func (c *opContext) detach(ctx context.Context, timeout time.Duration) *opContext {
	c.start(ctx, timeout).parent = nil
	return c
}

// stop releases the timer.
func (c *opContext) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	if c.cancel != nil {
		c.cancel()
	}
}

// arm fixes the deadline at the first use, which is now. The mutex is held.
func (c *opContext) arm(now time.Time) {
	if !c.deadline.IsZero() {
		return
	}
	c.deadline = now.Add(c.timeout)
	if d, ok := c.values.Deadline(); ok && d.Before(c.deadline) {
		c.deadline = d
	}
}

func (c *opContext) Deadline() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.arm(time.Now()) //nolint:forbidigo // a real wait, not session time
	return c.deadline, true
}

// Value lets contexts derived from c find its timer, once it has one, so that they
// need no goroutine to watch it.
func (c *opContext) Value(key any) any {
	c.mu.Lock()
	ctx := c.values
	if c.timed != nil {
		ctx = c.timed
	}
	c.mu.Unlock()
	return ctx.Value(key)
}

func (c *opContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timed == nil {
		c.arm(time.Now()) //nolint:forbidigo // a real wait, not session time
		parent := c.parent
		if parent == nil {
			parent = context.WithoutCancel(c.values)
		}
		c.timed, c.cancel = context.WithDeadline(parent, c.deadline)
		if c.stopped {
			c.cancel()
		}
	}
	return c.timed.Done()
}

func (c *opContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timed != nil {
		return c.timed.Err()
	}
	if c.stopped {
		return context.Canceled
	}
	if c.parent != nil {
		if err := c.parent.Err(); err != nil {
			return err
		}
	}
	if c.fresh {
		c.fresh = false
		return nil
	}
	now := time.Now() //nolint:forbidigo // a real wait, not session time
	c.arm(now)
	if !now.Before(c.deadline) {
		return context.DeadlineExceeded
	}
	return nil
}
