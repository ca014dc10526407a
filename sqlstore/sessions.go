package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/seed12c5fab1/beaker"
)

var (
	errNilRecord = errors.New("sqlstore: create: nil record")
	errNilChange = errors.New("sqlstore: apply: nil change")
)

// Create implements [beaker.Store]. It takes one round trip, and one more if the
// record has a subject.
func (s *Store) Create(ctx context.Context, rec *beaker.Record) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.mu.RUnlock()
	if rec == nil {
		return errNilRecord
	}
	m := rec.Meta()
	data, err := dataOf(rec)
	if err != nil {
		return err
	}
	n, err := s.exec(ctx, s.q.create, m.Key[:], m.Proof[:], int64(m.Version), s.subjectArg(m.Subject), int64(m.AuthenticatedAt),
		int64(m.Created), int64(m.Touched), int64(m.Idle/time.Millisecond), int64(m.Absolute), int64(rec.Expires()), data)
	switch {
	case err != nil:
		return err
	case n == 0:
		return beaker.ErrExists
	case m.Subject == "":
		return nil
	}
	return s.checkSignIn(ctx, m.Key, m.Subject, m.AuthenticatedAt)
}

// Load implements [beaker.Store]. It takes one round trip. In SQLite it ends with ctx
// while it waits for a connection; should it meet a lock, which readers do only while
// another process mends the file after a crash, it waits as long as busy_timeout says.
func (s *Store) Load(ctx context.Context, key beaker.RecordKey) (*beaker.Record, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	return s.load(ctx, key)
}

func (s *Store) load(ctx context.Context, key beaker.RecordKey) (*beaker.Record, error) {
	if !s.e.keepStatements && !s.notRaw.Load() {
		rec, bad, err := s.loadRaw(ctx, key)
		switch {
		case errors.Is(err, errNotRaw):
		case err != nil:
			return nil, s.failed(ctx, s.q.load.op, err)
		case rec == nil && bad == nil:
			return nil, beaker.ErrNotFound
		default:
			return rec, bad
		}
	}
	var rec *beaker.Record
	var bad error
	n, err := s.read(ctx, s.q.load, func(_ int, rows *sql.Rows) error {
		var r row
		err := rows.Scan(&r.accessed, &r.data)
		if err == nil {
			rec, bad = r.recordOf(key)
		}
		return err
	}, key[:])
	switch {
	case err != nil:
		return nil, s.failed(ctx, s.q.load.op, err)
	case n == 0:
		return nil, beaker.ErrNotFound
	}
	return rec, bad
}

// Apply implements [beaker.Store]. It takes one round trip if Change.Base is the
// record as it is stored, two or more otherwise, and one more for a sign-in.
func (s *Store) Apply(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.mu.RUnlock()
	if ch == nil {
		return 0, errNilChange
	}
	next, err := s.apply(ctx, key, ch)
	if err != nil {
		return 0, err
	}
	if ch.Subject != nil && *ch.Subject != "" {
		// Also if there was nothing left to write: the first try may have ended
		// before it got here.
		if err := s.checkSignIn(ctx, key, *ch.Subject, ch.Began); err != nil {
			return 0, err
		}
	}
	return next.Version(), nil
}

func (s *Store) apply(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (*beaker.Record, error) {
	if base := ch.Base; base != nil && base.Key() == key {
		// If Base says that nothing is to be done, or that the change is refused, it
		// may be Base that is wrong.
		if next, err := beaker.Merge(base, ch); err == nil && next != base {
			if done, err := s.swap(ctx, s.exec, base, next, ch); err != nil || done {
				return next, err
			}
		}
	}
	turn := s.turns[int(key[0])%len(s.turns)]
	if err := turn.take(ctx); err != nil {
		return nil, s.failed(ctx, s.q.setValues.op, err)
	}
	defer turn.give()
	for range 2 {
		base, err := s.load(ctx, key)
		if err != nil {
			return nil, err
		}
		next, err := beaker.Merge(base, ch)
		if err != nil || next == base {
			return next, err
		}
		if done, err := s.swap(ctx, s.exec, base, next, ch); err != nil || done {
			return next, err
		}
	}
	return s.applyLocked(ctx, key, ch)
}

// swap replaces base by next if the row is still base, and reports whether it did. If
// it did not, only reading the row tells why: MySQL also counts no row if the row was
// as it should be already.
func (s *Store) swap(ctx context.Context, exec execFunc, base, next *beaker.Record, ch *beaker.Change) (bool, error) {
	was := base.Meta()
	touched := int64(next.Touched())
	same := [4]any{was.Key[:], int64(was.Version), was.Proof[:], int64(ch.Now)} // for ifSame
	if !ch.ChangesData() {
		n, err := exec(ctx, s.q.touch, touched, touched, same[0], same[1], same[2], same[3])
		return n > 0, err
	}
	data, err := dataOf(next)
	if err != nil {
		return false, err
	}
	var n int64
	if onlyValues(ch) {
		n, err = exec(ctx, s.q.setValues, touched, touched, data, same[0], same[1], same[2], same[3])
	} else {
		m := next.Meta()
		idle := int64(m.Idle / time.Millisecond)
		n, err = exec(ctx, s.q.setAll, int64(m.Absolute), touched, idle, touched, data, m.Proof[:],
			s.subjectArg(m.Subject), int64(m.AuthenticatedAt), idle, int64(m.Absolute), same[0], same[1], same[2], same[3])
	}
	return n > 0, err
}

// onlyValues reports whether ch, which changes data, changes no other column but
// perhaps the time of the last use.
func onlyValues(ch *beaker.Change) bool {
	return ch.Idle == 0 && ch.Absolute == 0 && ch.Subject == nil && ch.Rotate == nil
}

// execFunc is Store.exec, or the same inside a transaction.
type execFunc func(ctx context.Context, q *query, args ...any) (int64, error)

// Delete implements [beaker.Store]. It takes one round trip.
func (s *Store) Delete(ctx context.Context, key beaker.RecordKey) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.mu.RUnlock()
	return s.delete(ctx, key)
}

func (s *Store) delete(ctx context.Context, key beaker.RecordKey) error {
	_, err := s.exec(ctx, s.q.delete, key[:])
	return err
}

// checkSignIn is what a sign-in does last, when its session is committed: it reads
// whether the subject was revoked since the sign-in began, and ends the session then.
//
// A revocation commits its mark first and deletes sessions afterwards. So either the
// mark was there before this reads, and is seen; or the session was committed before
// the mark, and the deleting finds it.
func (s *Store) checkSignIn(ctx context.Context, key beaker.RecordKey, subject string, began beaker.Millis) error {
	var at int64
	n, err := s.read(ctx, s.q.marked, func(_ int, rows *sql.Rows) error { return rows.Scan(&at) }, s.subjectArg(subject))
	if err != nil {
		// The session is there, but perhaps it must not be. Nobody has its secret yet.
		return fmt.Errorf("%w: %w", beaker.ErrUncertain, s.failed(ctx, s.q.marked.op, err))
	}
	if n == 0 || int64(began) > at {
		return nil
	}
	if err := s.delete(ctx, key); err != nil {
		if errors.Is(err, beaker.ErrUncertain) {
			return err
		}
		return fmt.Errorf("%w: %w", beaker.ErrUncertain, err)
	}
	return beaker.ErrRevoked
}
