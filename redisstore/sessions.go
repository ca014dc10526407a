package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/rueidis"

	"github.com/seed12c5fab1/beaker"
)

var (
	errNilRecord = errors.New("redisstore: create: nil record")
	errNilChange = errors.New("redisstore: apply: nil change")
	errAnswer    = errors.New("an answer that no script of this release gives")
)

// afterEnd is how much longer than its session a key lives: nodes whose clocks are
// behind still find it, and whether it is expired is for beaker to say. The scripts
// have it too.
const afterEnd = 60_000

// Create implements [beaker.Store]. It takes one round trip, and one more if the record
// has a subject.
func (s *Store) Create(ctx context.Context, rec *beaker.Record) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.mu.RUnlock()
	if rec == nil {
		return errNilRecord
	}
	m := rec.Meta()
	// The TTL is a duration: the server's clock need not agree with anybody's.
	ttl := max(int64(rec.Expires()-m.Touched), 0) + afterEnd
	args, err := fieldsOf(append(make([]string, 0, 16+2*rec.Len()), strconv.FormatInt(ttl, 10)), rec, &m)
	if err != nil {
		return err
	}
	msg, err := s.run(ctx, &call{script: &s.createScript, key: s.sessionKey(&m.Key), args: args})
	if err != nil {
		s.cache.doubt(&m.Key)
		return err
	}
	switch n, err := msg.ToInt64(); {
	case err != nil:
		return s.failed(ctx, s.createScript.op, err)
	case n == 0:
		return beaker.ErrExists
	}
	s.cache.wrote(&m.Key, m.Version, m.Touched)
	if m.Subject == "" {
		return nil
	}
	return s.signedIn(ctx, &m.Key, m.Subject, m.AuthenticatedAt, m.Touched, m.Absolute)
}

// Load implements [beaker.Store]. It takes one round trip, or none with Options.Cache.
// If the connection breaks it is repeated until the context ends.
func (s *Store) Load(ctx context.Context, key beaker.RecordKey) (*beaker.Record, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	if s.cache != nil {
		return s.loadCached(ctx, &key)
	}
	return s.load(ctx, &key)
}

func (s *Store) load(ctx context.Context, key *beaker.RecordKey) (*beaker.Record, error) {
	a := s.do(ctx, s.client, s.client.B().Hgetall().Key(s.sessionKey(key)).Build())
	if a.err != nil {
		return nil, s.failed(ctx, "load", a.err)
	}
	return recordOf(key, &a.msg)
}

// Apply implements [beaker.Store]. It takes one round trip, and one more for a sign-in,
// or if the absolute deadline of somebody who is signed in is moved (two without Base).
func (s *Store) Apply(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.mu.RUnlock()
	if ch == nil {
		return 0, errNilChange
	}
	if err := s.checkChange(ch); err != nil {
		return 0, err
	}
	if ch.Proof.IsZero() && !ch.AnyProof {
		return 0, beaker.ErrNotFound // it matches nothing
	}
	v, err := s.apply(ctx, &key, ch)
	if err != nil {
		if !errors.Is(err, beaker.ErrConflict) && !errors.Is(err, beaker.ErrTooLarge) {
			s.cache.doubt(&key)
		}
		return 0, err
	}
	return v, nil
}

// What apply.lua returns instead of a version.
const (
	codeSignedIn   = 1
	codeCorrupt    = -1
	codeNewer      = -2
	codeConflict   = -3
	codeTooLarge   = -4
	codeRaiseIndex = -5
)

func (s *Store) apply(ctx context.Context, key *beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
	name := s.sessionKey(key)
	var raised string // the subject in whose index the new deadline is
	if b := ch.Base; ch.Absolute != 0 && ch.Subject == nil && b != nil && b.Key() == *key && b.Subject() != "" && ch.Absolute > b.Meta().Absolute {
		if err := s.raise(ctx, key, b.Subject(), ch); err != nil {
			return 0, err
		}
		raised = b.Subject()
	}
	for range 4 {
		var buf [32]string
		args := argsOf(buf[:0], ch, raised)
		msg, err := s.run(ctx, &call{script: &s.applyScript, key: name, args: args, wait: ch.Rotate != nil})
		if err != nil {
			return 0, err
		}
		if msg.IsInt64() {
			return s.applied(ctx, key, ch, &msg)
		}
		list, err := msg.ToArray()
		if err != nil || len(list) == 0 {
			return 0, uncertain(s.failed(ctx, s.applyScript.op, errors.Join(errAnswer, err)))
		}
		var n [3]int64
		for i := range min(len(list), len(n)) {
			if list[i].IsInt64() {
				n[i], _ = list[i].ToInt64() // it is one
			}
		}
		switch n[0] {
		case codeSignedIn:
			v := beaker.Version(n[1])
			s.cache.wrote(key, v, ch.Touch)
			return v, s.signedIn(ctx, key, *ch.Subject, ch.Began, ch.Now, beaker.Millis(n[2]))
		case codeCorrupt:
			return 0, fmt.Errorf("%w: redisstore: %w", beaker.ErrCorrupt, errFields)
		case codeNewer:
			return 0, fmt.Errorf("%w: redisstore: this release reads up to %d", beaker.ErrNewerFormat, format)
		case codeConflict:
			s.cache.wrote(key, beaker.Version(n[1]), 0)
			return 0, beaker.ErrConflict
		case codeTooLarge:
			return 0, &beaker.TooLargeError{Bytes: int(n[1]), MaxBytes: ch.Limits.MaxBytes, Keys: int(n[2]), MaxKeys: ch.Limits.MaxKeys}
		case codeRaiseIndex:
			raised, err = list[1].ToString()
			if err == nil {
				err = s.raise(ctx, key, raised, ch)
			}
			if err != nil {
				return 0, err
			}
		default:
			return 0, uncertain(s.failed(ctx, s.applyScript.op, errAnswer))
		}
	}
	return 0, s.failed(ctx, s.applyScript.op, errors.New("the session's subject changes all the time"))
}

func (s *Store) applied(ctx context.Context, key *beaker.RecordKey, ch *beaker.Change, msg *rueidis.RedisMessage) (beaker.Version, error) {
	v, err := msg.ToInt64()
	if err != nil {
		return 0, uncertain(s.failed(ctx, s.applyScript.op, err))
	}
	if v == 0 {
		return 0, beaker.ErrNotFound
	}
	s.cache.wrote(key, beaker.Version(v), ch.Touch)
	return beaker.Version(v), nil
}

// Delete implements [beaker.Store]. It takes one round trip, and one more if the session
// has a subject, out of whose index it is taken.
func (s *Store) Delete(ctx context.Context, key beaker.RecordKey) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.mu.RUnlock()
	return s.delete(ctx, &key)
}

func (s *Store) delete(ctx context.Context, key *beaker.RecordKey) error {
	s.cache.doubt(key)
	msg, err := s.run(ctx, &call{script: &s.deleteScript, key: s.sessionKey(key), wait: true})
	s.cache.doubt(key) // once more: it is for a time that begins now
	if err != nil {
		return err
	}
	if whose, err := msg.ToString(); err == nil {
		s.forgetOne(ctx, whose, string(key[:]))
	}
	return nil
}
