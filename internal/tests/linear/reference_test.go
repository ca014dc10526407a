package linear_test

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/seed12c5fab1/beaker"
)

// reference is a store that keeps the contract for as much as histories ask.
type reference struct {
	mu   sync.Mutex
	recs map[beaker.RecordKey]*beaker.Record
	done atomic.Int64 // calls that have taken effect
}

func (r *reference) Create(ctx context.Context, rec *beaker.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done.Add(1)
	if r.recs[rec.Key()] != nil {
		return beaker.ErrExists
	}
	r.recs[rec.Key()] = rec
	return nil
}

func (r *reference) Load(ctx context.Context, key beaker.RecordKey) (*beaker.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done.Add(1)
	if rec := r.recs[key]; rec != nil {
		return rec, nil
	}
	return nil, beaker.ErrNotFound
}

func (r *reference) Apply(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
	return r.merge(ctx, key, ch, beaker.Merge)
}

func (r *reference) merge(ctx context.Context, key beaker.RecordKey, ch *beaker.Change, how mergeFunc) (beaker.Version, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done.Add(1)
	rec := r.recs[key]
	if rec == nil {
		return 0, beaker.ErrNotFound
	}
	out, err := how(rec, ch)
	if err != nil {
		return 0, err
	}
	r.recs[key] = out
	return out.Version(), nil
}

func (r *reference) Delete(ctx context.Context, key beaker.RecordKey) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done.Add(1)
	delete(r.recs, key)
	return nil
}

func (r *reference) Purge(ctx context.Context, now beaker.Millis, limit int) (n int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done.Add(1)
	for key, rec := range r.recs {
		if n < limit && rec.Expired(now) {
			delete(r.recs, key)
			n++
		}
	}
	return n, nil
}

func (r *reference) put(rec *beaker.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recs[rec.Key()] = rec
}

// gap is a defect's critical moment: it lasts until another call has taken effect, or
// nobody comes. So whether the defect shows is a matter of what is asked and not of
// luck.
func (r *reference) gap() {
	const patience = 2000
	was := r.done.Load()
	for i := 0; i < patience && r.done.Load() == was; i++ {
		runtime.Gosched()
	}
}

func newReference() *reference { return &reference{recs: map[beaker.RecordKey]*beaker.Record{}} }
