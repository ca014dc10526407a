package storetest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/seed12c5fab1/beaker"
)

func deleteDefects() []defect {
	return []defect{
		{name: "creates what it does not find", with: func(b *broken) {
			b.apply = func(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
				v, err := b.reference.Apply(ctx, key, ch)
				if !errors.Is(err, beaker.ErrNotFound) {
					return v, err
				}
				rec, bad := beaker.NewRecord(beaker.Meta{
					Key: key, Proof: beaker.Proof{1}, Version: 1, Created: ch.Now, Touched: ch.Now, Idle: time.Hour, Absolute: ch.Now + hour,
				}, ch.Set)
				if bad != nil || b.reference.Create(ctx, rec) != nil {
					return v, err
				}
				return 1, nil
			}
		}, fails: []string{
			"Apply never creates a record", "after Delete no change of any kind brings the record back",
			"Delete against a write leaves nothing", "writers in full flight do not bring a deleted record back",
		}},
		{name: "calls a missing record an error of Delete", with: func(b *broken) {
			b.remove = func(ctx context.Context, key beaker.RecordKey) error {
				if _, err := b.reference.Load(ctx, key); err != nil {
					return err
				}
				return b.reference.Delete(ctx, key)
			}
		}, fails: []string{
			"Delete of a record that is not there is nil", "Delete may be repeated", "Delete against Delete leaves nothing",
			"Delete against Create of the same key happens before or after it",
		}},
		{name: "deletes all records of a prefix", with: func(b *broken) {
			b.remove = func(ctx context.Context, key beaker.RecordKey) error {
				if err := b.lock(ctx); err != nil {
					return err
				}
				defer b.mu.Unlock()
				for k := range b.recs {
					if bytes.Equal(k[:31], key[:31]) {
						delete(b.recs, k)
					}
				}
				return nil
			}
		}, fails: []string{"Delete takes its own record only"}},
		{name: "does not delete what its own clock calls expired", with: func(b *broken) {
			b.remove = func(ctx context.Context, key beaker.RecordKey) error {
				if rec, err := b.reference.Load(ctx, key); err == nil && rec.Expired(beaker.MillisOf(time.Now())) {
					return nil
				}
				return b.reference.Delete(ctx, key)
			}
		}, fails: []string{"an expired record is deleted too"}},
		{name: "refuses keys that were deleted", with: func(b *broken) {
			var dead sync.Map
			b.remove = func(ctx context.Context, key beaker.RecordKey) error {
				dead.Store(key, true)
				return b.reference.Delete(ctx, key)
			}
			b.create = func(ctx context.Context, rec *beaker.Record) error {
				if _, ok := dead.Load(rec.Key()); ok {
					return beaker.ErrExists
				}
				return b.reference.Create(ctx, rec)
			}
		}, fails: []string{
			"a deleted record's key is free for Create", "Load after Delete and Create finds the new record",
		}},
	}
}

// cache is what a store with copies keeps of its records; nil stands for no record.
type cache struct {
	mu   sync.Mutex
	recs map[beaker.RecordKey]*beaker.Record
}

func (c *cache) get(key beaker.RecordKey) (*beaker.Record, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rec, ok := c.recs[key]
	return rec, ok
}

func (c *cache) put(key beaker.RecordKey, rec *beaker.Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recs[key] = rec
}

func (c *cache) drop(key beaker.RecordKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.recs, key)
}

func newCache() *cache { return &cache{recs: map[beaker.RecordKey]*beaker.Record{}} }

// caching puts a cache before Load, of found records, missing ones or both.
func (b *broken) caching(found, missing bool) *cache {
	c := newCache()
	b.load = func(ctx context.Context, key beaker.RecordKey) (*beaker.Record, error) {
		if rec, ok := c.get(key); ok {
			if rec == nil {
				return nil, beaker.ErrNotFound
			}
			return rec, ctx.Err()
		}
		rec, err := b.reference.Load(ctx, key)
		if err == nil && found || errors.Is(err, beaker.ErrNotFound) && missing {
			c.put(key, rec)
		}
		return rec, err
	}
	return c
}

