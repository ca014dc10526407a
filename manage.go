package beaker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Lookup returns a session by its handle, outside of its own requests: for support
// tools and background work. Changes are saved by its Persist, or made with its
// Destroy; what needs a cookie is refused. It is [ErrNotFound] if the session has
// ended. A lookup is not a use and does not keep the session alive.
//
// A handle that comes from a user proves nothing: check Subject, or use RevokeOwn.
func (m *Manager) Lookup(ctx context.Context, h Handle) (*Session, error) {
	rec, err := m.find(ctx, h)
	if err != nil {
		return nil, err
	}
	if m.cfg.Secrets.rejects(rec) {
		return nil, ErrNotFound // no cookie opens it any more
	}
	return &Session{
		m: m, ctx: ctx, state: stateLive, key: rec.key, base: rec, version: rec.version, exact: true,
		now: m.now(), last: rec.touched, anyProof: true,
	}, nil
}

// find loads a live record.
func (m *Manager) find(ctx context.Context, h Handle) (*Record, error) {
	if m.sealed {
		return nil, errSealed("look up")
	}
	op := new(opContext).start(ctx, m.cfg.StoreTimeout)
	defer op.stop()
	rec, err := m.store.Load(op, RecordKey(h))
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, ErrNotFound
	case err != nil:
		m.observe(ctx, Event{Name: EventStoreError, Handle: h, Detail: "load", Err: err})
		return nil, fmt.Errorf("beaker: load: %w", err)
	case rec.key != RecordKey(h) || rec.Expired(m.now()) || isMark(rec):
		return nil, ErrNotFound
	}
	return rec, nil
}

// Info is a session in a listing, as it was when it was listed. A [Key] reads its values.
// It is a plain value that may be kept, copied and used concurrently; the zero Info, which
// comes with an error, must not be used.
type Info struct {
	m   *Manager
	rec *Record
}

// Handle names the session, for Revoke, RevokeOwn and Lookup.
func (i Info) Handle() Handle { return Handle(i.rec.key) }

// Subject returns whose session it is; empty means anonymous.
func (i Info) Subject() string { return i.rec.subject }

// CreatedAt returns when the session began.
func (i Info) CreatedAt() time.Time { return i.rec.created.Time() }

// LastAccessed returns when it was last used, exact to the touch interval.
func (i Info) LastAccessed() time.Time { return i.rec.touched.Time() }

// AuthenticatedAt returns when its subject was set; zero if it is anonymous.
func (i Info) AuthenticatedAt() time.Time { return i.rec.authAt.Time() }

// ExpiresAt returns when it ends if it is not used again.
func (i Info) ExpiresAt() time.Time { return i.rec.Expires().Time() }

// Get returns a value as Session.Get does.
func (i Info) Get(name string) (any, bool) {
	data, ok := i.raw(name)
	if !ok {
		return nil, false
	}
	var v any
	if err := i.m.cfg.Codec.Decode([]byte(data), &v); err != nil {
		i.badValue(name, &DecodeError{Name: name, Type: "any", Err: err})
		return nil, false
	}
	return v, true
}

func (i Info) raw(name string) (string, bool) { return i.rec.Lookup(name) }
func (i Info) codec() Codec                   { return i.m.cfg.Codec }
func (i Info) badValue(name string, err error) {
	i.m.observe(context.Background(), Event{Name: EventBadValue, Handle: i.Handle(), Detail: name, Err: err})
}

// List iterates over the live sessions of a subject, for a list of devices. A session
// that begins or ends meanwhile may be there or not. An error ends the listing: it is
// [ErrInvalidSubject] if the subject is empty, as that of an anonymous visitor is, and
// [errors.ErrUnsupported] if the store cannot list.
func (m *Manager) List(ctx context.Context, subject string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		if err := checkSubject(subject); err != nil || subject == "" {
			// Whoever forgets to look whether somebody is signed in must not show
			// everybody's sessions.
			yield(Info{}, ErrInvalidSubject)
			return
		}
		m.list(ctx, subject, yield)
	}
}

// ListAll is List for all sessions, for operators: anonymous ones too, and those that
// [Secrets.RejectIssuedBefore] refuses, which List leaves out, so that Revoke can end
// them for good.
func (m *Manager) ListAll(ctx context.Context) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) { m.list(ctx, "", yield) }
}

func (m *Manager) list(ctx context.Context, subject string, yield func(Info, error) bool) {
	if m.sealed {
		yield(Info{}, errSealed("list"))
		return
	}
	if m.lister == nil {
		yield(Info{}, fmt.Errorf("beaker: this store does not list sessions: %w", errors.ErrUnsupported))
		return
	}
	seen := map[RecordKey]bool{}
	for q := (ListQuery{Subject: subject}); ; {
		op := new(opContext).start(ctx, m.cfg.StoreTimeout)
		page, next, err := m.lister.List(op, q)
		op.stop()
		if err != nil {
			m.observe(ctx, Event{Name: EventStoreError, Detail: "list", Err: err})
			yield(Info{}, fmt.Errorf("beaker: list: %w", err))
			return
		}
		now := m.now()
		for _, rec := range page {
			if rec.Expired(now) || isMark(rec) || subject != "" && (rec.subject != subject || seen[rec.key] || m.cfg.Secrets.rejects(rec)) {
				continue
			}
			if subject != "" {
				seen[rec.key] = true // a subject has few sessions; a listing of all may be long
			}
			if !yield(Info{m, rec}, nil) {
				return
			}
		}
		if next == "" {
			return
		}
		q.Cursor = next
	}
}

