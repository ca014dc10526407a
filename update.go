package beaker

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"sync"
)

// Update changes the session atomically, now: it loads the session afresh, lays this
// request's pending changes over it, runs fn on that view and saves the result on
// condition that nobody else has changed the session meanwhile; otherwise it does all
// that again, until ctx ends. So a counter counts exactly:
//
//	err := sessions.Update(ctx, func(s *beaker.Session) error {
//		n, _ := Count.Get(s)
//		Count.Set(s, n+1)
//		return nil
//	})
//
// fn may run several times and must have no other effects; it uses the session that
// it is given, for values only. Update or Take inside of fn is [ErrInUpdate]. If it
// returns an error, nothing is saved and Update
// returns it. Updates of one session in one process take turns. After [ErrUncertain]
// the change may have been saved, and fn is not run again. A new session is created;
// its cookie goes out with the headers. A subject that is pending (SetSubject) is set in
// the same step, so that who has the replaced cookie does not see what is the new
// subject's. A sealed session is only changed for this
// response: nothing can be atomic between two copies of a cookie.
// The deadline of ctx is the update's, and not, as that of Get's is, the request's.
func (m *Manager) Update(ctx context.Context, fn func(*Session) error) error {
	s, err := m.get(ctx, false)
	if err != nil {
		return err
	}
	return s.update(ctx, fn)
}

