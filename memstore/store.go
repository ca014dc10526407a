package memstore

import (
	"context"
	"errors"

	"github.com/seed12c5fab1/beaker"
)

var (
	errNilRecord = errors.New("memstore: create: nil record")
	errNilChange = errors.New("memstore: apply: nil change")
)

// Create implements [beaker.Store]. If the store has reached a bound, other sessions
// go, as [Options] says; it returns an error that is [beaker.ErrStoreFull] if none may.
func (s *Store) Create(ctx context.Context, rec *beaker.Record) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	if rec == nil {
		return errNilRecord
	}
	if rec.Hint() != nil {
		rec = rec.WithHint(nil) // another store's, and of unknown size
	}
	key, subject := rec.Key(), rec.Subject()
	hash := s.hash(&key)
	sh := &s.shards[s.shardOf(hash)]

	// Both are looked at again below, where they count; here, so that a Create that
	// is refused evicts nobody.
	if s.has(sh, hash, &key) {
		return beaker.ErrExists
	}
	if subject != "" && s.subjectOf(subject).revoked(subject, rec.AuthenticatedAt()) {
		return beaker.ErrRevoked
	}
	size := cost(rec)
	if size > s.maxBytes {
		return s.fullBytes("create")
	}
	if err := s.reserve("create", 1, size, rec.Touched(), nil); err != nil {
		return err
	}
	err := s.createReserved(sh, hash, rec)
	if err != nil {
		s.release(1, size)
	}
	return err
}

func (s *Store) has(sh *shard, hash uint64, key *beaker.RecordKey) bool {
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	_, rec := sh.lookup(hash, key)
	return rec != nil
}

func (s *Store) createReserved(sh *shard, hash uint64, rec *beaker.Record) error {
	key, subject := rec.Key(), rec.Subject()
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if s.closed.Load() {
		return beaker.ErrClosed
	}
	if _, old := sh.lookup(hash, &key); old != nil {
		return beaker.ErrExists
	}
	if subject != "" && !s.subjectOf(subject).add(subject, &key, rec.AuthenticatedAt()) {
		return beaker.ErrRevoked
	}
	sh.insert(hash, rec)
	return nil
}

// Load implements [beaker.Store]. It does not allocate: the record is the stored one.
func (s *Store) Load(ctx context.Context, key beaker.RecordKey) (*beaker.Record, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	hash := s.hash(&key)
	sh := &s.shards[s.shardOf(hash)]
	sh.mu.RLock()
	_, rec := sh.lookup(hash, &key)
	sh.mu.RUnlock()
	if rec == nil {
		if s.closed.Load() {
			return nil, beaker.ErrClosed // and not "no such session": it was dropped just now
		}
		return nil, beaker.ErrNotFound
	}
	return rec, nil
}

// Apply implements [beaker.Store]. A change that makes the session larger needs room
// as Create does; if there is none, the session stays as it was and the error is
// [beaker.ErrStoreFull].
func (s *Store) Apply(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
	if err := s.ready(ctx); err != nil {
		return 0, err
	}
	if ch == nil {
		return 0, errNilChange
	}
	hash := s.hash(&key)
	sh := &s.shards[s.shardOf(hash)]
	var reserved int64
	for {
		v, need, err := s.applyReserved(sh, hash, &key, ch, reserved)
		if need == 0 {
			return v, err
		}
		// The room must be made without the lock, for the victim may be in this shard
		// or in another; meanwhile the record may change, so the merge is done again.
		// What is reserved is kept over the rounds, so that others cannot take it
		// away for ever.
		if err := s.reserve("apply", 0, need-reserved, ch.Now, &key); err != nil {
			s.release(0, reserved)
			return 0, err
		}
		reserved = need
	}
}

// applyReserved does what Apply does if reserved bytes, or what is free beside them,
// are enough for it, and then settles the account. Otherwise it changes nothing and
// says how many bytes it needs.
func (s *Store) applyReserved(sh *shard, hash uint64, key *beaker.RecordKey, ch *beaker.Change, reserved int64) (v beaker.Version, need int64, err error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	// To all returns but the one that asks for more.
	used := int64(0)
	defer func() {
		if need == 0 {
			s.release(0, reserved-used)
		}
	}()

	slot, rec := sh.lookup(hash, key)
	if rec == nil {
		if s.closed.Load() {
			return 0, 0, beaker.ErrClosed
		}
		return 0, 0, beaker.ErrNotFound
	}
	next, err := beaker.Merge(rec, ch)
	if err != nil {
		return 0, 0, err
	}
	if next == rec {
		return rec.Version(), 0, nil
	}
	signsIn := ch.Subject != nil && *ch.Subject != ""

	grow := cost(next) - cost(rec)
	if grow > reserved {
		if !take(&s.bytes, grow-reserved, s.maxBytes) {
			switch {
			case signsIn && s.subjectOf(next.Subject()).revoked(next.Subject(), ch.Began):
				s.removeAt(sh, slot) // nobody need go for that
				return 0, 0, beaker.ErrRevoked
			case cost(next) > s.maxBytes:
				return 0, 0, s.fullBytes("apply")
			}
			return 0, grow, nil
		}
		reserved = grow
	}
	if signsIn && !s.subjectOf(next.Subject()).add(next.Subject(), key, ch.Began) {
		s.removeAt(sh, slot)
		return 0, 0, beaker.ErrRevoked
	}
	if old := rec.Subject(); old != "" && old != next.Subject() {
		s.subjectOf(old).remove(old, key)
	}
	sh.replace(slot, hash, next)
	used = grow
	return next.Version(), 0, nil
}

// Delete implements [beaker.Store].
func (s *Store) Delete(ctx context.Context, key beaker.RecordKey) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	hash := s.hash(&key)
	sh := &s.shards[s.shardOf(hash)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if slot, rec := sh.lookup(hash, &key); rec != nil {
		s.removeAt(sh, slot)
	}
	return nil
}

// removeAt takes the record at slot out of the shard, whose lock is held, out of the
// index of subjects and out of the account. It is the only way out of a store that
// is open: deletes, evictions, purges and revocations all come here.
func (s *Store) removeAt(sh *shard, slot int) {
	rec := sh.at(sh.table[slot])
	sh.remove(slot)
	if subject := rec.Subject(); subject != "" {
		key := rec.Key()
		s.subjectOf(subject).remove(subject, &key)
	}
	s.release(1, cost(rec))
}
