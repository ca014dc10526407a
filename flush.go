package beaker

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Persist saves what is pending now and not at the end of the request, for a handler
// that must know before it answers, or that has already begun to. The cookie of a new
// session, or of one with a new secret, still goes out with the headers: if these are
// sent, Persist returns ErrCommitted and saves nothing. After an error everything is
// still pending. It goes on when the client disconnects, unless what it does needs a new
// cookie, which would reach nobody.
func (s *Session) Persist(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inUpdate {
		return s.refuseLocked(ErrInUpdate)
	}
	if s.err != nil {
		return s.err
	}
	if err := s.writable(); err != nil {
		return err
	}
	if s.sent && s.p.rotate {
		return ErrCommitted
	}
	confirmed, err := s.flush(ctx, true)
	if err == nil && !confirmed && s.state == stateEnded {
		return ErrEnded // at the commit this would pass, for want of anything to lose
	}
	return err
}

// flush carries out what is pending: one Create, one Apply, or nothing. It reports
// whether the store has confirmed that this request holds the current proof.
func (s *Session) flush(ctx context.Context, all bool) (confirmed bool, err error) {
	if s.state == stateDestroyed && s.undead {
		if err := s.destroy(ctx); err != nil {
			return false, err
		}
	}
	if s.err != nil {
		return false, s.err
	}
	if err := s.receivable(all); err != nil {
		return false, err
	}
	switch s.state {
	case stateNew:
		if !s.creates(all) {
			return false, nil
		}
		return true, s.create(ctx, all)
	case stateLive:
		return s.apply(ctx, all)
	}
	return false, nil
}

// receivable refuses what needs a new cookie if the client has gone: nobody would get it,
// and the old one would be dead. Whoever clicks "sign in" twice leaves the first request
// behind, and comes with the old cookie again.
func (s *Session) receivable(all bool) error {
	if s.rq == nil || s.rq.parent.Err() == nil || !s.owesNew(all) {
		return nil
	}
	if s.state == stateLive && s.p.subject == nil && s.sealed == nil {
		s.p.rotate = false // it can wait for another request; what else is pending cannot
		return nil
	}
	return fmt.Errorf("beaker: the client has gone, and nobody would get the new cookie: %w", s.rq.parent.Err())
}

// creates reports whether a new session is to be stored: anonymous visitors who are
// only looked at cost nothing.
func (s *Session) creates(all bool) bool {
	return all || s.p.save || s.p.subject != nil || len(s.p.set) > 0 && s.saves(all)
}

func (s *Session) create(ctx context.Context, all bool) error {
	now := s.m.now()
	meta := Meta{Version: 1, Created: s.now, Touched: now, Idle: s.m.cfg.IdleTimeout, Absolute: s.absolute(s.now), Cookie: s.own}
	if s.p.idle != 0 {
		meta.Idle = s.p.idle
	}
	if s.p.cookie != nil {
		meta.Cookie = s.p.cookie
	}
	if s.p.subject != nil {
		meta.Subject, meta.AuthenticatedAt = *s.p.subject, s.authenticatedAt()
	}
	var values []Value
	rest := pending{set: s.p.set}
	if s.saves(all) {
		values, rest.set = s.p.set, nil
	}
	const tries = 3 // ids are random: the second collision is a broken store or a broken generator
	for try := 1; ; try++ {
		if !s.hasSID {
			s.newSID()
		}
		if s.sealed != nil {
			s.sealed.sid = s.cred.sid // there is nothing but the cookie: it needs no second half
		} else {
			s.cred.secret = newTokenSecret()
		}
		s.proof = s.m.hash.recordProof(&s.cred)
		meta.Key, meta.Proof = s.key, s.proof
		rec, err := NewRecord(meta, values)
		if err != nil {
			return err
		}
		if l := s.m.limits; len(rec.values) > l.MaxBytes || rec.Len() > l.MaxKeys {
			return &TooLargeError{Bytes: len(rec.values), MaxBytes: l.MaxBytes, Keys: rec.Len(), MaxKeys: l.MaxKeys}
		}
		if rec.Expired(now) {
			return ErrEnded // the request took longer than a session lives
		}
		op := new(opContext).detach(ctx, s.m.cfg.StoreTimeout)
		err = s.store().Create(op, rec)
		op.stop()
		if err != nil {
			// Whatever the outcome, this id is not used again: its own late success would
			// look like a collision.
			s.hasSID = false
			if errors.Is(err, ErrExists) && try < tries {
				continue
			}
			return s.storeError(ctx, "create", err)
		}
		s.state, s.base, s.version, s.exact, s.owed = stateLive, rec, rec.version, true, cookieNew
		s.p = rest
		s.observe(ctx, Event{Name: EventCreate, Handle: Handle(s.key), Subject: rec.subject})
		if rec.subject != "" {
			s.observe(ctx, Event{Name: EventAuthenticate, Handle: Handle(s.key), Subject: rec.subject})
			s.limitSubject(ctx, rec.subject)
		}
		return nil
	}
}

