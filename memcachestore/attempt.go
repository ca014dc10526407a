package memcachestore

import (
	"context"
	"errors"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/seed12c5fab1/beaker"
)

// attempt is a change of a session that is tried until nobody comes between.
type attempt struct {
	s   *Store
	key beaker.RecordKey
	ch  *beaker.Change

	fresh bool // the record was read for this change, and not with its Base
}

// make makes next of what h is, where next is what Merge made of it. It is not done if
// the session is another one by now.
func (a *attempt) make(ctx context.Context, h held, next *beaker.Record) (done bool, err error) {
	s, now := a.s, a.ch.Now
	was, is := h.rec.Subject(), next.Subject()
	signsIn := a.ch.Subject != nil && is != ""
	extends := a.ch.Absolute != 0 && deadline(next) > deadline(h.rec)

	var from, to roster
	if signsIn {
		if to, err = s.rosterToChange(ctx, opApply, is); err != nil {
			return false, err
		}
	}
	// A session that does not count any more must not become one that does. For writes
	// that change nothing about that, it is enough that it did when Base was loaded.
	if was != "" && (a.fresh || signsIn || was != is || extends) {
		from = to
		if was != is || !signsIn {
			if from, err = s.roster(ctx, opApply, was); err != nil {
				return false, err
			}
		}
		if !from.has(a.key) {
			return false, s.over(ctx, opApply, h)
		}
	}
	switch {
	case signsIn:
		err = s.enroll(ctx, opApply, is, to, next, a.ch.Began, now)
		if errors.Is(err, beaker.ErrRevoked) {
			return false, a.end(ctx, h)
		}
	case extends && was == is && is != "":
		err = s.extend(ctx, opApply, is, from, next, now)
	}
	if err != nil || next == h.rec {
		return err == nil, err
	}
	if done, err := a.swap(ctx, h, next); err != nil || !done {
		return false, err
	}
	if was == "" || was == is {
		return true, nil
	}
	if err := s.leave(ctx, opApply, was, from, a.key, now); err != nil {
		return false, err
	}
	return true, a.stays(ctx, is)
}

// stays sees that a session which has gone from one subject to another was not ended
// meanwhile as the other's: then it does not succeed after that.
func (a *attempt) stays(ctx context.Context, subject string) error {
	if subject == "" {
		return nil
	}
	r, err := a.s.roster(ctx, opApply, subject)
	switch {
	case err != nil:
		return a.s.uncertain(ctx, opApply, err)
	case !r.has(a.key):
		return a.s.endAgain(ctx, opApply, a.key, beaker.ErrRevoked)
	}
	return nil
}

// swap replaces an item if it is still the one that h was read from.
func (a *attempt) swap(ctx context.Context, h held, next *beaker.Record) (done bool, err error) {
	s, data := a.s, a.ch.ChangesData()
	m := h.mark
	if data {
		m = newMark() // a touch leaves it, so that it is always the last writer's
	}
	it, err := s.item(opApply, next, m, a.ch.Now)
	if err != nil {
		return false, err
	}
	it.CasID = h.cas
	for doubts := 0; ; {
		err := s.write(ctx, func() error { return s.client.CompareAndSwap(it) })
		conflict := errors.Is(err, memcache.ErrCASConflict)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, memcache.ErrCacheMiss), errors.Is(err, memcache.ErrNotStored):
			return false, beaker.ErrNotFound // whatever was done to it before
		case conflict && doubts == 0:
			return false, nil
		case !conflict && judge(err) != unknown && doubts == 0:
			return false, s.failedWrite(ctx, opApply, it, err)
		case !conflict:
			if doubts++; doubts > maxDoubts {
				return false, s.uncertain(ctx, opApply, err)
			}
		}
		// The answer was lost, of this try or of one before. What is there now may tell.
		there, ferr := s.fetch(ctx, opApply, a.key)
		switch {
		case errors.Is(ferr, beaker.ErrNotFound):
			return false, ferr
		case ferr != nil:
			return false, s.uncertain(ctx, opApply, ferr)
		case data && there.mark == m:
			return true, nil
		case there.cas == h.cas:
			// Not made, or not yet. The same again does no harm: of all that carry one cas
			// id, at most one is made.
		case !data:
			return false, nil // touches merge
		case there.rec.Version() <= h.rec.Version()+1:
			return false, nil // somebody else's change is where this one would be
		default:
			return false, s.uncertain(ctx, opApply, err)
		}
	}
}

// end ends the session of a sign-in that comes too late. Who has no right to a session
// cannot have it ended, so the proof is compared with the record as it is.
func (a *attempt) end(ctx context.Context, h held) error {
	doubts := 0
	for fresh := a.fresh; ; fresh = false {
		if !fresh {
			var err error
			if h, err = a.s.fetch(ctx, opApply, a.key); err != nil {
				return err
			}
			if _, err := beaker.Merge(h.rec, a.ch); err != nil {
				return err
			}
		}
		switch err := a.s.expire(ctx, h); {
		case err == nil, errors.Is(err, memcache.ErrCacheMiss):
			return beaker.ErrRevoked
		case errors.Is(err, memcache.ErrCASConflict):
			// It has changed: look again.
		case judge(err) == unknown:
			if doubts++; doubts > maxDoubts {
				return a.s.uncertain(ctx, opApply, err)
			}
		default:
			return a.s.failed(ctx, opApply, err)
		}
	}
}

// expire ends a session if it is still what h was read from. There is no such command,
// so it is replaced by nothing that has expired.
func (s *Store) expire(ctx context.Context, h held) error {
	it := &memcache.Item{Key: s.sessionKey(h.rec.Key()), Expiration: -1, CasID: h.cas}
	return s.write(ctx, func() error { return s.client.CompareAndSwap(it) })
}
