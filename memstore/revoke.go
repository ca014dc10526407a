package memstore

import (
	"context"
	"slices"

	"github.com/seed12c5fab1/beaker"
)

// RevokeSubject implements [beaker.SubjectRevoker]. That a subject was revoked is
// remembered for 24 hours after at, on the clock of those who call [Store.Purge]: a
// request that takes longer than that to sign somebody in is not stopped by it. A
// context that ends on the way does not stop it either, because half a revocation
// helps nobody.
func (s *Store) RevokeSubject(ctx context.Context, subject string, at beaker.Millis, except ...beaker.RecordKey) (int, error) {
	if err := s.ready(ctx); err != nil {
		return 0, err
	}
	if subject == "" {
		// Anonymous sessions are nobody's.
		return 0, beaker.ErrInvalidSubject
	}
	keys := s.subjectOf(subject).mark(subject, at)
	n := 0
	for _, key := range keys {
		if !slices.Contains(except, key) && s.deleteOf(subject, &key) {
			n++
		}
	}
	return n, nil
}

// deleteOf deletes a session if it still is the subject's.
func (s *Store) deleteOf(subject string, key *beaker.RecordKey) bool {
	hash := s.hash(key)
	sh := &s.shards[s.shardOf(hash)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	slot, rec := sh.lookup(hash, key)
	if rec == nil || rec.Subject() != subject {
		return false
	}
	s.removeAt(sh, slot)
	return true
}
