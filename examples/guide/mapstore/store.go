// Package mapstore is the smallest store that keeps the contract: a map and a mutex. It
// is in the guide for authors of stores; for use there is memstore.
package mapstore

import (
	"context"
	"sync"

	"github.com/seed12c5fab1/beaker"
)

//docs:begin store

// Store keeps sessions in a map.
type Store struct {
	mu      sync.Mutex
	records map[beaker.RecordKey]*beaker.Record // nil: closed
}

var _ beaker.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store { return &Store{records: map[beaker.RecordKey]*beaker.Record{}} }

// begin is how each method begins: a context that is done means that nothing happens.
func (s *Store) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	if s.records == nil {
		s.mu.Unlock()
		return beaker.ErrClosed
	}
	return nil
}

// Create stores a new record, and never overwrites one.
func (s *Store) Create(ctx context.Context, rec *beaker.Record) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if s.records[rec.Key()] != nil {
		return beaker.ErrExists
	}
	s.records[rec.Key()] = rec // records are immutable: no copy
	return nil
}

// Load returns the record, expired or not.
func (s *Store) Load(ctx context.Context, key beaker.RecordKey) (*beaker.Record, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	if rec := s.records[key]; rec != nil {
		return rec, nil
	}
	return nil, beaker.ErrNotFound
}

// Apply reads, merges and writes in one step, which is what the lock is for. Merge
// looks at the proof, the deadlines, the version and the limits.
func (s *Store) Apply(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	rec := s.records[key]
	if rec == nil {
		return 0, beaker.ErrNotFound // never create: the session was ended
	}
	merged, err := beaker.Merge(rec, ch)
	if err != nil {
		return 0, err
	}
	s.records[key] = merged
	return merged.Version(), nil
}

// Delete removes the record for good.
func (s *Store) Delete(ctx context.Context, key beaker.RecordKey) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	delete(s.records, key)
	return nil
}

// Close drops everything.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = nil
	return nil
}

//docs:end store

//docs:begin purge

// Purge removes what is expired by the caller's clock.
func (s *Store) Purge(ctx context.Context, now beaker.Millis, limit int) (n int, err error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	for key, rec := range s.records {
		if n < limit && rec.Expired(now) {
			delete(s.records, key)
			n++
		}
	}
	return n, nil
}

//docs:end purge
