package memstore

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"math"
	"sync/atomic"

	"github.com/seed12c5fab1/beaker"
)

var (
	_ beaker.Store          = (*Store)(nil)
	_ beaker.Lister         = (*Store)(nil)
	_ beaker.Purger         = (*Store)(nil)
	_ beaker.SubjectRevoker = (*Store)(nil)
	_ io.Closer             = (*Store)(nil)
)

// The bounds of a store whose Options leave them at zero. A million sessions of 200
// bytes are counted as about 440 MB, so that small sessions meet the first bound and
// large ones the second.
const (
	DefaultMaxEntries = 1_000_000
	DefaultMaxBytes   = 1 << 30
)

// maxMaxEntries is far below what a position in a shard can hold; see ref.
const maxMaxEntries = 1 << 30

// Options bound a store. The zero value means the defaults; there is no way to ask
// for no bound.
//
// A store that has reached a bound makes room, one session at a time: first by
// removing expired sessions, then by removing anonymous ones, in both cases the one
// that expires (or has expired) soonest, which is the least recently used one where
// all have the same idle timeout. It removes no live session with a subject, nor the one
// that is being changed, except that of subjects with more than 16 sessions the ones
// that are used least go after all others: nobody has so many devices, and one account
// that signs in over and over must not lock everybody else out. When nothing is left that
// may go, Create, and an Apply that makes a session larger, return
// [beaker.ErrStoreFull]. What has expired by then is judged by the caller's clock:
// Change.Now, or the time when the new record was last touched.
type Options struct {
	// MaxEntries is the largest number of sessions. Zero means DefaultMaxEntries;
	// at most 1 << 30.
	MaxEntries int

	// MaxBytes is the largest sum of the memory that sessions take, in bytes, each
	// counted as Record.Size plus, if it has a subject, what the index of subjects
	// needs for it. Zero means DefaultMaxBytes. The heap of the process can be
	// larger by what the garbage collector leaves lying (twice with GOGC=100), and
	// by about a hundred bytes for each subject revoked during the last day.
	MaxBytes int64
}

// Store keeps sessions in memory. It is safe for concurrent use and must not be
// copied; get one from [New].
type Store struct {
	// Sessions are spread over shards with a lock each. No method holds the locks of two
	// shards of sessions at once. The locks of the index of subjects come after those of
	// sessions: code that holds one of the former takes no other lock.

	maxEntries int64
	maxBytes   int64

	seed     maphash.Seed
	shards   []shard
	subjects []subjectShard

	// soonest holds, for each kind and shard, when the first session of that heap
	// expires (never, if it is empty). It is written under the shard's lock and read
	// without: that is how a victim is found, and what is expired, without visiting
	// every shard.
	soonest [kinds][]atomic.Int64

	// What is stored plus what has been reserved. Room is reserved before a record
	// is put in, so neither ever exceeds its bound.
	entries atomic.Int64
	bytes   atomic.Int64

	evicted atomic.Uint64
	closed  atomic.Bool
}

// New makes an empty store. Nil options mean the defaults. It fails only on options
// that make no sense, and reports all of them at once.
func New(opts *Options) (*Store, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	var errs []error
	switch {
	case o.MaxEntries == 0:
		o.MaxEntries = DefaultMaxEntries
	case o.MaxEntries < 0 || o.MaxEntries > maxMaxEntries:
		errs = append(errs, fmt.Errorf("memstore: Options.MaxEntries is %d: use 1 to %d, or 0 for %d",
			o.MaxEntries, maxMaxEntries, DefaultMaxEntries))
	}
	switch {
	case o.MaxBytes == 0:
		o.MaxBytes = DefaultMaxBytes
	case o.MaxBytes < 0:
		errs = append(errs, fmt.Errorf("memstore: Options.MaxBytes is %d: use a positive number of bytes, or 0 for %d",
			o.MaxBytes, int64(DefaultMaxBytes)))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}

	n := shardCount(o.MaxEntries)
	s := &Store{
		maxEntries: int64(o.MaxEntries),
		maxBytes:   o.MaxBytes,
		seed:       maphash.MakeSeed(),
		shards:     make([]shard, n),
		subjects:   make([]subjectShard, n),
	}
	for k := range s.soonest {
		s.soonest[k] = make([]atomic.Int64, n)
		for i := range s.soonest[k] {
			s.soonest[k][i].Store(never)
		}
	}
	for i := range s.shards {
		sh := &s.shards[i]
		sh.seed = s.seed
		for k := range sh.soonest {
			sh.soonest[k] = &s.soonest[k][i]
		}
	}
	return s, nil
}

const never = math.MaxInt64

// shardCount returns a power of two. What is done under one lock at a stretch (a
// table that grows, a shard that is copied for List) takes time in proportion to the
// shard, so shards are kept to some thousand sessions; their number is bounded
// because looking for a victim passes over all of them.
func shardCount(maxEntries int) int {
	const perShard, least, most = 8192, 16, 4096
	n := least
	for n < most && n*perShard < maxEntries {
		n *= 2
	}
	return n
}

// Stats is what a store holds at a moment.
type Stats struct {
	Sessions int    // stored, expired ones included
	Bytes    int64  // as counted against Options.MaxBytes
	Evicted  uint64 // removed so far to make room, expired ones included
}

// Stats returns what the store holds. While changes are under way, the numbers
// include room that was reserved for them; they never exceed the bounds. It is not a
// snapshot: the numbers may be of slightly different moments.
func (s *Store) Stats() Stats {
	return Stats{
		Sessions: int(s.entries.Load()),
		Bytes:    s.bytes.Load(),
		Evicted:  s.evicted.Load(),
	}
}

// Close drops all sessions. Later calls return [beaker.ErrClosed], those under way
// either finish before or return it. There is no goroutine to wait for: the store
// has none. Closing twice is harmless.
func (s *Store) Close() error {
	// Whoever takes a lock after it was released below sees closed, so nothing is
	// put into a shard once it has been emptied.
	s.closed.Store(true)
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		s.drop(sh)
		sh.mu.Unlock()
	}
	for i := range s.subjects {
		s.subjects[i].clear()
	}
	return nil
}

// drop empties a shard, whose lock is held.
func (s *Store) drop(sh *shard) {
	var bytes int64
	for _, h := range sh.heaps {
		for _, rec := range h {
			bytes += cost(rec)
		}
	}
	// Subtracted, not set to zero: others may be about to give back a reservation.
	s.release(int64(sh.len()), bytes)
	sh.table, sh.heaps = nil, [kinds][]*beaker.Record{}
	for k := range kinds {
		sh.publish(k)
	}
}

// ready reports why a method must not begin.
func (s *Store) ready(ctx context.Context) error {
	if s.closed.Load() {
		return beaker.ErrClosed
	}
	return ctx.Err()
}

func (s *Store) hash(key *beaker.RecordKey) uint64 { return maphash.Bytes(s.seed, key[:]) }

func (s *Store) shardOf(hash uint64) int { return int(hash & uint64(len(s.shards)-1)) }
