package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// call is one method of a store, called in a way that does something.
type call struct {
	name string
	do   func(ctx context.Context) error
}

// everyCall returns a call of each method that the store has. All of them would change
// what is in the store, or fail: the record of h, the absence of fresh.
func (e *env) everyCall(h *held, fresh *beaker.Record) []call {
	s := e.a
	calls := []call{
		{"Create", func(ctx context.Context) error { return s.Create(ctx, fresh) }},
		{"Load", func(ctx context.Context) error { _, err := s.Load(ctx, h.key()); return err }},
		{"Load of no record", func(ctx context.Context) error { _, err := s.Load(ctx, fresh.Key()); return err }},
		{"Apply", func(ctx context.Context) error { _, err := s.Apply(ctx, h.key(), h.set("k", "changed")); return err }},
		{"Apply with a Base", func(ctx context.Context) error {
			ch := h.set("k", "changed")
			ch.Base = h.rec
			_, err := s.Apply(ctx, h.key(), ch)
			return err
		}},
		{"Apply of a touch", func(ctx context.Context) error {
			_, err := s.Apply(ctx, h.key(), h.touch(e.base+minute))
			return err
		}},
		{"Apply to no record", func(ctx context.Context) error {
			_, err := s.Apply(ctx, fresh.Key(), h.set("k", "changed"))
			return err
		}},
		{"Delete", func(ctx context.Context) error { return s.Delete(ctx, h.key()) }},
		{"Delete of no record", func(ctx context.Context) error { return s.Delete(ctx, fresh.Key()) }},
	}
	if l, ok := s.(beaker.Lister); ok {
		calls = append(calls,
			call{"List", func(ctx context.Context) error {
				_, _, err := l.List(ctx, beaker.ListQuery{})
				return err
			}},
			call{"List of a subject", func(ctx context.Context) error {
				_, _, err := l.List(ctx, beaker.ListQuery{Subject: "user-1", Limit: 1})
				return err
			}})
	}
	if p, ok := s.(beaker.Purger); ok {
		calls = append(calls, call{"Purge", func(ctx context.Context) error {
			_, err := p.Purge(ctx, e.base+1000*hour, 10)
			return err
		}})
	}
	if r, ok := s.(beaker.SubjectRevoker); ok {
		calls = append(calls, call{"RevokeSubject", func(ctx context.Context) error {
			_, err := r.RevokeSubject(ctx, "user-1", e.base+minute)
			return err
		}})
	}
	return calls
}

func contextChecks() []check {
	done := func(want error, end func(context.Context) (context.Context, context.CancelFunc)) func(e *env) {
		return func(e *env) {
			h := e.holdMeta(func(m *beaker.Meta) { m.Subject, m.AuthenticatedAt = "user-1", e.base }, "k", "v")
			fresh := e.unsaved()
			ctx, cancel := end(e.ctx())
			defer cancel()
			for _, c := range e.everyCall(h, fresh.rec) {
				if err := c.do(ctx); !errors.Is(err, want) {
					e.Errorf("%s: %s, want %v", c.name, outcome(0, err), want)
				}
				h.same("after " + c.name)
				fresh.gone("after " + c.name)
			}
			// No mark of a revocation was left either.
			if canRevoke(e.a) {
				ch := h.change()
				ch.Subject, ch.Began = ptr("user-1"), e.base
				h.apply(ch)
			}
		}
	}
	return []check{
		{"a cancelled context stops every method before it does anything", done(context.Canceled,
			func(ctx context.Context) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(ctx)
				cancel()
				return ctx, cancel
			})},
		{"so does a context whose deadline has passed", done(context.DeadlineExceeded,
			func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithDeadline(ctx, time.Now().Add(-time.Hour))
			})},
	}
}

func closeChecks() []check {
	return []check{
		{"after Close every method returns ErrClosed", func(e *env) {
			h := e.hold("k", "v")
			fresh := e.record(e.meta())
			e.close()
			for _, c := range e.everyCall(h, fresh) {
				if err := c.do(e.ctx()); !errors.Is(err, beaker.ErrClosed) {
					e.Errorf("%s: %s, want ErrClosed", c.name, outcome(0, err))
				}
			}
		}},
		{"Close may be called again", func(e *env) {
			e.close()
			e.close()
		}},
		{"Close while calls are under way harms none of them", func(e *env) {
			const callers = 6
			h := e.hold("k", "v")
			started := make(chan struct{}, callers)
			var closed atomic.Bool
			e.crowd(callers+1, func(i int, s beaker.Store) error {
				if i == callers {
					for range callers {
						<-started
					}
					defer closed.Store(true)
					return s.(io.Closer).Close()
				}
				for n := 0; ; n++ {
					after := closed.Load()
					_, err := s.Apply(e.ctx(), h.key(), h.touch(e.base+beaker.Millis(n)))
					if n == 0 {
						started <- struct{}{}
					}
					switch {
					case errors.Is(err, beaker.ErrClosed):
						return nil
					case after:
						return fmt.Errorf("Apply after Close: %s, want ErrClosed", outcome(0, err))
					case err != nil && !errors.Is(err, beaker.ErrUncertain):
						return fmt.Errorf("Apply during Close: %w", err)
					}
				}
			})
		}},
	}
}

func (e *env) close() {
	e.Helper()
	if err := e.a.(io.Closer).Close(); err != nil {
		e.Errorf("Close: %v", err)
	}
}
