// Package beaker and not beaker_test: opContext is not exported, and a store sees it as
// any context. Time is that of testing/synctest: nothing waits, and a goroutine that is
// left behind fails the test.
package beaker

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed12c5fab1/beaker/internal/bubble"
)

const opTimeout = 2 * time.Second

type opKey struct{}

// elapse lets time pass, and what is due then happen.
func elapse(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func isDone(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return true
	default:
		return false
	}
}

// uses are the two ways in which an operation asks: of a context that nobody waits for,
// and of one that has a timer.
var uses = map[string]func(context.Context){
	"asked":     func(context.Context) {},
	"waited on": func(ctx context.Context) { _ = ctx.Done() },
}

func eachUse(t *testing.T, f func(t *testing.T, use func(context.Context))) {
	t.Helper()
	for name, use := range uses {
		t.Run(name, func(t *testing.T) { bubble.Test(t, func(t *testing.T) { f(t, use) }) })
	}
}

func wantErr(ctx context.Context, t *testing.T, when string, want error) {
	t.Helper()
	if got := ctx.Err(); !errors.Is(got, want) || (want == nil) != (got == nil) {
		t.Errorf("%s: Err is %v, want %v", when, got, want)
	}
	if done := isDone(ctx); done != (want != nil) {
		t.Errorf("%s: done is %v", when, done)
	}
	if got := ctx.Err(); !errors.Is(got, want) || (want == nil) != (got == nil) {
		t.Errorf("%s: after Done, Err is %v, want %v", when, got, want)
	}
}

func TestOpContextEndsAfterItsTimeout(t *testing.T) {
	eachUse(t, func(t *testing.T, use func(context.Context)) {
		op := new(opContext).start(t.Context(), opTimeout)
		defer op.stop()
		elapse(time.Hour) // the clock is read at the first use
		first := time.Now()
		if d, ok := op.Deadline(); !ok || !d.Equal(first.Add(opTimeout)) {
			t.Errorf("the deadline is %v after the first use", d.Sub(first))
		}
		use(op)
		elapse(opTimeout - 1)
		if err := op.Err(); err != nil {
			t.Errorf("a nanosecond before: %v", err)
		}
		elapse(1)
		wantErr(op, t, "at the deadline", context.DeadlineExceeded)
		if d, _ := op.Deadline(); !d.Equal(first.Add(opTimeout)) {
			t.Error("the deadline moved")
		}
	})
}

// Whichever is the first use fixes the deadline.
func TestOpContextIsArmedByAnyUse(t *testing.T) {
	for name, first := range map[string]func(*opContext){
		"Deadline": func(c *opContext) { _, _ = c.Deadline() },
		"Err":      func(c *opContext) { _ = c.Err() },
		"Done":     func(c *opContext) { _ = c.Done() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				op := new(opContext).start(t.Context(), opTimeout)
				defer op.stop()
				first(op)
				elapse(opTimeout)
				wantErr(op, t, "at the deadline", context.DeadlineExceeded)
			})
		})
	}
}

func TestOpContextKeepsAnEarlierDeadline(t *testing.T) {
	eachUse(t, func(t *testing.T, use func(context.Context)) {
		for name, begin := range map[string]func(*opContext, context.Context, time.Duration) *opContext{"start": (*opContext).start, "detach": (*opContext).detach} {
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			op := begin(new(opContext), ctx, opTimeout)
			if d, ok := op.Deadline(); !ok || !d.Equal(began.Add(time.Second)) {
				t.Errorf("%s: the deadline is after %v", name, d.Sub(began))
			}
			use(op)
			elapse(time.Second)
			synctest.Wait()
			wantErr(op, t, name, context.DeadlineExceeded)
			op.stop()
			cancel()

			ctx, cancel = context.WithTimeout(t.Context(), time.Hour)
			op = begin(new(opContext), ctx, opTimeout)
			began = time.Now()
			if d, ok := op.Deadline(); !ok || !d.Equal(began.Add(opTimeout)) {
				t.Errorf("%s: a later deadline is %v", name, d.Sub(began))
			}
			op.stop()
			cancel()
		}
	})
}