func methodDefects() []defect {
	return []defect{
		{name: "serves copies that outlive a write", with: func(b *broken) { b.caching(true, false) }, fails: []string{
			"Load after Apply and Delete is as new as they are", "many goroutines each read their own writes",
			"no goroutine reads less than what was written before its Load began", "Load after Delete and Create finds the new record",
		}},
		{name: "remembers that there was no record", with: func(b *broken) { b.caching(false, true) }, fails: []string{
			"Load of a record that was not there is not remembered over Create", "Load after Delete and Create finds the new record",
		}},
		{name: "fills its cache with what a write has outdated", with: func(b *broken) {
			c, g := newCache(), new(gap)
			b.load = func(ctx context.Context, key beaker.RecordKey) (rec *beaker.Record, err error) {
				if rec, ok := c.get(key); ok {
					return rec, nil
				}
				g.slow(func() { rec, err = b.reference.Load(ctx, key) }, func() {
					if err == nil {
						c.put(key, rec)
					}
				})
				return rec, err
			}
			b.apply = func(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (v beaker.Version, err error) {
				c.drop(key)
				g.quick(func() { v, err = b.reference.Apply(ctx, key, ch) })
				return v, err
			}
		}, fails: []string{"no goroutine reads less than what was written before its Load began"}},
		{name: "ignores contexts", with: func(b *broken) {
			free := context.WithoutCancel
			b.create = func(ctx context.Context, rec *beaker.Record) error { return b.reference.Create(free(ctx), rec) }
			b.load = func(ctx context.Context, key beaker.RecordKey) (*beaker.Record, error) {
				return b.reference.Load(free(ctx), key)
			}
			b.apply = func(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
				return b.reference.Apply(free(ctx), key, ch)
			}
			b.remove = func(ctx context.Context, key beaker.RecordKey) error { return b.reference.Delete(free(ctx), key) }
		}, fails: []string{
			"a cancelled context stops every method before it does anything", "so does a context whose deadline has passed",
		}},
		{name: "looks at the context when it is done", with: func(b *broken) {
			b.remove = func(ctx context.Context, key beaker.RecordKey) error {
				if err := b.reference.Delete(context.WithoutCancel(ctx), key); err != nil {
					return err
				}
				return ctx.Err()
			}
		}, fails: []string{"a cancelled context stops every method before it does anything"}},
		{name: "marks a subject before it looks at the context", with: func(b *broken) {
			b.revoke = func(ctx context.Context, subject string, at beaker.Millis, except ...beaker.RecordKey) (int, error) {
				b.mu.Lock()
				b.mark[subject] = max(b.mark[subject], at)
				b.mu.Unlock()
				return b.reference.RevokeSubject(ctx, subject, at, except...)
			}
		}, fails: []string{"a cancelled context stops every method before it does anything"}},
		{name: "knows cancelled contexts only", with: func(b *broken) {
			b.load = func(ctx context.Context, key beaker.RecordKey) (*beaker.Record, error) {
				if errors.Is(ctx.Err(), context.DeadlineExceeded) {
					ctx = context.WithoutCancel(ctx)
				}
				return b.reference.Load(ctx, key)
			}
		}, fails: []string{"so does a context whose deadline has passed"}},
		{name: "works after Close", with: func(b *broken) {
			b.end = func() error { return nil }
		}, fails: []string{"after Close every method returns ErrClosed", "Close while calls are under way harms none of them"}},
		{name: "loads after Close", with: func(b *broken) {
			b.load = func(_ context.Context, key beaker.RecordKey) (*beaker.Record, error) {
				b.mu.Lock()
				defer b.mu.Unlock()
				if rec := b.recs[key]; rec != nil {
					return rec, nil
				}
				return nil, beaker.ErrNotFound
			}
		}, fails: []string{"after Close every method returns ErrClosed"}},
		{name: "cannot be closed twice", with: func(b *broken) {
			var once sync.Once
			b.end = func() (err error) {
				err = beaker.ErrClosed
				once.Do(func() { err = b.reference.Close() })
				return err
			}
		}, fails: []string{"Close may be called again"}},
		{name: "breaks calls that Close overtakes", with: func(b *broken) {
			b.apply = func(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
				v, err := b.reference.Apply(ctx, key, ch)
				if errors.Is(err, beaker.ErrClosed) {
					err = errors.New("use of closed file")
				}
				return v, err
			}
		}, fails: []string{"Close while calls are under way harms none of them", "after Close every method returns ErrClosed"}},
	}
}

// listing replaces List by the reference's over other records.
func (b *broken) listing(pick func(q beaker.ListQuery) []*beaker.Record) {
	b.list = func(ctx context.Context, q beaker.ListQuery) ([]*beaker.Record, string, error) {
		if err := b.lock(ctx); err != nil {
			return nil, "", err
		}
		view := newReference()
		for _, rec := range pick(q) {
			view.recs[rec.Key()] = rec
		}
		b.mu.Unlock()
		q.Subject = ""
		return view.List(ctx, q)
	}
}

func (s *shared) where(keep func(*beaker.Record) bool) []*beaker.Record {
	return slices.DeleteFunc(s.sorted(), func(rec *beaker.Record) bool { return !keep(rec) })
}
