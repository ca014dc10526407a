package storetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed12c5fab1/beaker"
)

func canWatch(s beaker.Store) bool { _, ok := s.(beaker.Watcher); return ok }

// listener is a Watch that runs.
type listener struct {
	*env
	told   chan beaker.RecordKey
	ended  chan error
	cancel context.CancelFunc
}

// listen lets a node hear what the others do.
func (e *env) listen(s beaker.Store) *listener {
	ctx, cancel := context.WithCancel(e.ctx())
	l := &listener{e, make(chan beaker.RecordKey, 1024), make(chan error, 1), cancel}
	go func() {
		l.ended <- s.(beaker.Watcher).Watch(ctx, func(key beaker.RecordKey) {
			select {
			case l.told <- key:
			default: // nobody waits for so many
			}
		})
	}()
	e.Cleanup(cancel)
	return l
}

// hears sees that the node is told of what act does, which is done again if need be: a
// node that has just begun to listen may miss it.
func (l *listener) hears(what string, act func() *held) {
	l.Helper()
	pause := l.patience / 20
	if err := l.soon(func() error {
		h := act()
		timer := time.NewTimer(pause)
		defer timer.Stop()
		for {
			select {
			case key := <-l.told:
				if key != h.key() {
					continue
				}
				h.newer(what)
				return nil
			case err := <-l.ended:
				l.Fatalf("Watch returned %v while it should listen", err)
			case <-timer.C:
				return fmt.Errorf("the other node was not told of %s", what)
			}
		}
	}); err != nil {
		l.Fatalf("%v", err)
	}
}

// newer sees, once, that a node which was told of a change loads nothing older.
func (h *held) newer(what string) {
	h.Helper()
	got, err := h.b.Load(h.ctx(), h.key())
	switch {
	case h.rec == nil && !errors.Is(err, beaker.ErrNotFound):
		h.Errorf("after the node was told of %s: Load: %s, want ErrNotFound", what, outcome(0, err))
	case h.rec != nil && err != nil:
		h.Errorf("after the node was told of %s: Load: %v", what, err)
	case h.rec != nil && got.Version() < h.rec.Version():
		h.Errorf("after the node was told of %s it loads version %d, older than %d", what, got.Version(), h.rec.Version())
	}
}

// over returns h as a session that is no more.
func (h *held) over() *held {
	return &held{env: h.env, store: h.store, rec: nil, was: h.rec.Key()}
}

func nodeWatchChecks() []check {
	return []check{
		{"a session that one node deletes is told of on the other", func(e *env) {
			l := e.listen(e.b)
			l.hears("Delete", func() *held {
				h := e.hold("k", "v")
				h.seenOn(e.b, "before Delete") // a copy that is in the way
				h.delete()
				return h.over()
			})
		}},
		{"a session that becomes another subject's on one node is told of on the other", func(e *env) {
			l := e.listen(e.b)
			l.hears("another subject", func() *held {
				h := e.hold("k", "v")
				h.seenOn(e.b, "before the sign-in")
				h.apply(h.signIn("user-2", e.base))
				return h
			})
		}},
		{"the sessions that one node revokes by subject are told of on the other", func(e *env) {
			if !canRevoke(e.a) {
				return // it has no such sessions
			}
			l := e.listen(e.b)
			at := e.base
			l.hears("RevokeSubject", func() *held {
				at++
				h := e.hold("k", "v")
				h.apply(h.signIn("user-1", at))
				h.seenOn(e.b, "before RevokeSubject")
				if _, err := e.a.(beaker.SubjectRevoker).RevokeSubject(e.ctx(), "user-1", at); err != nil {
					e.Fatalf("RevokeSubject: %v", err)
				}
				return h.over()
			})
		}},
		{"Watch returns when its context is done", func(e *env) {
			l := e.listen(e.b)
			l.cancel()
			timer := time.NewTimer(e.patience)
			defer timer.Stop()
			select {
			case err := <-l.ended:
				if !errors.Is(err, context.Canceled) {
					e.Errorf("Watch returned %v, want the context's error", err)
				}
			case <-timer.C:
				e.Errorf("Watch goes on")
			}
		}},
	}
}