func TestOpContextEndsWithItsParent(t *testing.T) {
	eachUse(t, func(t *testing.T, use func(context.Context)) {
		ctx, cancel := context.WithCancel(t.Context())
		op := new(opContext).start(ctx, opTimeout)
		defer op.stop()
		use(op)
		if err := op.Err(); err != nil {
			t.Fatal(err)
		}
		cancel()
		synctest.Wait()
		wantErr(op, t, "when the parent is cancelled", context.Canceled)
		elapse(opTimeout)
		wantErr(op, t, "later", context.Canceled) // an end is an end: it does not change
	})
}

func TestOpContextOfAParentThatHasEnded(t *testing.T) {
	eachUse(t, func(t *testing.T, use func(context.Context)) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		op := new(opContext).start(ctx, opTimeout)
		defer op.stop()
		use(op)
		wantErr(op, t, "at once", context.Canceled)
	})
}

// A logout is not undone by closing the laptop.
func TestDetachedOpContextGoesOnWithoutTheClient(t *testing.T) {
	eachUse(t, func(t *testing.T, use func(context.Context)) {
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), opKey{}, "value"))
		op := new(opContext).detach(ctx, opTimeout)
		defer op.stop()
		use(op)
		_ = op.Err()
		cancel()
		synctest.Wait()
		wantErr(op, t, "when the client is gone", nil)
		child, cancelChild := context.WithCancel(op)
		defer cancelChild()
		synctest.Wait()
		wantErr(child, t, "derived", nil)
		if op.Value(opKey{}) != "value" {
			t.Error("the values are lost")
		}
		elapse(opTimeout)
		synctest.Wait()
		wantErr(op, t, "at the deadline", context.DeadlineExceeded)
		wantErr(child, t, "derived, at the deadline", context.DeadlineExceeded)
	})
}

func TestDetachedOpContextOfAClientThatHasGone(t *testing.T) {
	eachUse(t, func(t *testing.T, use func(context.Context)) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		op := new(opContext).detach(ctx, opTimeout)
		defer op.stop()
		use(op)
		wantErr(op, t, "at once", nil)
	})
}

// What drivers derive from the context ends with it, whatever ends it.
func TestContextsDerivedFromAnOpContextSeeItsEnd(t *testing.T) {
	for name, end := range map[string]struct {
		do   func(cancel context.CancelFunc, op *opContext)
		want error
	}{
		"the timeout":   {func(context.CancelFunc, *opContext) { elapse(opTimeout) }, context.DeadlineExceeded},
		"the parent":    {func(cancel context.CancelFunc, _ *opContext) { cancel() }, context.Canceled},
		"the operation": {func(_ context.CancelFunc, op *opContext) { op.stop() }, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			eachUse(t, func(t *testing.T, use func(context.Context)) {
				parent, cancel := context.WithCancel(t.Context())
				defer cancel()
				op := new(opContext).start(parent, opTimeout)
				defer op.stop()
				use(op)
				child, cancel1 := context.WithCancel(op)
				defer cancel1()
				timed, cancel2 := context.WithTimeout(child, time.Hour)
				defer cancel2()
				called := make(chan struct{})
				stop := context.AfterFunc(op, func() { close(called) })
				defer stop()
				if child.Err() != nil || timed.Err() != nil {
					t.Fatal("ended before the end")
				}
				end.do(cancel, op)
				synctest.Wait()
				wantErr(child, t, "WithCancel", end.want)
				wantErr(timed, t, "WithTimeout", end.want)
				select {
				case <-called:
				default:
					t.Error("AfterFunc was not called")
				}
			})
		})
	}
}

// opaque is a parent that hides what it is: contexts that are derived from such a one
// need a goroutine that watches it.
type opaque struct{ context.Context }

func (o opaque) Value(any) any { return nil }