// apply sends what is pending for a stored session.
func (s *Session) apply(ctx context.Context, all bool) (confirmed bool, err error) {
	sending, unsaved := s.pendingChange(ctx, all)
	if sending == nil {
		return false, nil
	}
	ch := &sending.Change
	if err := s.checkLimits(ch); err != nil {
		return false, err
	}
	if s.movesSealed() {
		s.p.rotate = true
	}
	var next *credential // after a rotation
	if s.p.rotate {
		copied := s.cred
		next = &copied
		if s.sealed != nil {
			next.sid = newSID()
			s.sealed.next = next
		} else {
			next.secret = newTokenSecret()
		}
		ch.Rotate = &Rotation{Next: s.m.hash.recordProof(next), Grace: s.p.grace}
	}
	v, err := s.m.apply(ctx, &sending.op, s.store(), s.key, ch)
	if errors.Is(err, ErrNotFound) && ch.Rotate != nil && ch.Subject == nil {
		// Another request may have given the session a new secret a moment ago. Then
		// ours is not needed, and if there is a grace, the rest still goes through.
		again := *ch
		again.Rotate = nil
		if again.ChangesData() {
			if v, err = s.m.apply(ctx, new(opContext).detach(ctx, s.m.cfg.StoreTimeout), s.store(), s.key, &again); err == nil {
				ch, s.previous = &again, true
			}
		}
	}
	data := ch.ChangesData()
	if err != nil {
		if ch.IfVersion != 0 && errors.Is(err, ErrConflict) {
			return false, err // Update tries again
		}
		return false, s.applyError(ctx, ch, err)
	}

	if ch.Rotate != nil {
		s.cred, s.proof, s.owed = *next, ch.Rotate.Next, cookieNew
		s.observe(ctx, Event{Name: EventRegenerate, Handle: Handle(s.key), Subject: s.base.subject})
	}
	if ch.Subject != nil {
		s.observe(ctx, Event{Name: EventAuthenticate, Handle: Handle(s.key), Subject: *ch.Subject})
		s.limitSubject(ctx, *ch.Subject)
	}
	if ch.Subject != nil || s.sealed != nil && ch.Rotate != nil {
		s.m.watches.ended(s.key)
	}
	name := EventTouch
	want := s.version
	if data {
		name = EventSave
		want++
	}
	s.observe(ctx, Event{Name: name, Handle: Handle(s.key), Subject: s.base.subject})
	s.exact = s.exact && v == want
	s.version, s.applied, s.p = v, ch, unsaved
	if s.sealed != nil {
		s.base, s.applied, s.exact, s.key, s.owed = s.sealed.rec, nil, true, s.sealed.rec.key, cookieNew
		return true, nil
	}

	if ch.Rotate != nil || v == want {
		return true, nil
	}
	if s.owed != cookieRefresh {
		return false, nil
	}
	return s.holdsCurrentProof(ctx), nil
}

