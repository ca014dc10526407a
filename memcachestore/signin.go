package memcachestore

import (
	"context"
	"errors"
	"fmt"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/seed12c5fab1/beaker"
)

// A session and a roster are two items, and memcached changes one at a time. What makes
// them one is that a session which names a subject counts only while the subject's
// roster names the session.
//
// A sign-in reads the session, then writes the roster, then the session by cas. A
// revocation strikes all sessions off the roster, then ends those that it struck off,
// and rewrites those that are not, or not yet, the subject's. Both change the roster by
// cas, so one of them comes first there. If it is the revocation, the sign-in finds that
// the subject was revoked. If it is the sign-in, the revocation finds the session's name
// and then the session: either it is the subject's by now and is ended, or it is
// rewritten and has another cas id than the sign-in has read. That one is then made
// anew, and finds that the subject was revoked.
//
// Of a sign-in that stops half way, the roster names a session that is not the
// subject's, which means nothing.

// enroll puts a session into a subject's roster, or is ErrRevoked.
func (s *Store) enroll(ctx context.Context, op, subject string, r roster, rec *beaker.Record, began, now beaker.Millis) error {
	var gone map[beaker.RecordKey]bool // nil: nobody has looked
	return s.changeRoster(ctx, op, subject, r, now, func(r roster) ([]byte, error) {
		if r.refuses(began, now) {
			return nil, beaker.ErrRevoked
		}
		if e := r.entry(rec.Key()); e != nil && deadlineOf(e) >= deadline(rec) {
			return nil, nil
		}
		if r.crowded(rec.Key(), now, s.sessions()) {
			if gone == nil {
				gone = s.gone(ctx, r.firstToEnd(lookBatch))
			}
			r.raw = r.without(subject, now, func(key beaker.RecordKey) bool { return gone[key] })
		}
		return r.with(subject, rec.Key(), deadline(rec), now, s.sessions()), nil
	})
}

// gone returns which of some sessions are not there. A session is there before a roster
// names it, and no key is used twice: what is gone stays so.
func (s *Store) gone(ctx context.Context, keys []beaker.RecordKey) map[beaker.RecordKey]bool {
	out := map[beaker.RecordKey]bool{}
	names := make([]string, len(keys))
	for i, key := range keys {
		names[i] = s.sessionKey(key)
	}
	var items map[string]*memcache.Item
	if err := s.read(ctx, func() (err error) {
		items, err = s.client.GetMulti(names)
		return err
	}); err != nil {
		return out // that a server says nothing does not mean that it has nothing
	}
	for i, key := range keys {
		if items[names[i]] == nil {
			out[key] = true
		}
	}
	return out
}

// extend gives a session in a roster a later deadline, or is ErrNotFound. It comes before
// the session's own change: a roster that is kept for too long does no harm.
func (s *Store) extend(ctx context.Context, op, subject string, r roster, rec *beaker.Record, now beaker.Millis) error {
	return s.changeRoster(ctx, op, subject, r, now, func(r roster) ([]byte, error) {
		e := r.entry(rec.Key())
		switch {
		case e == nil:
			return nil, beaker.ErrNotFound
		case deadlineOf(e) >= deadline(rec):
			return nil, nil
		}
		return r.with(subject, rec.Key(), deadline(rec), now, s.sessions()), nil
	})
}

// leave takes a session out of the roster of the subject whose it was until now. If the
// roster does not name it any more, the subject was revoked, and the session must not
// live on as another's.
func (s *Store) leave(ctx context.Context, op, subject string, r roster, key beaker.RecordKey, now beaker.Millis) error {
	revoked, tried := r.revoked(), false
	err := s.changeRoster(ctx, op, subject, r, now, func(r roster) ([]byte, error) {
		switch {
		case r.has(key):
			tried = true
			return r.without(subject, now, func(k beaker.RecordKey) bool { return k == key }), nil
		case tried && r.there() && r.revoked() == revoked:
			return nil, nil // it has left, and the answer was lost
		}
		return nil, beaker.ErrNotFound
	})
	switch {
	case errors.Is(err, beaker.ErrNotFound):
		return s.endAgain(ctx, op, key, err)
	case err != nil && !errors.Is(err, beaker.ErrUncertain):
		return s.uncertain(ctx, op, err) // the session was changed
	}
	return err
}

// endAgain deletes a session that was written and must not stay.
func (s *Store) endAgain(ctx context.Context, op string, key beaker.RecordKey, why error) error {
	if err := s.delete(ctx, op, key); err != nil {
		return fmt.Errorf("%w (and it could not be deleted: %w)", why, err)
	}
	return why
}

// createSignedIn creates a record that has a subject. Nobody knows its key yet, so it
// may be there before it counts, and a revocation that finds its name finds it.
func (s *Store) createSignedIn(ctx context.Context, rec *beaker.Record) error {
	subject, began, now := rec.Subject(), rec.AuthenticatedAt(), rec.Touched()
	r, err := s.rosterToChange(ctx, opCreate, subject)
	switch {
	case err != nil:
		return err
	case r.refuses(began, now):
		return beaker.ErrRevoked
	}
	if err := s.create(ctx, rec); err != nil {
		return err
	}
	err = s.enroll(ctx, opCreate, subject, r, rec, began, now)
	if errors.Is(err, beaker.ErrRevoked) {
		return s.endAgain(ctx, opCreate, rec.Key(), err)
	}
	return err // without its name in the roster, the session does not count
}

func deadline(rec *beaker.Record) beaker.Millis { return rec.Meta().Absolute }

// sessions is how many sessions fit into a roster.
func (s *Store) sessions() int {
	const aroundEntries = 512 // the rest of the item, generously
	return min(maxSessions, (s.o.MaxItemBytes-aroundEntries)/entryBytes)
}
