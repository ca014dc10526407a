package memstore

import (
	"fmt"
	"math"
	"sync/atomic"

	"github.com/seed12c5fab1/beaker"
)

// indexBytes is about what the index of subjects needs for a session: its key in a
// list, and a slot for the subject in a map.
const indexBytes = 128

// cost is what a record counts against Options.MaxBytes. The store's own few bytes
// for a session (a pointer and a ref) are less than what Size allows for them.
func cost(rec *beaker.Record) int64 {
	n := int64(rec.Size())
	if rec.Subject() != "" {
		n += indexBytes
	}
	return n
}

// take adds n to total if that does not exceed limit.
func take(total *atomic.Int64, n, limit int64) bool {
	for {
		now := total.Load()
		if n > limit-now {
			return false
		}
		if total.CompareAndSwap(now, now+n) {
			return true
		}
	}
}

// release gives room back.
func (s *Store) release(entries, bytes int64) {
	if entries != 0 {
		s.entries.Add(-entries)
	}
	if bytes != 0 {
		s.bytes.Add(-bytes)
	}
}

// reserve makes room for entries and bytes, by evicting what may be evicted, and
// takes it. No lock may be held: a victim can be in any shard, and the bounds are
// exact only because room is taken before it is used.
func (s *Store) reserve(op string, entries, bytes int64, now beaker.Millis, keep *beaker.RecordKey) error {
	for !take(&s.entries, entries, s.maxEntries) {
		// Somebody may have deleted the last candidates: only if there is neither a
		// victim nor room, the store is full.
		if !s.evict(now, keep) && !s.evictFromCrowd(keep) && !s.roomFor(entries, 0) {
			return fmt.Errorf("%w: memstore: %s: %d sessions and none of them anonymous (Options.MaxEntries)",
				beaker.ErrStoreFull, op, s.maxEntries)
		}
	}
	for !take(&s.bytes, bytes, s.maxBytes) {
		if !s.evict(now, keep) && !s.evictFromCrowd(keep) && !s.roomFor(0, bytes) {
			s.release(entries, 0)
			return s.fullBytes(op)
		}
	}
	return nil
}

func (s *Store) roomFor(entries, bytes int64) bool {
	return s.entries.Load()+entries <= s.maxEntries && s.bytes.Load()+bytes <= s.maxBytes
}

func (s *Store) fullBytes(op string) error {
	return fmt.Errorf("%w: memstore: %s: no room within %d bytes beside sessions that are not anonymous (Options.MaxBytes)",
		beaker.ErrStoreFull, op, s.maxBytes)
}

// evict removes one session to make room and reports whether it did. See Options for
// the order. The session under keep stays.
func (s *Store) evict(now beaker.Millis, keep *beaker.RecordKey) bool {
	for {
		i, k := s.victim(now, keep)
		if i < 0 {
			return false
		}
		if s.evictFrom(i, k, now, keep) {
			s.evicted.Add(1)
			return true
		}
		// It was touched, signed in or removed since we looked. Look again: somebody
		// else got on.
	}
}

// victim says in which shard and heap the session is that should go first; -1 if
// there is none.
func (s *Store) victim(now beaker.Millis, keep *beaker.RecordKey) (shard int, k kind) {
	home := -1
	var own [kinds]int64
	if keep != nil {
		home = s.shardOf(s.hash(keep))
		own = s.firstBeside(home, keep)
	}
	var at [kinds]int
	least := [kinds]int64{math.MaxInt64, math.MaxInt64}
	for k := range kinds {
		for i := range s.soonest[k] {
			t := s.soonest[k][i].Load()
			if i == home {
				t = own[k]
			}
			if t < least[k] {
				least[k], at[k] = t, i
			}
		}
	}
	switch {
	case least[signedIn] <= int64(now) && least[signedIn] < least[anonymous]:
		return at[signedIn], signedIn
	case least[anonymous] != never:
		return at[anonymous], anonymous
	}
	return -1, 0
}

// firstBeside returns when the first sessions of a shard expire, not counting keep.
func (s *Store) firstBeside(i int, keep *beaker.RecordKey) (times [kinds]int64) {
	sh := &s.shards[i]
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	for k := range kinds {
		times[k] = never
		if rec := sh.first(k, keep); rec != nil {
			times[k] = int64(rec.Expires())
		}
	}
	return times
}

func (s *Store) evictFrom(i int, k kind, now beaker.Millis, keep *beaker.RecordKey) bool {
	sh := &s.shards[i]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	rec := sh.first(k, keep)
	if rec == nil || k == signedIn && !rec.Expired(now) {
		return false
	}
	key := rec.Key()
	at, _ := sh.lookup(s.hash(&key), &key)
	s.removeAt(sh, at)
	return true
}