// sentChange is a change with the context of the operation that applies it.
type sentChange struct {
	Change
	op opContext
}

// pendingChange returns what is to be applied, or nil, and the values that are not
// to be saved.
func (s *Session) pendingChange(ctx context.Context, all bool) (*sentChange, pending) {
	rec, p := s.record(), &s.p
	if p.idle == 0 && p.absolute == 0 && p.subject == nil && !p.wipe && p.cookie == nil && !p.rotate && p.touch == 0 &&
		s.owed != cookieRefresh && (!p.values() || !s.saves(all)) {
		return nil, pending{} // the session was only read, as most are
	}
	now := s.m.cfg.Now()
	ch := &sentChange{Change: Change{
		Now: Millis(now.UnixMilli()), Proof: s.proof, AnyProof: s.anyProof, Began: s.began(),
		Idle: p.idle, Absolute: s.absolute(s.now), Subject: p.subject, Cookie: p.cookie, Touch: p.touch,
	}}
	ch.op.detach(ctx, s.m.cfg.StoreTimeout)
	if s.m.cfg.realClock {
		ch.op.startedAt(now)
	}
	unsaved := pending{clear: p.clear, set: p.set, remove: p.remove}
	if s.saves(all) {
		ch.Clear, ch.Set, ch.Remove, ch.Limits = p.clear, p.set, p.remove, s.m.limits
		unsaved = pending{}
	}
	if p.wipe {
		ch.Clear = true // whether values are saved or not: they are another's
	}
	if p.subject != nil {
		ch.AuthenticatedAt = s.authenticatedAt()
	}
	data := ch.ChangesData() || p.rotate
	switch {
	case data && s.m.cfg.NoTouch:
		ch.Touch = ch.Now // the time of use is the time of the last change
	case data && !s.anyProof && !s.unused:
		ch.Touch = s.now // it costs nothing with a write
	}
	lasts := s.attributes().Expires == ExpiresWithSession && (ch.Touch > rec.touched || p.idle != 0 || ch.Absolute != 0)
	if (p.cookie != nil || lasts) && s.owed == cookieNone {
		s.owed = cookieRefresh
	}
	if !data && p.touch == 0 && (s.owed != cookieRefresh || s.previous || s.sent) {
		return nil, unsaved
	}
	if p.ifSame {
		ch.IfVersion = rec.version
	}
	if s.exact {
		ch.Base = rec
	}
	return ch, unsaved
}

// checkLimits refuses what is too large already here; stores that merge in the engine
// cannot.
func (s *Session) checkLimits(ch *Change) error {
	if len(ch.Set) == 0 {
		return nil
	}
	rec, l := s.record(), s.m.limits
	bytes, keys := len(rec.values), rec.Len()+len(ch.Set)
	for _, v := range ch.Set {
		bytes += len(v.Name) + len(v.Data) + 10
	}
	if bytes <= l.MaxBytes && keys <= l.MaxKeys {
		return nil // not even if everything were added: no need to merge
	}
	c := *ch
	c.AnyProof, c.Rotate = true, nil
	if _, err := Merge(rec, &c); errors.Is(err, ErrTooLarge) {
		return err
	}
	return nil
}

// applyError decides what a failed Apply means to the response; nil means that it may
// pass.
func (s *Session) applyError(ctx context.Context, ch *Change, err error) error {
	s.exact = false
	switch {
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrRevoked):
		s.state = stateEnded
		e := Event{Name: EventEnded, Handle: Handle(s.key), Err: err}
		if s.base != nil {
			e.Subject = s.base.subject
		}
		s.observe(ctx, e)
		lost := *ch
		lost.Rotate = nil
		switch {
		case errors.Is(err, ErrRevoked):
			s.err = fmt.Errorf("%w: %w", ErrEnded, err)
		case lost.ChangesData():
			s.err = ErrEnded
		default:
			s.p = pending{}
			return nil // a touch, or a new secret: nothing that the handler promised
		}
		return s.err
	case !ch.ChangesData():
		// The handler read what it needed. That the time of use could not be noted is
		// the operator's problem, not this visitor's.
		_ = s.storeError(ctx, "touch", err)
		s.p.touch = 0
		return nil
	}
	return s.storeError(ctx, "save", err)
}

