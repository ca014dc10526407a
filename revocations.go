package beaker

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// revocations remembers, in any store, which sealed sessions have ended before their
// time. There is a record for each ended sid, until its absolute deadline, and one for
// each revoked subject.
type revocations struct {
	m     *Manager
	store Store // nil: nothing can be revoked
}

const (
	labelEnded   = "beaker revoked session v1"
	labelSubject = "beaker revoked subject v1"
)

// The proof of a mark says why the session ended: the constant, or the proof that a
// rotation has put in its place.
var markLogout = Proof{1}

// markSubject keeps bounded stores from evicting revocations as they evict anonymous
// sessions: a revocation that is forgotten is a logout undone. Nobody can guess it, or
// they could have the marks revoked in a store that also holds sessions.
func markSubject() string { return "beaker revocation " + rand.Text() }

// errRecentlyRevoked is ErrNotFound for a request that may have been in flight: it
// must not send a cookie.
var errRecentlyRevoked = fmt.Errorf("%w: revoked a moment ago", ErrNotFound)

func (r *revocations) key(label, what string) RecordKey {
	return sha256.Sum256([]byte(frame(label, r.m.cfg.App, what)))
}

// check returns nil if rec was not revoked, or only by the rotation to next, ErrNotFound if it was, and the store's
// error if that cannot be known.
func (r *revocations) check(ctx context.Context, rec *Record, next Proof) error {
	if r.store == nil {
		return nil
	}
	switch mark, err := r.load(ctx, r.key(labelEnded, string(rec.key[:]))); {
	case err != nil:
		return err
	case mark != nil && !next.IsZero() && mark.proof.equal(next):
		// This very rotation, of which the acknowledgement was lost.
	case mark != nil && r.m.now() < mark.created+inFlight:
		return errRecentlyRevoked
	case mark != nil:
		return ErrNotFound
	}
	if rec.subject == "" {
		return nil
	}
	if err := r.checkSubject(ctx, rec); errors.Is(err, ErrRevoked) {
		return ErrNotFound
	} else if err != nil {
		return err
	}
	return nil
}

// load returns a mark that still counts, or nil.
func (r *revocations) load(ctx context.Context, key RecordKey) (*Record, error) {
	mark, err := r.store.Load(ctx, key)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, nil //nolint:nilnil // no mark is the usual case
	case err != nil:
		// A mark that cannot be read may say "revoked": fail closed (OWASP ASVS 16.5.3).
		return nil, fmt.Errorf("beaker: revocations: %w", err)
	case mark.Expired(r.m.now()):
		return nil, nil //nolint:nilnil // as above
	}
	return mark, nil
}

const (
	markAt     = "at"     // the time of the revocation, 8 bytes
	markExcept = "except" // who is spared: keys of 32 bytes, each with a time of 8
)

const sparedBytes = 32 + 8

// spared finds a key among those that the last revocation spared. A sign-in at or
// before since fell to an earlier one, which did not spare it, and stays revoked.
func spared(except string, key RecordKey) (since Millis, ok bool) {
	for ; len(except) >= sparedBytes; except = except[sparedBytes:] {
		if except[:32] == string(key[:]) {
			return millisOf(except[32:sparedBytes]), true
		}
	}
	return 0, false
}

// sparing returns the values of a mark that follows upon old, which may be nil.
func sparing(at Millis, except []RecordKey, old *Record) []Value {
	var last Millis
	var before string
	if old != nil {
		if was, _ := old.Lookup(markAt); len(was) == 8 {
			last = millisOf(was)
		}
		before, _ = old.Lookup(markExcept)
		at = max(at, last) // a node whose clock is ahead may have been here
	}
	var kept []byte
	for _, k := range except {
		since, ok := spared(before, k)
		if !ok {
			since = last
		}
		kept = binary.BigEndian.AppendUint64(append(kept, k[:]...), uint64(since))
	}
	return []Value{{markAt, binary.BigEndian.AppendUint64(nil, uint64(at))}, {markExcept, kept}}
}

func millisOf(b string) Millis { return Millis(binary.BigEndian.Uint64([]byte(b))) }