// Take returns a value and removes it from the store, now and atomically: of any
// number of requests, one gets it.
func (m *Manager) Take(ctx context.Context, name string) (value any, ok bool, err error) {
	if m.sealed {
		return nil, false, errSealed("take")
	}
	err = m.Update(ctx, func(s *Session) error {
		value, ok = s.Pop(name)
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	return value, ok, nil
}

func (s *Session) update(ctx context.Context, fn func(*Session) error) error {
	s.mu.Lock()
	err := s.writable()
	switch {
	case err != nil:
	case s.inUpdate:
		err = ErrInUpdate
	case s.err != nil:
		err = s.err
	case s.state == stateNew && !s.hasSID:
		s.newSID()
	}
	key := s.key
	s.mu.Unlock()
	if err != nil {
		return err
	}
	unlock, err := s.m.updates.lock(ctx, key, s)
	if err != nil {
		return err
	}
	defer unlock()
	for {
		again, err := s.updateOnce(ctx, fn)
		if !again {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("beaker: update: %w", ctx.Err())
		}
		s.m.observe(ctx, Event{Name: EventConflict, Handle: Handle(key), Err: err})
	}
}

// updateOnce is one attempt; again means that another writer was faster.
func (s *Session) updateOnce(ctx context.Context, fn func(*Session) error) (again bool, err error) {
	rec, err := s.reload(ctx)
	if err != nil {
		return false, err
	}
	// The lock is not held while fn runs, so that fn may do what it likes. What is
	// pending is taken out meanwhile, so that nothing is saved twice.
	s.mu.Lock()
	if err := s.writable(); err != nil {
		s.mu.Unlock()
		return false, err
	}
	state, key := s.state, s.key
	taken := s.p.takeValues()
	view := &Session{
		m: s.m, ctx: ctx, state: s.state, key: s.key, base: rec, now: s.now, last: s.last, fresh: s.fresh,
		inUpdate: true, p: taken.cloneValues(),
	}
	s.mu.Unlock()
	returned := false
	defer func() {
		if !returned { // fn has panicked, and whoever recovers may have the request saved
			s.mu.Lock()
			s.p.putUnder(taken)
			s.mu.Unlock()
		}
	}()
	err = runUpdate(view, fn)
	returned = true

	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil:
	case s.writable() != nil:
		err = s.writable()
	case s.key != key || s.state != state && s.state != stateLive:
		err = ErrEnded // another goroutine of this request has ended it meanwhile
	default:
		again, err = s.saveUpdate(ctx, rec, &view.p)
	}
	if err != nil || again {
		s.p.putUnder(taken)
	}
	return again, err
}

func runUpdate(view *Session, fn func(*Session) error) error {
	// The view ends with fn, so that one that was kept is refused and not silently lost.
	defer func() {
		view.mu.Lock()
		view.finished = true
		view.mu.Unlock()
	}()
	if err := fn(view); err != nil {
		return err
	}
	return view.Err()
}

// reload returns what is stored now, or nil for a new session.
func (s *Session) reload(ctx context.Context) (*Record, error) {
	s.mu.Lock()
	state, key, proof, anyProof := s.state, s.key, s.proof, s.anyProof
	s.mu.Unlock()
	if state != stateLive {
		return nil, nil //nolint:nilnil // a new session has no record, and that is no error
	}
	op := new(opContext).start(ctx, s.m.cfg.StoreTimeout)
	defer op.stop()
	rec, err := s.store().Load(op, key)
	now := s.m.now()
	switch {
	case err == nil && rec.key != key:
		return nil, s.storeErrorLocked(ctx, "load", fmt.Errorf("%w: the store returned the record of another key", ErrCorrupt))
	case err != nil && !errors.Is(err, ErrNotFound):
		return nil, s.storeErrorLocked(ctx, "load", err)
	}
	status := ProofDead
	switch {
	case err != nil || rec.Expired(now):
	case anyProof:
		status = ProofCurrent
	default:
		status = rec.CheckProof(proof, now)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch status {
	case ProofCurrent:
		return rec, nil
	case ProofPrevious:
		s.previous = true // given a new secret, with a grace, since this request began
		return rec, nil
	}
	s.state = stateEnded
	s.observe(ctx, Event{Name: EventEnded, Handle: Handle(key)})
	return nil, ErrEnded
}

func (s *Session) storeErrorLocked(ctx context.Context, op string, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.storeError(ctx, op, err)
}

func (s *Session) saveUpdate(ctx context.Context, rec *Record, p *pending) (again bool, err error) {
	if !p.values() {
		return false, nil
	}
	if rec == nil {
		if s.state != stateNew {
			return true, nil // another goroutine of this request has created it meanwhile
		}
		keep := s.p
		s.p.clear, s.p.set, s.p.remove = p.clear, p.set, p.remove
		if err := s.create(ctx, true); err != nil {
			s.p = keep
			return false, err
		}
		s.p.clear, s.p.set, s.p.remove = keep.clear, keep.set, keep.remove
		return false, nil
	}
	if s.p.subject != nil {
		return s.saveUpdateWithSubject(ctx, rec, p)
	}
	ch := &Change{
		Now: s.m.now(), Proof: s.proof, AnyProof: s.anyProof, Began: s.began(), Base: rec, IfVersion: rec.version,
		Clear: p.clear, Set: p.set, Remove: p.remove, Limits: s.m.limits,
	}
	switch {
	case s.m.cfg.NoTouch:
		ch.Touch = ch.Now
	case !s.anyProof && !s.unused:
		ch.Touch = s.now
	}
	// Stores that merge in the engine do not know the limits.
	c := *ch
	c.AnyProof = true
	if _, err := Merge(rec, &c); errors.Is(err, ErrTooLarge) {
		return false, err
	}
	v, err := s.m.apply(ctx, new(opContext).detach(ctx, s.m.cfg.StoreTimeout), s.store(), s.key, ch)
	switch {
	case errors.Is(err, ErrConflict):
		return true, err
	case errors.Is(err, ErrNotFound):
		return false, s.applyError(ctx, ch, err)
	case err != nil:
		s.exact = false
		return false, s.storeError(ctx, "update", err)
	}
	s.base, s.applied, s.version, s.exact = rec, ch, v, true
	s.p.touch = 0
	if s.attributes().Expires == ExpiresWithSession && ch.Touch > rec.touched && s.owed == cookieNone {
		s.owed = cookieRefresh
	}
	if s.sealed != nil {
		s.base, s.applied, s.owed = s.sealed.rec, nil, cookieNew
	}
	s.observe(ctx, Event{Name: EventSave, Handle: Handle(s.key), Subject: rec.subject})
	return false, nil
}

// saveUpdateWithSubject saves what fn did in one step with the subject that is pending.
// Saved before it, it would be open to whoever has the cookie that is about to be
// replaced, and go with the values of the subject before.
func (s *Session) saveUpdateWithSubject(ctx context.Context, rec *Record, p *pending) (again bool, err error) {
	switch {
	case s.sent:
		return false, ErrCommitted // the new cookie can no longer be sent
	case s.p.clear:
		return true, nil // another goroutine has set another subject meanwhile: these were the old one's values
	}
	keep := s.p
	s.base, s.applied, s.version, s.exact = rec, nil, rec.version, true
	s.p.clear, s.p.set, s.p.remove, s.p.ifSame = p.clear, p.set, p.remove, true
	if _, err := s.flush(ctx, true); err != nil {
		s.p = keep
		return errors.Is(err, ErrConflict), err
	}
	s.p.clear, s.p.set, s.p.remove = keep.clear, keep.set, keep.remove
	return false, nil
}

// keyedLocks lets updates of one session in one process take turns. Without it they
// would all try, and all but one in vain.
type keyedLocks struct {
	mu sync.Mutex
	m  map[RecordKey]*keyedLock
}

type keyedLock struct {
	turn    chan struct{}
	waiters int
	holder  *Session // whose turn it is
}

func (l *keyedLocks) lock(ctx context.Context, key RecordKey, s *Session) (unlock func(), err error) {
	l.mu.Lock()
	if l.m == nil {
		l.m = map[RecordKey]*keyedLock{}
	}
	k := l.m[key]
	if k == nil {
		k = &keyedLock{turn: make(chan struct{}, 1)}
		l.m[key] = k
	}
	if k.holder == s && inUpdate() {
		l.mu.Unlock()
		return nil, ErrInUpdate
	}
	k.waiters++
	l.mu.Unlock()
	leave := func() {
		l.mu.Lock()
		if k.waiters--; k.waiters == 0 {
			delete(l.m, key)
		}
		l.mu.Unlock()
	}
	hold := func(s *Session) {
		l.mu.Lock()
		k.holder = s
		l.mu.Unlock()
	}
	select {
	case k.turn <- struct{}{}:
		hold(s)
		return func() { hold(nil); <-k.turn; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, fmt.Errorf("beaker: update: %w", ctx.Err())
	}
}

// inUpdate reports whether this goroutine is inside a function that was given to Update.
// It is only asked when the same request has the turn already, which is then this
// goroutine's own; another goroutine of the request waits. The stack is what tells them
// apart, since the function gets no context of its own.
func inUpdate() bool {
	pcs := make([]uintptr, 64)
	for skip := 2; ; skip += len(pcs) {
		n := runtime.Callers(skip, pcs)
		frames := runtime.CallersFrames(pcs[:n])
		for more := n > 0; more; {
			var f runtime.Frame
			f, more = frames.Next()
			if f.Function == runsUpdate {
				return true
			}
		}
		if n < len(pcs) {
			return false
		}
	}
}

var runsUpdate = reflect.TypeFor[Session]().PkgPath() + ".runUpdate"
