package memstore

import (
	"errors"
	"fmt"
	"slices"

	"github.com/seed12c5fab1/beaker"
)

// White-box, because what keeps a session findable and evictable (its place in the
// table, in a heap, in the index of subjects) shows from outside only when it fails
// much later.

// Check reports every way in which the store's parts do not agree. Nothing may be
// under way.
func Check(s *Store) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	var entries, bytes int64
	indexed := map[string][]beaker.RecordKey{}
	for i := range s.shards {
		sh := &s.shards[i]
		refs := 0
		for _, r := range sh.table {
			if r != 0 {
				refs++
			}
		}
		if refs != sh.len() {
			bad("shard %d: %d refs for %d records", i, refs, sh.len())
		}
		if sh.len()*5 > len(sh.table)*4 {
			bad("shard %d: %d records in a table of %d", i, sh.len(), len(sh.table))
		}
		for k := range kinds {
			first := int64(never)
			for pos, rec := range sh.heaps[k] {
				entries++
				bytes += cost(rec)
				first = min(first, int64(rec.Expires()))
				key := rec.Key()
				hash := s.hash(&key)
				if s.shardOf(hash) != i {
					bad("shard %d: record of shard %d", i, s.shardOf(hash))
				}
				slot, found := sh.lookup(hash, &key)
				switch {
				case found != rec:
					bad("shard %d: heap %d at %d: lookup finds another record or none", i, k, pos)
				case sh.table[slot] != makeRef(tagOf(hash), k, pos):
					bad("shard %d: heap %d at %d: the ref says %d at %d", i, k, pos, sh.table[slot].kind(), sh.table[slot].pos())
				}
				if kindOf(rec) != k {
					bad("shard %d: heap %d at %d: record of the other kind", i, k, pos)
				}
				if parent := parentOf(pos); pos > 0 && sh.heaps[k][parent].Expires() > rec.Expires() {
					bad("shard %d: heap %d at %d: expires before its parent", i, k, pos)
				}
				if rec.Subject() != "" {
					indexed[rec.Subject()] = append(indexed[rec.Subject()], key)
				}
			}
			if got := sh.soonest[k].Load(); got != first {
				bad("shard %d: heap %d: soonest is %d, want %d", i, k, got, first)
			}
		}
	}
	if got := s.Stats(); got.Sessions != int(entries) || got.Bytes != bytes {
		bad("counted %d sessions of %d bytes, there are %d of %d", got.Sessions, got.Bytes, entries, bytes)
	}
	for i := range s.subjects {
		for subject, keys := range s.subjects[i].sessions {
			want := indexed[subject]
			slices.SortFunc(want, compareKeys)
			if s.subjectOf(subject) != &s.subjects[i] || !slices.Equal(slices.Concat(keys...), want) {
				bad("index of %q lists %d sessions, it has %d", subject, len(slices.Concat(keys...)), len(want))
			}
			for _, piece := range keys {
				if len(piece) == 0 || len(piece) > maxPiece {
					bad("index of %q: a piece of %d", subject, len(piece))
				}
			}
			delete(indexed, subject)
		}
	}
	for subject, keys := range indexed {
		bad("%d sessions of %q are not in the index", len(keys), subject)
	}
	return errors.Join(errs...)
}

// IndexSize returns how many sessions are in the index of subjects.
func IndexSize(s *Store) (n int) {
	for i := range s.subjects {
		for _, keys := range s.subjects[i].sessions {
			n += len(slices.Concat(keys...))
		}
	}
	return n
}

// Marks returns how many revocations are remembered.
func Marks(s *Store) (n int) {
	for i := range s.subjects {
		n += len(s.subjects[i].marks)
	}
	return n
}

// Cost is what a record counts against MaxBytes.
func Cost(rec *beaker.Record) int64 { return cost(rec) }

// Held returns how many records, refs and lists a store keeps hold of.
func Held(s *Store) (n int) {
	for i := range s.shards {
		sh := &s.shards[i]
		n += cap(sh.table) + cap(sh.heaps[anonymous]) + cap(sh.heaps[signedIn])
	}
	return n + IndexSize(s) + Marks(s)
}

// Shards returns how many shards a store has.
func Shards(s *Store) int { return len(s.shards) }

// HoldShardOf holds the read lock of the shard of a key until free is called.
// Meanwhile waits reports whether somebody waits to change the shard, and swap puts a
// record in the place of the one with its key.
func HoldShardOf(s *Store, key beaker.RecordKey) (waits func() bool, swap func(*beaker.Record), free func()) {
	sh := &s.shards[s.shardOf(s.hash(&key))]
	sh.mu.RLock()
	waits = func() bool {
		if sh.mu.TryRLock() { // refused if a writer waits
			sh.mu.RUnlock()
			return false
		}
		return true
	}
	swap = func(rec *beaker.Record) {
		key := rec.Key()
		slot, _ := sh.lookup(s.hash(&key), &key)
		sh.replace(slot, s.hash(&key), rec)
	}
	return waits, swap, sh.mu.RUnlock
}

// Collide reports whether two keys share their shard and their tag.
func Collide(s *Store, a, b beaker.RecordKey) bool {
	x, y := s.hash(&a), s.hash(&b)
	return s.shardOf(x) == s.shardOf(y) && tagOf(x) == tagOf(y)
}

// SameShard reports whether two keys lie in one shard.
func SameShard(s *Store, a, b beaker.RecordKey) bool {
	return s.shardOf(s.hash(&a)) == s.shardOf(s.hash(&b))
}
