package beaker

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"
)

// request is what one request has to do with one manager. It is made by Wrap, serves
// as the request's context and as the state of the wrapped ResponseWriter, and is all
// that an untouched request costs: one allocation beside the copy of the request that
// a new context needs. Nothing is parsed until Get.
type request struct {
	parent context.Context
	m      *Manager
	r      *http.Request       // the one that next is given
	w      http.ResponseWriter // the one that Wrap was given
	began  Millis              // see Change.Began
	failed error               // why the handler's response was replaced

	// sent is set when the headers are decided: by the first thing that sends them, or
	// at the end. It belongs to the goroutine that writes the response, and so does
	// failed.
	sent bool
	// dropped is set when the response was one that promises nothing, because nobody
	// waits for it: what the handler still does is not saved either.
	dropped bool

	mu   sync.Mutex // guards the rest: goroutines of one request may call Get
	s    *Session
	rare *rare
	late bool // the headers are out
	over bool // the handler has returned
}

// rare is what few requests need. It is apart to keep request small.
type rare struct {
	before []string          // cookies that were set before Wrap, by middleware around it
	inner  []string          // cookies that managers inside this one have committed
	exempt map[string]Millis // subjects that this request has revoked, and until when that was
}

// rarely returns rq.rare; the mutex is held.
func (rq *request) rarely() *rare {
	if rq.rare == nil {
		rq.rare = &rare{exempt: map[string]Millis{}}
	}
	return rq.rare
}

// ownContext is request as a context.
type ownContext request

func (c *ownContext) Deadline() (time.Time, bool) { return c.parent.Deadline() }
func (c *ownContext) Done() <-chan struct{}       { return c.parent.Done() }
func (c *ownContext) Err() error                  { return c.parent.Err() }

func (c *ownContext) Value(key any) any {
	if k, ok := key.(managerKey); ok && k.m == c.m {
		return (*request)(c)
	}
	return c.parent.Value(key)
}

// managerKey is the context key of one manager.
type managerKey struct{ m *Manager }

// Wrap returns a handler that gives next's requests a session, to be had by Get. It
// loads nothing itself: a request whose handler does not call Get costs no store call,
// no cryptography and no header. Changes are saved when the handler first sends
// something, or returns; if that fails, the handler's response is replaced by an error
// page. After a panic that leaves Wrap nothing is saved any more; a middleware inside that
// recovers and answers has the request saved as any answer does.
//
// Wrapping twice has no effect. Several managers may be nested if their cookies have
// different names. The ResponseWriter that next gets offers Flusher, Hijacker and
// Pusher if the outer one does, and Unwrap for http.ResponseController.
func (m *Manager) Wrap(next http.Handler) http.Handler {
	if m == nil {
		panic("beaker: Wrap of a nil *Manager: look at the error that came with it from New") //nolint:forbidigo // it would panic anyway, and not say why
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m.request(r.Context()) != nil {
			next.ServeHTTP(w, r)
			return
		}
		rq := &request{parent: r.Context(), m: m, w: w, began: m.now()}
		if lines := w.Header()["Set-Cookie"]; len(lines) > 0 {
			rq.rarely().before = slices.Clone(lines)
		}
		own := r.WithContext((*ownContext)(rq))
		rq.r = own
		returned := false
		defer func() {
			handBack(r, own)
			if !returned {
				rq.abandon()
			}
		}()
		next.ServeHTTP(rq.writer(), own)
		returned = true
		rq.finish()
	})
}

// handBack gives the request that Wrap was given what was noted on its copy, which the
// context made necessary: net/http removes the temporary files of an upload when it
// finds them on its own request, and what is around Wrap logs the pattern.
func handBack(r, own *http.Request) {
	if r.MultipartForm == nil {
		r.MultipartForm = own.MultipartForm
	}
	if r.Pattern == "" {
		r.Pattern = own.Pattern
	}
}

// Require is Wrap for handlers that cannot do without the session: it loads it first
// and, if that fails, answers as Error does without running next.
func (m *Manager) Require(next http.Handler) http.Handler {
	return m.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := m.Get(r.Context()); err != nil {
			m.Error(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	}))
}

// Get returns the request's session. The first call loads it; later ones, also from
// other goroutines, return the same. The session is never nil.
//
// A visitor without a session gets a new, empty one, which is stored only when
// something is written to it. The error is a store's failure, and then the session is
// inert: empty, and whatever is written to it is refused. It is never "no session", so
// do not treat it as a visitor who is not signed in: answer with Error.
// [ErrNoMiddleware] means that the handler is not wrapped.
//
// Give it the request's context, or one with a deadline for the whole request: when
// the earliest deadline of the contexts that it was given has passed, nothing is saved
// any more.
func (m *Manager) Get(ctx context.Context) (*Session, error) { return m.get(ctx, true) }

// get is Get; bounds says that the deadline of ctx is one of the whole request.
func (m *Manager) get(ctx context.Context, bounds bool) (*Session, error) {
	rq := m.request(ctx)
	if rq == nil {
		// Who ignores the error hears of it, but not an observer that asks because of that.
		if m.astray.CompareAndSwap(false, true) {
			m.observe(ctx, Event{Name: EventMisuse, Err: ErrNoMiddleware})
			m.astray.Store(false)
		}
		return &Session{m: m, state: stateInert, cause: ErrNoMiddleware}, ErrNoMiddleware
	}
	return rq.session(ctx, bounds)
}

func (m *Manager) request(ctx context.Context) *request {
	rq, _ := ctx.Value(managerKey{m}).(*request)
	return rq
}

func (rq *request) session(ctx context.Context, bounds bool) (*Session, error) {
	rq.mu.Lock()
	if s := rq.s; s != nil {
		rq.mu.Unlock()
		if bounds {
			s.hurry(ctx)
		}
		return s, s.cause
	}
	s := &Session{m: rq.m, rq: rq, ctx: ctx, sent: rq.late, finished: rq.over}
	s.mu.Lock()
	defer s.mu.Unlock() // the last, since it tells the observer, who may call Get
	defer rq.mu.Unlock()
	s.load(ctx)
	if !bounds {
		s.ctx = rq.parent
	}
	rq.s = s
	rq.checkOuter(s)
	return s, s.cause
}

// loaded returns the session if Get was called.
func (rq *request) loaded() *Session {
	rq.mu.Lock()
	defer rq.mu.Unlock()
	return rq.s
}
