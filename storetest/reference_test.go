// The tests of this package are inside it, because they run its checks on stores that
// are broken on purpose and must know which check failed: the exported functions would
// fail the test itself.
package storetest

import (
	"bytes"
	"context"
	"encoding/hex"
	"slices"
	"sync"

	"github.com/seed12c5fab1/beaker"
)

// shared is the data of reference stores: what several of them may share.
type shared struct {
	mu   sync.Mutex
	recs map[beaker.RecordKey]*beaker.Record
	mark map[string]beaker.Millis
	ears []chan<- beaker.RecordKey
}

// tell tells everybody who listens; the lock is held.
func (s *shared) tell(key beaker.RecordKey) {
	for _, ear := range s.ears {
		select {
		case ear <- key:
		default:
		}
	}
}

func newShared() *shared {
	return &shared{recs: map[beaker.RecordKey]*beaker.Record{}, mark: map[string]beaker.Millis{}}
}

// reference is the smallest store that keeps the whole contract: a map, a mutex and
// Merge.
type reference struct {
	*shared
	closed bool // guarded by shared.mu
}

var (
	_ beaker.Store          = (*reference)(nil)
	_ beaker.Lister         = (*reference)(nil)
	_ beaker.Purger         = (*reference)(nil)
	_ beaker.SubjectRevoker = (*reference)(nil)
	_ beaker.Watcher        = (*reference)(nil)
)

func newReference() *reference { return &reference{shared: newShared()} }

// lock returns with the lock held unless it returns an error.
func (r *reference) lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return beaker.ErrClosed
	}
	return nil
}

// revoked reports whether a sign-in of the subject that began at a time is refused.
func (s *shared) revoked(subject string, began beaker.Millis) bool {
	at, ok := s.mark[subject]
	return subject != "" && ok && began <= at
}

func (r *reference) Create(ctx context.Context, rec *beaker.Record) error {
	if err := r.lock(ctx); err != nil {
		return err
	}
	defer r.mu.Unlock()
	if r.recs[rec.Key()] != nil {
		return beaker.ErrExists
	}
	if r.revoked(rec.Subject(), rec.AuthenticatedAt()) {
		return beaker.ErrRevoked
	}
	r.recs[rec.Key()] = rec
	return nil
}

func (r *reference) Load(ctx context.Context, key beaker.RecordKey) (*beaker.Record, error) {
	if err := r.lock(ctx); err != nil {
		return nil, err
	}
	defer r.mu.Unlock()
	if rec := r.recs[key]; rec != nil {
		return rec, nil
	}
	return nil, beaker.ErrNotFound
}

func (r *reference) Apply(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
	if err := r.lock(ctx); err != nil {
		return 0, err
	}
	defer r.mu.Unlock()
	rec := r.recs[key]
	if rec == nil {
		return 0, beaker.ErrNotFound
	}
	out, err := beaker.Merge(rec, ch)
	if err != nil {
		return 0, err
	}
	if ch.Subject != nil && r.revoked(*ch.Subject, ch.Began) {
		delete(r.recs, key)
		return 0, beaker.ErrRevoked
	}
	r.recs[key] = out
	if ch.Subject != nil {
		r.tell(key)
	}
	return out.Version(), nil
}

func (r *reference) Delete(ctx context.Context, key beaker.RecordKey) error {
	if err := r.lock(ctx); err != nil {
		return err
	}
	defer r.mu.Unlock()
	delete(r.recs, key)
	r.tell(key)
	return nil
}

func (s *shared) sorted() []*beaker.Record {
	all := make([]*beaker.Record, 0, len(s.recs))
	for _, rec := range s.recs {
		all = append(all, rec)
	}
	slices.SortFunc(all, func(a, b *beaker.Record) int {
		ka, kb := a.Key(), b.Key()
		return bytes.Compare(ka[:], kb[:])
	})
	return all
}

func (r *reference) List(ctx context.Context, q beaker.ListQuery) (page []*beaker.Record, next string, err error) {
	after, err := hex.DecodeString(q.Cursor)
	if err != nil {
		return nil, "", err
	}
	if err := r.lock(ctx); err != nil {
		return nil, "", err
	}
	defer r.mu.Unlock()
	limit := 10
	if q.Limit > 0 {
		limit = q.Limit
	}
	for _, rec := range r.sorted() {
		key := rec.Key()
		if q.Cursor != "" && bytes.Compare(key[:], after) <= 0 || q.Subject != "" && rec.Subject() != q.Subject {
			continue
		}
		if len(page) == limit {
			return page, page[limit-1].Key().String(), nil
		}
		page = append(page, rec)
	}
	return page, "", nil
}

func (r *reference) Purge(ctx context.Context, now beaker.Millis, limit int) (n int, err error) {
	if err := r.lock(ctx); err != nil {
		return 0, err
	}
	defer r.mu.Unlock()
	for key, rec := range r.recs {
		if n < limit && rec.Expired(now) {
			delete(r.recs, key)
			n++
		}
	}
	return n, nil
}

func (r *reference) RevokeSubject(ctx context.Context, subject string, at beaker.Millis, except ...beaker.RecordKey) (n int, err error) {
	if err := r.lock(ctx); err != nil {
		return 0, err
	}
	defer r.mu.Unlock()
	r.mark[subject] = max(r.mark[subject], at)
	for key, rec := range r.recs {
		if rec.Subject() == subject && !slices.Contains(except, key) {
			delete(r.recs, key)
			r.tell(key)
			n++
		}
	}
	return n, nil
}

func (r *reference) Watch(ctx context.Context, ended func(beaker.RecordKey)) error {
	if err := r.lock(ctx); err != nil {
		return err
	}
	ear := make(chan beaker.RecordKey, 64)
	r.ears = append(r.ears, ear)
	r.mu.Unlock()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case key := <-ear:
			ended(key)
		}
	}
}

func (r *reference) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	return nil
}

// bare hides every ability of a store.
type bare struct{ beaker.Store }