// storeError tells the operator, and names the operation.
func (s *Session) storeError(ctx context.Context, op string, err error) error {
	switch {
	case errors.Is(err, ErrTooLarge):
		return err
	case errors.Is(err, ErrRevoked):
		s.observe(ctx, Event{Name: EventEnded, Err: err})
		return fmt.Errorf("%w: %w", ErrEnded, err)
	}
	s.observe(ctx, Event{Name: EventStoreError, Handle: Handle(s.key), Detail: op, Err: err})
	return fmt.Errorf("beaker: %s: %w", op, err)
}

// holdsCurrentProof asks the store. It is only needed when another request changed
// the session meanwhile.
func (s *Session) holdsCurrentProof(ctx context.Context) bool {
	op := new(opContext).detach(ctx, s.m.cfg.StoreTimeout)
	defer op.stop()
	rec, err := s.store().Load(op, s.key)
	return err == nil && rec.key == s.key && rec.CheckProof(s.proof, s.m.now()) == ProofCurrent
}

// apply bounds the operation by op, which is detached, and repeats what may be repeated.
func (m *Manager) apply(ctx context.Context, op *opContext, store Store, key RecordKey, ch *Change) (Version, error) {
	v, err := store.Apply(op, key, ch)
	op.stop()
	if errors.Is(err, ErrUncertain) && ch.Rotate != nil {
		// A rotation to the same proof is known when it is seen again; giving up would
		// leave the browser with a cookie that may be dead.
		op := new(opContext).detach(ctx, m.cfg.StoreTimeout)
		v, err = store.Apply(op, key, ch)
		op.stop()
	}
	return v, err
}

// remove deletes a record. An unknown outcome is tried once more: Delete may be
// repeated. Observe is where events go.
func (m *Manager) remove(ctx context.Context, store Store, key RecordKey, observe func(context.Context, Event)) error {
	var err error
	for range 2 {
		op := new(opContext).detach(ctx, m.cfg.StoreTimeout)
		err = store.Delete(op, key)
		op.stop()
		if !errors.Is(err, ErrUncertain) {
			break
		}
	}
	if errors.Is(err, ErrNotRevocable) || errors.Is(err, ErrEnded) {
		return err
	}
	if err != nil {
		observe(ctx, Event{Name: EventStoreError, Handle: Handle(key), Detail: "delete", Err: err})
		return fmt.Errorf("beaker: delete: %w", err)
	}
	m.watches.ended(key)
	return nil
}

// takeValues takes the pending values out of p.
func (p *pending) takeValues() pending {
	v := pending{clear: p.clear, set: p.set, remove: p.remove}
	p.clear, p.set, p.remove = false, nil, nil
	return v
}

func (p *pending) cloneValues() pending {
	return pending{clear: p.clear, set: slices.Clone(p.set), remove: slices.Clone(p.remove)}
}

// putUnder lays p over what was taken out earlier.
func (p *pending) putUnder(old pending) {
	if p.clear {
		return
	}
	p.clear = old.clear
	for _, v := range old.set {
		if _, ok := p.find(v.Name); !ok && !slices.Contains(p.remove, v.Name) {
			p.put(v.Name, v.Data)
		}
	}
	for _, name := range old.remove {
		if _, ok := p.find(name); !ok && !slices.Contains(p.remove, name) {
			p.remove = append(p.remove, name)
		}
	}
}