// A driver that derives a context costs no goroutine; and where the parent is one that
// needs to be watched, stop ends the watcher: bubble.Test fails if anything is left.
func TestOpContextLeavesNoGoroutine(t *testing.T) {
	for name, wrap := range map[string]func(context.Context) context.Context{
		"a parent of package context": func(ctx context.Context) context.Context { return ctx },
		"a request's context":         func(ctx context.Context) context.Context { return (*ownContext)(&request{parent: ctx}) },
		"an opaque parent":            func(ctx context.Context) context.Context { return opaque{ctx} },
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				parent, cancel := context.WithCancel(t.Context())
				defer cancel() // after the check: the parent lives on
				before := runtime.NumGoroutine()
				op := new(opContext).start(wrap(parent), opTimeout)
				child, cancelChild := context.WithCancel(op)
				_, isOpaque := wrap(parent).(opaque)
				if n := runtime.NumGoroutine() - before; n > 0 && !isOpaque {
					t.Errorf("%d goroutines watch a context that is derived", n)
				}
				detached := new(opContext).detach(wrap(parent), opTimeout)
				_ = detached.Done()
				detached.stop()
				op.stop()
				op.stop() // twice is allowed
				synctest.Wait()
				if n := runtime.NumGoroutine() - before; n > 0 {
					t.Errorf("%d goroutines are left", n)
				}
				wantErr(child, t, "after stop", context.Canceled)
				cancelChild()
			})
		})
	}
	new(opContext).start(t.Context(), opTimeout).stop() // nobody asked
}

// A store in memory only looks whether the context is done: that costs no allocation.
func TestOpContextThatNobodyWaitsForAllocatesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), opKey{}, "value"))
	defer cancel()
	const runs = 100
	ops := make([]opContext, 2*(runs+1))
	n := testing.AllocsPerRun(runs, func() {
		a, b := ops[0].start(ctx, opTimeout), ops[1].detach(ctx, opTimeout)
		ops = ops[2:]
		for _, op := range []*opContext{a, b} {
			if op.Err() != nil || op.Value(opKey{}) != "value" {
				t.Error("not as it began")
			}
			_, _ = op.Deadline()
			op.stop()
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestOpContextFindsItsParentsValues(t *testing.T) {
	eachUse(t, func(t *testing.T, use func(context.Context)) {
		ctx := context.WithValue(t.Context(), opKey{}, "value")
		for name, op := range map[string]*opContext{"start": new(opContext).start(ctx, opTimeout), "detach": new(opContext).detach(ctx, opTimeout)} {
			use(op)
			if op.Value(opKey{}) != "value" || op.Value("other") != nil {
				t.Errorf("%s: %v", name, op.Value(opKey{}))
			}
			op.stop()
			if op.Value(opKey{}) != "value" {
				t.Errorf("%s, after stop: %v", name, op.Value(opKey{}))
			}
		}
	})
}

// Drivers use a context from several goroutines: under the race detector.
func TestOpContextIsUsedConcurrently(t *testing.T) {
	for range 50 {
		parent, cancel := context.WithCancel(t.Context())
		op := new(opContext).start(parent, time.Minute)
		var ready, wg sync.WaitGroup
		ready.Add(6)
		begin := make(chan struct{})
		for _, f := range []func(){
			func() { _, _ = op.Deadline() },
			func() { _ = op.Err() },
			func() { _ = op.Value(opKey{}) },
			func() {
				c, cancel := context.WithCancel(op)
				defer cancel()
				<-c.Done()
			},
			func() { <-op.Done() },
			func() { cancel() },
		} {
			wg.Go(func() {
				ready.Done()
				<-begin
				f()
			})
		}
		ready.Wait()
		close(begin)
		wg.Wait()
		if !errors.Is(op.Err(), context.Canceled) {
			t.Fatal(op.Err())
		}
		op.stop()
	}
}

// An operation that starts where the clock has just been read has its deadline from
// then on, and the first look takes it for not over unless it is.
func TestOpContextStartedAt(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		op := new(opContext).start(t.Context(), opTimeout).startedAt(time.Now())
		defer op.stop()
		if err := op.Err(); err != nil {
			t.Error(err)
		}
		elapse(opTimeout - 1)
		if err := op.Err(); err != nil {
			t.Errorf("a nanosecond before: %v", err)
		}
		elapse(1)
		wantErr(op, t, "at the deadline", context.DeadlineExceeded)

		parent, cancel := context.WithDeadline(t.Context(), time.Now())
		defer cancel()
		late := new(opContext).detach(parent, opTimeout).startedAt(time.Now())
		defer late.stop()
		wantErr(late, t, "with a deadline that has passed", context.DeadlineExceeded)

		gone, leave := context.WithCancel(t.Context())
		leave()
		ended := new(opContext).start(gone, opTimeout).startedAt(time.Now())
		defer ended.stop()
		wantErr(ended, t, "with a parent that has ended", context.Canceled)
	})
}