// Revoke ends a session by its handle, now. It is [ErrNotFound] if there was none to
// end. It is for operators: for a handle that a user sent, use RevokeOwn. Of a sealed
// session nobody knows whether it exists, so there it succeeds if the Revoker does; it is
// ErrNotFound if the session is known to go on under another handle.
func (m *Manager) Revoke(ctx context.Context, h Handle) error {
	if m.sealed {
		return m.revokeSealed(ctx, h)
	}
	return m.revoke(ctx, h, func(*Record) bool { return true })
}

// RevokeOwn ends one of the subject's own sessions, now. It is [ErrNotFound] if the
// session is not the subject's, or there is none.
func (m *Manager) RevokeOwn(ctx context.Context, subject string, h Handle) error {
	return m.revoke(ctx, h, func(rec *Record) bool { return subject != "" && rec.subject == subject })
}

func (m *Manager) revoke(ctx context.Context, h Handle, may func(*Record) bool) error {
	rec, err := m.find(ctx, h)
	if err != nil {
		return err
	}
	if !may(rec) {
		return ErrNotFound
	}
	if err := m.remove(ctx, m.store, rec.key, m.observe); err != nil {
		return err
	}
	m.observe(ctx, Event{Name: EventRevoke, Handle: h, Subject: rec.subject, Count: 1})
	return nil
}

// RevokeAll ends all sessions of a subject except those named, now, and says how many
// there were. A sign-in of the subject that began before and finishes later is refused
// with [ErrRevoked], unless its own request has ordered this; so is one that begins in
// the same millisecond. Call it when a password changes or an account is closed (OWASP
// ASVS 7.4.2, 7.4.3). It is [errors.ErrUnsupported] if the store cannot find a subject's
// sessions. How many sealed sessions there were nobody knows: it is 0. The empty subject
// is [ErrInvalidSubject].
func (m *Manager) RevokeAll(ctx context.Context, subject string, except ...Handle) (int, error) {
	if m.revoker == nil && !m.sealed {
		return 0, fmt.Errorf("beaker: this store does not revoke by subject: %w", errors.ErrUnsupported)
	}
	if subject == "" {
		return 0, fmt.Errorf("%w: it is empty: anonymous sessions have no common owner", ErrInvalidSubject)
	}
	if err := checkSubject(subject); err != nil {
		return 0, err
	}
	keys := make([]RecordKey, len(except))
	for i, h := range except {
		keys[i] = RecordKey(h)
	}
	op := new(opContext).detach(ctx, m.cfg.StoreTimeout)
	defer op.stop()
	var n int
	var err error
	at := m.now()
	if m.sealed {
		err = m.revoked.revokeSubject(op, subject, at, keys)
	} else {
		n, err = m.revoker.RevokeSubject(op, subject, at, keys...)
	}
	m.watches.revoked(subject) // after an error too: some may have ended
	if err != nil {
		m.observe(ctx, Event{Name: EventStoreError, Detail: "revoke", Err: err})
		return n, fmt.Errorf("beaker: revoke: %w", err)
	}
	if rq := m.request(ctx); rq != nil {
		// Whoever ordered it was let in after it: a handler may revoke all sessions and
		// then sign its own visitor in again.
		rq.mu.Lock()
		rq.rarely().exempt[subject] = at + 1
		rq.mu.Unlock()
	}
	m.observe(ctx, Event{Name: EventRevoke, Subject: subject, Count: n})
	return n, nil
}

func errSealed(what string) error {
	return fmt.Errorf("beaker: sealed sessions are in their cookies, nobody can %s them: %w", what, errors.ErrUnsupported)
}

func (m *Manager) revokeSealed(ctx context.Context, h Handle) error {
	if m.revoked.store == nil {
		return ErrNotRevocable
	}
	op := new(opContext).detach(ctx, m.cfg.StoreTimeout)
	defer op.stop()
	now := m.now()
	until := now.Add(max(m.cfg.AbsoluteTimeout, maxSealedLifetime)) + maxSkew
	err := m.revoked.endKey(op, RecordKey(h), now, until, markLogout, true)
	if errors.Is(err, ErrEnded) {
		return ErrNotFound
	}
	if err != nil {
		m.observe(ctx, Event{Name: EventStoreError, Handle: h, Detail: "revoke", Err: err})
		return fmt.Errorf("beaker: revoke: %w", err)
	}
	m.watches.ended(RecordKey(h))
	m.observe(ctx, Event{Name: EventRevoke, Handle: h, Count: 1})
	return nil
}

const (
	purgeBatch = 500
	// purgeShare is which part of the time a purge may take before it is given up. Nobody
	// waits for it: the time for what a request waits for would not do for a store that
	// has to look at a million files.
	purgeShare = 4
)

// purgeForever is the janitor. Nodes that were started together do not all purge at
// once, since the interval varies.
func (m *Manager) purgeForever(ctx context.Context) {
	for {
		var b [1]byte
		_, _ = rand.Read(b[:]) // never fails: crypto/rand crashes the program instead
		jitter := m.cfg.PurgeInterval / 5 * time.Duration(int(b[0])-128) / 128
		timer := time.NewTimer(m.cfg.PurgeInterval + jitter)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		m.purge(ctx)
	}
}

func (m *Manager) purge(ctx context.Context) {
	total := 0
	for ctx.Err() == nil {
		op := new(opContext).start(ctx, max(m.cfg.StoreTimeout, m.cfg.PurgeInterval/purgeShare))
		n, err := m.purger.Purge(op, m.now(), purgeBatch)
		op.stop()
		total += n
		if err != nil {
			if ctx.Err() == nil {
				m.observe(ctx, Event{Name: EventStoreError, Detail: "purge", Err: err})
			}
			break
		}
		if n < purgeBatch {
			break
		}
	}
	m.observe(ctx, Event{Name: EventPurge, Count: total})
}