// checkSubject returns ErrRevoked if rec signed in before its subject was revoked.
func (r *revocations) checkSubject(ctx context.Context, rec *Record) error {
	if r.store == nil {
		return nil
	}
	mark, err := r.load(ctx, r.key(labelSubject, rec.subject))
	if err != nil || mark == nil {
		return err
	}
	at, ok := mark.Lookup(markAt)
	if !ok || len(at) != 8 {
		return fmt.Errorf("%w: revocation of a subject", ErrCorrupt)
	}
	if rec.authAt > Millis(binary.BigEndian.Uint64([]byte(at))) {
		return nil
	}
	except, _ := mark.Lookup(markExcept)
	if since, ok := spared(except, rec.key); ok && rec.authAt > since {
		return nil
	}
	return ErrRevoked
}

// end revokes one session. That there is a mark already is success only if it says the
// same: otherwise a rotation that is under way would undo a logout, or a logout would
// take a session for ended that goes on under a new sid.
func (r *revocations) end(ctx context.Context, rec *Record, now Millis, why Proof) error {
	if r.store == nil {
		return ErrNotRevocable
	}
	// Another node's clock may be behind: there the session lives a little longer.
	return r.endKey(ctx, rec.key, now, rec.abs+maxSkew, why)
}

func (r *revocations) endKey(ctx context.Context, key RecordKey, now, until Millis, why Proof) error {
	if until <= now {
		return nil
	}
	mark, err := newRecord(Meta{
		Key: r.key(labelEnded, string(key[:])), Proof: why, Version: 1, Created: now, Touched: now,
		Idle: NoLimit, Absolute: until, Subject: markSubject(), AuthenticatedAt: now,
	}, noValues)
	if err != nil {
		return err
	}
	err = r.store.Create(ctx, mark)
	if !errors.Is(err, ErrExists) {
		return err
	}
	was, err := r.store.Load(ctx, mark.key)
	switch {
	case err != nil:
		return err
	case was.proof.equal(why):
		return nil
	case why.equal(markLogout):
		return ErrEnded
	}
	return ErrNotFound
}

// revokeSubject revokes all sessions of a subject that signed in at or before a time.
// How many there are nobody knows.
func (r *revocations) revokeSubject(ctx context.Context, subject string, at Millis, except []RecordKey) error {
	if r.store == nil {
		return ErrNotRevocable
	}
	key := r.key(labelSubject, subject)
	// No session that it concerns lives longer than this.
	until := at.Add(max(r.m.cfg.AbsoluteTimeout, maxSealedLifetime)) + maxSkew
	for range 8 {
		mark, err := NewRecord(Meta{
			Key: key, Proof: markLogout, Version: 1, Created: at, Touched: at, Idle: NoLimit, Absolute: until,
			Subject: markSubject(), AuthenticatedAt: at,
		}, sparing(at, except, nil))
		if err != nil {
			return err
		}
		if err = r.store.Create(ctx, mark); !errors.Is(err, ErrExists) {
			return err
		}
		old, err := r.store.Load(ctx, key)
		if err == nil && old.Expired(at) {
			// Only an expired mark is in the way; it says nothing any more.
			if err := r.store.Delete(ctx, key); err != nil {
				return err
			}
			continue
		}
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if err == nil {
			_, err = r.store.Apply(ctx, key, &Change{
				Now: at, AnyProof: true, Base: old, IfVersion: old.version, Set: sparing(at, except, old), Touch: at, Absolute: max(until, old.abs),
			})
			if err == nil || !errors.Is(err, ErrConflict) && !errors.Is(err, ErrNotFound) {
				return err
			}
		}
	}
	return fmt.Errorf("beaker: revocations: %w", ErrConflict)
}

// maxSealedLifetime bounds what SetAbsoluteTimeout may give a sealed session, so that
// revocations can be forgotten some day.
const maxSealedLifetime = 400 * 24 * time.Hour

// follow spares what a session with a new sid was spared before.
func (r *revocations) follow(ctx context.Context, from, to *Record, now Millis) error {
	if r.store == nil || from.subject == "" {
		return nil
	}
	for range 8 {
		mark, err := r.load(ctx, r.key(labelSubject, from.subject))
		if err != nil || mark == nil {
			return err
		}
		except, _ := mark.Lookup(markExcept)
		since, ok := spared(except, from.key)
		if !ok {
			return nil
		}
		more := binary.BigEndian.AppendUint64(append([]byte(except), to.key[:]...), uint64(since))
		_, err = r.store.Apply(ctx, mark.key, &Change{
			Now: now, AnyProof: true, Base: mark, IfVersion: mark.version, Set: []Value{{markExcept, more}},
		})
		if !errors.Is(err, ErrConflict) && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return fmt.Errorf("beaker: revocations: %w", ErrConflict)
}
