package linear_test

import (
	"context"
	"sync"

	"github.com/seed12c5fab1/beaker"
)

type (
	mergeFunc func(*beaker.Record, *beaker.Change) (*beaker.Record, error)
	applyFunc func(context.Context, beaker.RecordKey, *beaker.Change) (beaker.Version, error)
)

// broken is the reference with some methods replaced.
type broken struct {
	*reference
	create func(context.Context, *beaker.Record) error
	load   func(context.Context, beaker.RecordKey) (*beaker.Record, error)
	apply  applyFunc
	remove func(context.Context, beaker.RecordKey) error
	purge  func(context.Context, beaker.Millis, int) (int, error)
}

var (
	_ beaker.Store  = (*broken)(nil)
	_ beaker.Purger = (*broken)(nil)
)

func (b *broken) Create(ctx context.Context, rec *beaker.Record) error {
	if b.create != nil {
		return b.create(ctx, rec)
	}
	return b.reference.Create(ctx, rec)
}

func (b *broken) Load(ctx context.Context, key beaker.RecordKey) (*beaker.Record, error) {
	if b.load != nil {
		return b.load(ctx, key)
	}
	return b.reference.Load(ctx, key)
}

func (b *broken) Apply(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
	if b.apply != nil {
		return b.apply(ctx, key, ch)
	}
	return b.reference.Apply(ctx, key, ch)
}

func (b *broken) Delete(ctx context.Context, key beaker.RecordKey) error {
	if b.remove != nil {
		return b.remove(ctx, key)
	}
	return b.reference.Delete(ctx, key)
}

func (b *broken) Purge(ctx context.Context, now beaker.Millis, limit int) (int, error) {
	if b.purge != nil {
		return b.purge(ctx, now, limit)
	}
	return b.reference.Purge(ctx, now, limit)
}

// slowly makes the changes that are slow in three steps: read, merge, write. hold says
// whether it may still be written.
func (b *broken) slowly(slow func(*beaker.Change) bool, hold func(was, is *beaker.Record) bool) applyFunc {
	return func(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
		if !slow(ch) {
			return b.reference.Apply(ctx, key, ch)
		}
		rec, err := b.reference.Load(ctx, key)
		if err != nil {
			return 0, err
		}
		out, err := beaker.Merge(rec, ch)
		if err != nil {
			return 0, err
		}
		b.gap()
		b.mu.Lock()
		defer b.mu.Unlock()
		if !hold(rec, b.recs[key]) {
			return 0, beaker.ErrNotFound
		}
		b.recs[key] = out
		return out.Version(), nil
	}
}

func always(*beaker.Change) bool { return true }

// remade returns the record with other fields.
func remade(rec *beaker.Record, edit func(*beaker.Meta)) *beaker.Record {
	m := rec.Meta()
	edit(&m)
	out, err := beaker.RestoreRecord(m, rec.AppendValues(nil))
	if err != nil {
		panic(err)
	}
	return out
}

func (b *broken) merging(how mergeFunc) applyFunc {
	return func(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
		return b.merge(ctx, key, ch, how)
	}
}

func (b *broken) asking(edit func(*beaker.Change)) applyFunc {
	return b.merging(func(rec *beaker.Record, ch *beaker.Change) (*beaker.Record, error) {
		other := *ch
		edit(&other)
		return beaker.Merge(rec, &other)
	})
}

