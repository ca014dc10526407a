package memcachestore

import (
	"context"
	"errors"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/seed12c5fab1/beaker"
)

// What is being done, for errors.
const (
	opCreate = "create"
	opLoad   = "load"
	opApply  = "apply"
	opDelete = "delete"
	opRevoke = "revoke"
)

var (
	errNilRecord = errors.New("memcachestore: create: nil record")
	errNilChange = errors.New("memcachestore: apply: nil change")
)

// Create implements [beaker.Store]. It takes one round trip, or three if the record has
// a subject.
func (s *Store) Create(ctx context.Context, rec *beaker.Record) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.mu.RUnlock()
	if rec == nil {
		return errNilRecord
	}
	if rec.Subject() != "" {
		return s.createSignedIn(ctx, rec)
	}
	return s.create(ctx, rec)
}

func (s *Store) create(ctx context.Context, rec *beaker.Record) error {
	m := newMark()
	it, err := s.item(opCreate, rec, m, rec.Touched())
	if err != nil {
		return err
	}
	err = s.write(ctx, func() error { return s.client.Add(it) })
	switch {
	case err == nil:
		return nil
	case errors.Is(err, memcache.ErrNotStored):
		return beaker.ErrExists
	case judge(err) != unknown:
		return s.failedWrite(ctx, opCreate, it, err)
	}
	// An add is never repeated: the first one may still be on its way, and would bring
	// the session back after its logout.
	h, ferr := s.fetch(ctx, opCreate, rec.Key())
	switch {
	case ferr == nil && h.mark == m:
		return nil
	case ferr == nil:
		return beaker.ErrExists
	}
	return s.uncertain(ctx, opCreate, err)
}

// Load implements [beaker.Store]. It takes one round trip, or two if the record has a
// subject.
func (s *Store) Load(ctx context.Context, key beaker.RecordKey) (*beaker.Record, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	h, err := s.load(ctx, key)
	if err != nil {
		return nil, err
	}
	return h.rec.WithHint(&h.hint), nil
}

// load is fetch for a session that counts: one of a subject must be in its roster.
func (s *Store) load(ctx context.Context, key beaker.RecordKey) (held, error) {
	for {
		h, err := s.fetch(ctx, opLoad, key)
		if err != nil || h.rec.Subject() == "" {
			return h, err
		}
		r, err := s.roster(ctx, opLoad, h.rec.Subject())
		if err != nil || r.has(key) {
			return h, err
		}
		if err := s.over(ctx, opLoad, h); err != nil {
			return held{}, err
		}
	}
}

// over is ErrNotFound if a session is what it was before its subject's roster was found
// not to name it. Otherwise it may have left the subject between the two.
func (s *Store) over(ctx context.Context, op string, h held) error {
	now, err := s.fetch(ctx, op, h.rec.Key())
	if err == nil && now.cas == h.cas {
		err = beaker.ErrNotFound
	}
	return err
}

// Apply implements [beaker.Store]. It takes one round trip if Change.Base was loaded by
// this Store and is the record as it is stored, and one or more for reading it
// otherwise. A sign-in takes two more.
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
	return next.Version(), nil
}

func (s *Store) apply(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (*beaker.Record, error) {
	a := &attempt{s: s, key: key, ch: ch}
	if h, ok := s.hinted(ch.Base, key); ok {
		// If Base says that nothing is to be done, or that the change is refused, it may
		// be Base that is wrong.
		if next, err := beaker.Merge(h.rec, ch); err == nil && next != h.rec {
			if done, err := a.make(ctx, h, next); err != nil || done {
				return next, err
			}
		}
	}
	turn := s.turns[int(key[0])%len(s.turns)]
	if err := turn.take(ctx); err != nil {
		return nil, s.failed(ctx, opApply, err)
	}
	defer turn.give()
	a.fresh = true
	for {
		h, err := s.fetch(ctx, opApply, key)
		if err != nil {
			return nil, err
		}
		next, err := beaker.Merge(h.rec, ch)
		if err != nil {
			return nil, err
		}
		if done, err := a.make(ctx, h, next); err != nil || done {
			return next, err
		}
	}
}

// Delete implements [beaker.Store]. It takes one round trip. The subject's roster goes
// on naming the session until its deadline, and means nothing by it.
func (s *Store) Delete(ctx context.Context, key beaker.RecordKey) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.mu.RUnlock()
	return s.delete(ctx, opDelete, key)
}

func (s *Store) delete(ctx context.Context, op string, key beaker.RecordKey) error {
	// It is repeated like a read: nothing is created under a key twice, so the first
	// one does no harm when it comes late.
	name := s.sessionKey(key)
	doubt, err := s.trip(ctx, func() error { return s.client.Delete(name) }, broke)
	switch {
	case err == nil, errors.Is(err, memcache.ErrCacheMiss):
		return nil
	case doubt || judge(err) == unknown:
		return s.uncertain(ctx, op, err)
	}
	return s.failed(ctx, op, err)
}
