package beaker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Watch returns a context that is done when the session ends, for responses that
// outlive it otherwise: server-sent events, WebSockets, long polls. Use it in place of
// the request's context, whose end and values it has too; it needs no release beyond
// that of ctx.
//
//	ctx := s.Watch(r.Context())
//	for {
//		select {
//		case <-ctx.Done():
//			return // the client left, or the session ended: context.Cause(ctx) tells
//		case msg := <-messages:
//			...
//		}
//	}
//
// A session ends when it is destroyed, revoked or purged, at its deadlines, and, for
// this purpose, when it becomes another subject's. The cause is then [ErrEnded]; it is
// [ErrClosed] after Manager.Close, so that a server can shut down. What ends it through
// this Manager is noticed at once, what another node does as soon as the store tells of
// it (see [Watcher]), and at the latest after Config.WatchInterval, plus the time for
// which the store serves copies, if it does. While the store cannot be asked, the watch
// goes on until the last known deadline and ends there with the store's error.
//
// Watching is not a use: it does not keep the session alive. Of a sealed session only
// the absolute deadline and revocations are noticed, and there a new secret counts as
// an end. A session that is not stored, such as a new one, has no end to wait for: the
// context is done from the start.
func (s *Session) Watch(ctx context.Context) context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	switch {
	case s.state == stateInert:
		cancel(inertError(s.cause))
	case s.state != stateLive:
		cancel(ErrEnded)
	default:
		rec := s.record()
		w := &watch{m: s.m, key: rec.key, subject: rec.subject, sealed: s.sealed != nil, rec: rec, alarm: make(chan struct{}, 1), cancel: cancel}
		if s.sealed != nil {
			w.epoch = s.sealed.epoch
		}
		w.alarm <- struct{}{} // it may have ended since it was loaded
		if !s.m.watches.start(ctx, w) {
			cancel(ErrClosed)
		}
	}
	return ctx
}

// watch waits for the end of one session.
type watch struct {
	m       *Manager
	key     RecordKey
	subject string
	sealed  bool
	epoch   epoch         // of a sealed session
	rec     *Record       // as it was seen last
	alarm   chan struct{} // somebody has reason to think that it has ended; holds one
	cancel  context.CancelCauseFunc
}

// run looks at the session when there is an alarm, when it should have ended, and from
// time to time, since alarms may be lost.
func (w *watch) run(ctx context.Context, closed <-chan struct{}) {
	for {
		timer := time.NewTimer(w.patience())
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-closed:
			timer.Stop()
			w.cancel(ErrClosed)
			return
		case <-w.alarm:
			timer.Stop()
		case <-timer.C:
		}
		if err := w.look(ctx); err != nil {
			w.cancel(err)
			return
		}
	}
}

func (w *watch) patience() time.Duration {
	left := time.Duration(w.deadline()-w.m.now()) * time.Millisecond
	return max(min(w.m.cfg.WatchInterval, left), 0)
}

func (w *watch) deadline() Millis {
	if w.sealed {
		return w.rec.abs // another request's cookie may say that it was used since
	}
	return w.rec.Expires()
}

// look returns why the session is over, or nil.
func (w *watch) look(ctx context.Context) error {
	rec, err := w.load(ctx)
	if ctx.Err() != nil {
		return nil //nolint:nilerr // nobody waits any more
	}
	now := w.m.now()
	switch {
	case errors.Is(err, ErrNotFound):
		return ErrEnded
	case err != nil:
		w.m.observe(ctx, Event{Name: EventStoreError, Handle: Handle(w.key), Detail: "watch", Err: err})
		if now >= w.deadline() {
			return fmt.Errorf("beaker: watch: %w", err)
		}
		return nil
	}
	w.rec = rec
	if now >= w.deadline() || rec.subject != w.subject || w.m.cfg.Secrets.rejects(rec) {
		return ErrEnded
	}
	return nil
}

func (w *watch) load(ctx context.Context) (*Record, error) {
	op := new(opContext).start(ctx, w.m.cfg.StoreTimeout)
	defer op.stop()
	if w.sealed {
		_, err := w.m.revoked.check(op, w.rec, w.epoch, Proof{})
		return w.rec, err
	}
	rec, err := w.m.store.Load(op, w.key)
	if err == nil && rec.key != w.key {
		err = fmt.Errorf("%w: the store returned the record of another key", ErrCorrupt)
	}
	return rec, err
}

func (w *watch) wake() {
	select {
	case w.alarm <- struct{}{}:
	default: // it is awake
	}
}

// watches are all that wait for the end of a session of one manager.
type watches struct {
	closed <-chan struct{} // the manager is
	count  atomic.Int64    // alarms cost nothing while nobody waits

	mu        sync.Mutex
	running   sync.WaitGroup
	listening bool
	m         map[RecordKey][]*watch
}

// start runs w in a goroutine that ends with ctx, and reports whether it could.
func (ws *watches) start(ctx context.Context, w *watch) bool {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	select {
	case <-ws.closed:
		return false
	default:
	}
	if ws.m == nil {
		ws.m = map[RecordKey][]*watch{}
	}
	ws.m[w.key] = append(ws.m[w.key], w)
	ws.count.Add(1)
	ws.running.Go(func() {
		defer ws.remove(w)
		w.run(ctx, ws.closed)
	})
	if w.m.watcher != nil && !ws.listening {
		ws.listening = true
		ws.running.Go(w.m.listen)
	}
	return true
}

func (ws *watches) remove(w *watch) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.count.Add(-1)
	left := slices.DeleteFunc(ws.m[w.key], func(other *watch) bool { return other == w })
	if len(left) == 0 {
		delete(ws.m, w.key)
		return
	}
	ws.m[w.key] = left
}

// ended lets those who wait for the session see whether it has ended.
func (ws *watches) ended(key RecordKey) {
	if ws.count.Load() == 0 {
		return
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, w := range ws.m[key] {
		w.wake()
	}
}

// revoked is ended for all sessions of a subject.
func (ws *watches) revoked(subject string) {
	if ws.count.Load() == 0 {
		return
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, same := range ws.m {
		for _, w := range same {
			if w.subject == subject {
				w.wake()
			}
		}
	}
}

// wait returns when all have ended, after closed was closed.
func (ws *watches) wait() {
	ws.mu.Lock()
	ws.mu.Unlock() //nolint:staticcheck // whoever is in start has started
	ws.running.Wait()
}

// listen hears from the store until the manager is closed.
func (m *Manager) listen() {
	for m.running.Err() == nil {
		err := m.watcher.Watch(m.running, m.watches.ended)
		if m.running.Err() != nil {
			return
		}
		m.observe(m.running, Event{Name: EventStoreError, Detail: "watch", Err: err})
		timer := time.NewTimer(m.cfg.WatchInterval)
		select {
		case <-m.running.Done():
			timer.Stop()
		case <-timer.C:
		}
	}
}