var defects = []struct {
	name   string
	damage func(b *broken)
}{
	{"an Apply under way brings a deleted record back", func(b *broken) {
		// Data is compared and swapped, but a record that is gone counts as unchanged.
		b.apply = func(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
			rec, err := b.reference.Load(ctx, key)
			if err != nil {
				return 0, err
			}
			for {
				out, err := beaker.Merge(rec, ch)
				if err != nil {
					return 0, err
				}
				b.gap()
				b.mu.Lock()
				is := b.recs[key]
				if is == nil || is == rec {
					b.recs[key] = out
					b.mu.Unlock()
					return out.Version(), nil
				}
				rec = is
				b.mu.Unlock()
			}
		}
	}},
	{"Delete does nothing while another call is under way", func(b *broken) {
		b.remove = func(ctx context.Context, key beaker.RecordKey) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			was := b.done.Load()
			b.gap()
			if b.done.Load() != was {
				return nil
			}
			return b.reference.Delete(ctx, key)
		}
	}},
	{"the last write wins", func(b *broken) {
		b.apply = b.slowly(always, func(_, is *beaker.Record) bool { return is != nil })
	}},
	{"Apply stores a record that is gone", func(b *broken) {
		b.apply = func(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
			v, err := b.reference.Apply(ctx, key, ch)
			if err == beaker.ErrNotFound && ch.Base != nil && ch.Base.Key() == key {
				if out, err := beaker.Merge(ch.Base, ch); err == nil {
					b.mu.Lock()
					defer b.mu.Unlock()
					if b.recs[key] == nil {
						b.recs[key] = out
						return out.Version(), nil
					}
				}
			}
			return v, err
		}
	}},
	{"Load answers out of a cache that writes do not reach", func(b *broken) {
		var cache sync.Map
		b.load = func(ctx context.Context, key beaker.RecordKey) (*beaker.Record, error) {
			rec, err := b.reference.Load(ctx, key)
			if err != nil {
				return nil, err
			}
			old, _ := cache.LoadOrStore(key, rec)
			return old.(*beaker.Record), nil
		}
	}},
	{"proofs are not looked at", func(b *broken) {
		b.apply = b.asking(func(ch *beaker.Change) { ch.AnyProof = true })
	}},
	{"a grace has no end", func(b *broken) {
		b.apply = b.merging(func(rec *beaker.Record, ch *beaker.Change) (*beaker.Record, error) {
			if m := rec.Meta(); ch.Rotate == nil && !ch.Proof.IsZero() && ch.Proof == m.PrevProof {
				other := *ch
				other.AnyProof = true
				return beaker.Merge(rec, &other)
			}
			return beaker.Merge(rec, ch)
		})
	}},
	{"a touch raises the version", func(b *broken) {
		b.apply = b.merging(func(rec *beaker.Record, ch *beaker.Change) (*beaker.Record, error) {
			out, err := beaker.Merge(rec, ch)
			if err == nil && out != rec && !ch.ChangesData() {
				out = remade(out, func(m *beaker.Meta) { m.Version++ })
			}
			return out, err
		})
	}},
	{"a touch writes back what it read", func(b *broken) {
		b.apply = b.slowly(func(ch *beaker.Change) bool { return !ch.ChangesData() }, func(_, is *beaker.Record) bool { return is != nil })
	}},
	{"a rotation is made in two steps", func(b *broken) {
		b.apply = func(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
			if ch.Rotate == nil {
				return b.reference.Apply(ctx, key, ch)
			}
			v, err := b.reference.Apply(ctx, key, ch)
			if err != nil {
				return 0, err
			}
			// First the data under the old proof, then the new proof.
			b.mu.Lock()
			rec := b.recs[key]
			if rec == nil || rec.Version() != v || rec.Meta().Proof != ch.Rotate.Next {
				b.mu.Unlock()
				return v, nil
			}
			b.recs[key] = remade(rec, func(m *beaker.Meta) {
				m.Proof, m.PrevProof, m.PrevUntil, m.RotatedAt = m.PrevProof, beaker.Proof{}, 0, 0
			})
			half := b.recs[key]
			b.mu.Unlock()
			b.gap()
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.recs[key] == half {
				b.recs[key] = rec
			}
			return v, nil
		}
	}},
	{"two racing rotations both win", func(b *broken) {
		b.apply = b.slowly(func(ch *beaker.Change) bool { return ch.Rotate != nil }, func(_, is *beaker.Record) bool { return is != nil })
	}},
	{"a version is compared first and written later", func(b *broken) {
		b.apply = func(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
			if ch.IfVersion == 0 {
				return b.reference.Apply(ctx, key, ch)
			}
			rec, err := b.reference.Load(ctx, key)
			if err != nil {
				return 0, err
			}
			if _, err := beaker.Merge(rec, ch); err != nil {
				return 0, err
			}
			b.gap()
			other := *ch
			other.IfVersion = 0
			return b.reference.Apply(ctx, key, &other)
		}
	}},
	{"a refused change is written in part", func(b *broken) {
		b.apply = b.merging(func(rec *beaker.Record, ch *beaker.Change) (*beaker.Record, error) {
			out, err := beaker.Merge(rec, ch)
			if err == beaker.ErrConflict && ch.Touch > rec.Touched() {
				b.recs[rec.Key()] = remade(rec, func(m *beaker.Meta) { m.Touched = ch.Touch })
			}
			return out, err
		})
	}},
	{"expired records are changed", func(b *broken) {
		b.apply = b.asking(func(ch *beaker.Change) { ch.Now = min(ch.Now, base) })
	}},
	{"Create replaces a record", func(b *broken) {
		b.create = func(ctx context.Context, rec *beaker.Record) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			b.put(rec)
			b.done.Add(1)
			return nil
		}
	}},
	{"Create looks first and writes later", func(b *broken) {
		b.create = func(ctx context.Context, rec *beaker.Record) error {
			if _, err := b.reference.Load(ctx, rec.Key()); err == nil {
				return beaker.ErrExists
			}
			b.gap()
			b.put(rec)
			return nil
		}
	}},
	{"Clear keeps what was set at the same time", func(b *broken) {
		b.apply = func(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
			if !ch.Clear {
				return b.reference.Apply(ctx, key, ch)
			}
			rec, err := b.reference.Load(ctx, key)
			if err != nil {
				return 0, err
			}
			other := *ch
			other.Clear, other.Remove = false, nil
			for name := range rec.Values() {
				if len(ch.Set) == 0 || ch.Set[0].Name != name {
					other.Remove = append(other.Remove, name)
				}
			}
			b.gap()
			return b.reference.Apply(ctx, key, &other)
		}
	}},
	{"Purge takes a record that is in use again", func(b *broken) {
		b.purge = func(ctx context.Context, now beaker.Millis, limit int) (int, error) {
			if err := ctx.Err(); err != nil {
				return 0, err
			}
			b.mu.Lock()
			var keys []beaker.RecordKey
			for key, rec := range b.recs {
				if len(keys) < limit && rec.Expired(now) {
					keys = append(keys, key)
				}
			}
			b.mu.Unlock()
			if len(keys) > 0 {
				b.gap()
			}
			for _, key := range keys {
				if err := b.reference.Delete(ctx, key); err != nil {
					return 0, err
				}
			}
			return len(keys), nil
		}
	}},
}
