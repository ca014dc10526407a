package beaker

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
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

// markName is, or begins, the name of a mark's values. No session has such.
const markName = internalPrefix + "r"

// isMark reports whether a record in a store that also holds sessions is none: nobody may
// list it, look it up or end it, for that would undo a logout.
func isMark(rec *Record) bool {
	for name := range rec.Values() {
		return strings.HasPrefix(name, markName) // all of them are
	}
	return false
}

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

// check returns nil if rec was not revoked, or only by the rotation to next, ErrNotFound
// if it was, and the store's error if that cannot be known. The subject's epoch, as it
// is now, is for a session that goes on under a new sid.
func (r *revocations) check(ctx context.Context, rec *Record, ep epoch, next Proof) (now epoch, err error) {
	if r.store == nil {
		return ep, nil
	}
	switch mark, err := r.load(ctx, r.key(labelEnded, string(rec.key[:]))); {
	case err != nil:
		return ep, err
	case mark != nil && !next.IsZero() && mark.proof.equal(next):
		// This very rotation, of which the acknowledgement was lost.
	case mark != nil && r.m.now() < mark.created+inFlight:
		return ep, errRecentlyRevoked
	case mark != nil:
		return ep, ErrNotFound
	}
	if rec.subject == "" {
		return ep, nil
	}
	switch mark, err := r.loadSubject(ctx, rec.subject); {
	case err != nil:
		return ep, err
	case mark == nil || mark.epoch == ep || mark.spares(rec.key, ep):
		if mark != nil {
			ep = mark.epoch
		}
		return ep, nil
	}
	return ep, ErrNotFound
}

// signIn returns the epoch of a session that signs rec's subject in, or ErrRevoked if
// the subject was revoked since the sign-in began.
func (r *revocations) signIn(ctx context.Context, rec *Record) (epoch, error) {
	if r.store == nil || rec.subject == "" {
		return epoch{}, nil
	}
	mark, err := r.loadSubject(ctx, rec.subject)
	switch {
	case err != nil || mark == nil:
		return epoch{}, err
	case rec.authAt <= mark.at:
		return epoch{}, ErrRevoked
	}
	return mark.epoch, nil
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

// An epoch of a subject lasts from one revocation to the next. It is drawn by the
// revocation, and kept by each session that signs in during it; the zero epoch is the one
// before the first. A session is revoked when the epoch is another one than its own,
// whatever the clocks say: that of the node where it signed in may have been ahead.
type epoch [8]byte

func newEpoch() (e epoch) {
	_, _ = rand.Read(e[:]) // never fails: crypto/rand crashes the program instead
	return e
}

// subjectMark is the last revocation of a subject.
type subjectMark struct {
	at    Millis // a sign-in that began then or before, and is not over, is refused
	epoch epoch
	// except is who was spared: keys of 32 bytes, each with the epoch that counts for
	// it, the one that was current before.
	except string
}

const (
	markAt     = markName + ".at"
	markEpoch  = markName + ".epoch"
	markExcept = markName + ".except"

	sparedBytes = 32 + len(epoch{})
)

func (m *subjectMark) values() []Value {
	return []Value{
		{markAt, binary.BigEndian.AppendUint64(nil, uint64(m.at))}, {markEpoch, m.epoch[:]}, {markExcept, []byte(m.except)},
	}
}

// parseSubjectMark refuses what values would not have written: it must not be taken for
// "not revoked".
func parseSubjectMark(rec *Record) (*subjectMark, error) {
	at, ok1 := rec.Lookup(markAt)
	ep, ok2 := rec.Lookup(markEpoch)
	except, ok3 := rec.Lookup(markExcept)
	if !ok1 || !ok2 || !ok3 || rec.Len() != 3 || len(at) != 8 || len(ep) != len(epoch{}) || len(except)%sparedBytes != 0 {
		return nil, fmt.Errorf("%w: revocation of a subject", ErrCorrupt)
	}
	m := &subjectMark{except: except, epoch: epoch([]byte(ep))}
	n := binary.BigEndian.Uint64([]byte(at))
	if n > uint64(maxMillis) || m.epoch == (epoch{}) {
		return nil, fmt.Errorf("%w: revocation of a subject", ErrCorrupt)
	}
	m.at = Millis(n)
	return m, nil
}

// sparedAt returns the epoch that counts for a key that was spared.
func (m *subjectMark) sparedAt(key RecordKey) (ep epoch, ok bool) {
	for rest := m.except; len(rest) >= sparedBytes; rest = rest[sparedBytes:] {
		if rest[:32] == string(key[:]) {
			return epoch([]byte(rest[32:sparedBytes])), true
		}
	}
	return epoch{}, false
}

func (m *subjectMark) spares(key RecordKey, ep epoch) bool {
	at, ok := m.sparedAt(key)
	return ok && at == ep
}

// following returns the mark of a revocation that follows upon old, which may be nil.
// Spared is who was not revoked before: an earlier revocation that did not spare a
// session is not undone by one that does.
func following(at Millis, except []RecordKey, old *subjectMark) *subjectMark {
	m := &subjectMark{at: at, epoch: newEpoch()}
	var last epoch
	if old != nil {
		last = old.epoch
		m.at = max(at, old.at) // a node whose clock is ahead may have been here
	}
	var kept []byte
	for _, k := range except {
		ep := last
		if old != nil {
			if before, ok := old.sparedAt(k); ok {
				ep = before
			}
		}
		kept = append(append(kept, k[:]...), ep[:]...)
	}
	m.except = string(kept)
	return m
}

// loadSubject returns the last revocation of a subject if it still counts, or nil.
func (r *revocations) loadSubject(ctx context.Context, subject string) (*subjectMark, error) {
	mark, err := r.load(ctx, r.key(labelSubject, subject))
	if err != nil || mark == nil {
		return nil, err
	}
	return parseSubjectMark(mark)
}

// end revokes one session. That there is a mark already is success only if it says the
// same: otherwise a rotation that is under way would undo a logout, or a logout would
// take a session for ended that goes on under a new sid.
func (r *revocations) end(ctx context.Context, rec *Record, now Millis, why Proof) error {
	if r.store == nil {
		return ErrNotRevocable
	}
	// Another node's clock may be behind: there the session lives a little longer.
	// Anybody can begin and end anonymous sessions without end; their marks may be evicted
	// by a bounded store, or it would be full of them and refuse everybody's logout.
	return r.endKey(ctx, rec.key, now, rec.abs+maxSkew, why, rec.subject != "")
}

// endKey revokes the session under key; kept says that the mark must not be evicted.
func (r *revocations) endKey(ctx context.Context, key RecordKey, now, until Millis, why Proof, kept bool) error {
	if until <= now {
		return nil
	}
	meta := Meta{
		Key: r.key(labelEnded, string(key[:])), Proof: why, Version: 1, Created: now, Touched: now,
		Idle: NoLimit, Absolute: until,
	}
	if kept {
		meta.Subject, meta.AuthenticatedAt = markSubject(), now
	}
	mark, err := NewRecord(meta, []Value{{Name: markName}})
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
		}, following(at, except, nil).values())
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
			was, err := parseSubjectMark(old)
			if err != nil {
				return fmt.Errorf("beaker: revocations: %w", err)
			}
			_, err = r.store.Apply(ctx, key, &Change{
				Now: at, AnyProof: true, Base: old, IfVersion: old.version, Set: following(at, except, was).values(), Touch: at, Absolute: max(until, old.abs),
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
