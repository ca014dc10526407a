package memcachestore

import (
	"context"
	"errors"
	"slices"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/seed12c5fab1/beaker"
)

// revokeBatch is how many sessions are read at once.
const revokeBatch = 50

// RevokeSubject implements [beaker.SubjectRevoker]. The subject's sessions are over when
// the roster is written, which is its second round trip. Then they are deleted too,
// and those that could be are counted: sessions on a server that does not answer, or
// that are left when ctx ends, are over but not counted.
func (s *Store) RevokeSubject(ctx context.Context, subject string, at beaker.Millis, except ...beaker.RecordKey) (n int, err error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.mu.RUnlock()
	if subject == "" {
		return 0, beaker.ErrInvalidSubject // anonymous sessions are nobody's
	}
	r, err := s.rosterToChange(ctx, opRevoke, subject)
	if err != nil {
		return 0, err
	}
	// All that were ever struck off, also by a try whose answer was lost.
	var struck []beaker.RecordKey
	seen := map[beaker.RecordKey]bool{}
	err = s.changeRoster(ctx, opRevoke, subject, r, at, func(r roster) ([]byte, error) {
		b := r.without(subject, at, func(key beaker.RecordKey) bool {
			if slices.Contains(except, key) {
				return false
			}
			if !seen[key] {
				seen[key] = true
				struck = append(struck, key)
			}
			return true
		})
		if at > (roster{raw: b}).revoked() {
			setRevoked(b, at)
		}
		return b, nil
	})
	if err != nil {
		return 0, err
	}
	for batch := range slices.Chunk(struck, revokeBatch) {
		n += s.endAll(ctx, subject, batch)
	}
	return n, nil
}

// endAll deletes the sessions that are still the subject's, says how many these were,
// and rewrites the others.
func (s *Store) endAll(ctx context.Context, subject string, keys []beaker.RecordKey) (n int) {
	names := make([]string, len(keys))
	for i, key := range keys {
		names[i] = s.sessionKey(key)
	}
	var items map[string]*memcache.Item
	_ = s.read(ctx, func() (err error) { // what one server does not say, others may
		items, err = s.client.GetMulti(names)
		return err
	})
	for i, key := range keys {
		if it := items[names[i]]; it != nil && s.endOf(ctx, subject, key, it) {
			n++
		}
	}
	return n
}

// endOf deletes a session that is the subject's, or rewrites it, so that a sign-in which
// is about to make it the subject's is made anew.
func (s *Store) endOf(ctx context.Context, subject string, key beaker.RecordKey, it *memcache.Item) bool {
	for rewritten := false; ; rewritten = true {
		h, err := s.parse(it, key)
		if err != nil {
			return false
		}
		mine := h.rec.Subject() == subject
		switch {
		case mine:
			err = s.expire(ctx, h)
		case rewritten:
			return false // by whoever came between, which is as good
		default:
			it.Expiration = expiration(h.rec.Expires(), h.rec.Touched())
			err = s.write(ctx, func() error { return s.client.CompareAndSwap(it) })
		}
		if !errors.Is(err, memcache.ErrCASConflict) {
			return err == nil && mine
		}
		if it, err = s.get(ctx, opRevoke, it.Key); err != nil {
			return false
		}
	}
}
