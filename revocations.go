package beaker

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
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

	// revokedSubject keeps bounded stores from evicting revocations as they evict
	// anonymous sessions: a revocation that is forgotten is a logout undone.
	revokedSubject = "beaker revocation"
)

// errRecentlyRevoked is ErrNotFound for a request that may have been in flight: it
// must not send a cookie.
var errRecentlyRevoked = fmt.Errorf("%w: revoked a moment ago", ErrNotFound)

func (r *revocations) key(label, what string) RecordKey {
	return sha256.Sum256([]byte(frame(label, r.m.cfg.App, what)))
}

// check returns nil if rec was not revoked, ErrNotFound if it was, and the store's
// error if that cannot be known.
func (r *revocations) check(ctx context.Context, rec *Record) error {
	if r.store == nil {
		return nil
	}
	switch mark, err := r.load(ctx, r.key(labelEnded, string(rec.key[:]))); {
	case err != nil:
		return err
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
	markExcept = "except" // keys of 32 bytes
)

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
	for len(except) >= len(RecordKey{}) {
		if except[:32] == string(rec.key[:]) {
			return nil
		}
		except = except[32:]
	}
	return ErrRevoked
}

// end revokes one session.
func (r *revocations) end(ctx context.Context, rec *Record, now Millis) error {
	if r.store == nil {
		return ErrNotRevocable
	}
	// Another node's clock may be behind: there the session lives a little longer.
	return r.endKey(ctx, rec.key, now, rec.abs+maxSkew)
}

func (r *revocations) endKey(ctx context.Context, key RecordKey, now, until Millis) error {
	if until <= now {
		return nil
	}
	mark, err := newRecord(Meta{
		Key: r.key(labelEnded, string(key[:])), Proof: Proof{1}, Version: 1, Created: now, Touched: now,
		Idle: NoLimit, Absolute: until, Subject: revokedSubject, AuthenticatedAt: now,
	}, noValues)
	if err != nil {
		return err
	}
	if err := r.store.Create(ctx, mark); err != nil && !errors.Is(err, ErrExists) {
		return err
	}
	return nil
}

// revokeSubject revokes all sessions of a subject that signed in at or before a time.
// How many there are nobody knows.
func (r *revocations) revokeSubject(ctx context.Context, subject string, at Millis, except []RecordKey) error {
	if r.store == nil {
		return ErrNotRevocable
	}
	var kept []byte
	for _, k := range except {
		kept = append(kept, k[:]...)
	}
	values := []Value{{markAt, binary.BigEndian.AppendUint64(nil, uint64(at))}, {markExcept, kept}}
	key := r.key(labelSubject, subject)
	// No session that it concerns lives longer than this.
	until := at.Add(max(r.m.cfg.AbsoluteTimeout, maxSealedLifetime)) + maxSkew
	for range 8 {
		mark, err := NewRecord(Meta{
			Key: key, Proof: Proof{1}, Version: 1, Created: at, Touched: at, Idle: NoLimit, Absolute: until,
			Subject: revokedSubject, AuthenticatedAt: at,
		}, values)
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
			if was, _ := old.Lookup(markAt); len(was) == 8 && Millis(binary.BigEndian.Uint64([]byte(was))) > at {
				return nil // revoked later already, by a node whose clock is ahead
			}
			_, err = r.store.Apply(ctx, key, &Change{
				Now: at, AnyProof: true, Base: old, IfVersion: old.version, Set: slices.Clone(values), Touch: at, Absolute: max(until, old.abs),
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
