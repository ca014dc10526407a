package storetest

import (
	"context"
	"fmt"
	"sync"

	"github.com/seed12c5fab1/beaker"
)

func purgeDefects() []defect {
	return []defect{
		{name: "purges a millisecond early", with: func(b *broken) {
			b.purge = func(ctx context.Context, now beaker.Millis, limit int) (int, error) {
				return b.reference.Purge(ctx, now+1, limit)
			}
		}, fails: []string{"a record is purged from its last millisecond on and not before"}},
		{name: "purges a millisecond late", with: func(b *broken) {
			b.purge = func(ctx context.Context, now beaker.Millis, limit int) (int, error) {
				return b.reference.Purge(ctx, now-1, limit)
			}
		}, fails: []string{"a record is purged from its last millisecond on and not before"}},
		{name: "purges everything", with: func(b *broken) {
			b.purge = func(ctx context.Context, _ beaker.Millis, limit int) (int, error) {
				return b.reference.Purge(ctx, 1<<51, limit)
			}
		}, fails: []string{"only expired records go"}},
		{name: "purges more than the limit", with: func(b *broken) {
			b.purge = func(ctx context.Context, now beaker.Millis, _ int) (int, error) {
				return b.reference.Purge(ctx, now, 1000)
			}
		}, fails: []string{"the limit holds, and fewer than the limit means that none are left"}},
		{name: "stops purging early", with: func(b *broken) {
			b.purge = func(ctx context.Context, now beaker.Millis, limit int) (int, error) {
				return b.reference.Purge(ctx, now, min(limit, 2))
			}
		}, fails: []string{"the limit holds, and fewer than the limit means that none are left"}},
		{name: "purges by the end that a record had at first", with: func(b *broken) {
			ends := map[beaker.RecordKey]beaker.Millis{}
			b.create = func(ctx context.Context, rec *beaker.Record) error {
				ends[rec.Key()] = rec.Expires()
				return b.reference.Create(ctx, rec)
			}
			b.purge = func(ctx context.Context, now beaker.Millis, limit int) (n int, err error) {
				if err := b.lock(ctx); err != nil {
					return 0, err
				}
				defer b.mu.Unlock()
				for key := range b.recs {
					if n < limit && now >= ends[key] {
						delete(b.recs, key)
						n++
					}
				}
				return n, nil
			}
		}, fails: []string{"what moves the end moves the purge"}},
		{name: "keeps the keys of what it purged", with: func(b *broken) {
			var purged sync.Map
			b.purge = func(ctx context.Context, now beaker.Millis, limit int) (int, error) {
				b.mu.Lock()
				for _, rec := range b.where(func(rec *beaker.Record) bool { return rec.Expired(now) }) {
					purged.Store(rec.Key(), true)
				}
				b.mu.Unlock()
				return b.reference.Purge(ctx, now, limit)
			}
			b.create = func(ctx context.Context, rec *beaker.Record) error {
				if _, ok := purged.Load(rec.Key()); ok {
					return beaker.ErrExists
				}
				return b.reference.Create(ctx, rec)
			}
		}, fails: []string{"a purged record's key is free for Create"}},
		{name: "looks for expired records first and deletes them then", with: func(b *broken) {
			g := new(gap)
			b.purge = func(_ context.Context, now beaker.Millis, _ int) (n int, err error) {
				var some []*beaker.Record
				g.slow(func() {
					b.mu.Lock()
					defer b.mu.Unlock()
					some = b.where(func(rec *beaker.Record) bool { return rec.Expired(now) })
				}, func() {
					b.mu.Lock()
					defer b.mu.Unlock()
					for _, rec := range some {
						delete(b.recs, rec.Key())
					}
				})
				return len(some), nil
			}
			b.apply = func(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (v beaker.Version, err error) {
				g.quick(func() { v, err = b.reference.Apply(ctx, key, ch) })
				return v, err
			}
		}, fails: []string{
			"Purge does not take a record that is being touched",
			"Purge does not take a record whose end is being moved",
		}},
		{name: "counts what another call purged", with: func(b *broken) {
			m := new(meeting)
			b.purge = func(ctx context.Context, now beaker.Millis, limit int) (int, error) {
				b.mu.Lock()
				n := len(b.where(func(rec *beaker.Record) bool { return rec.Expired(now) }))
				b.mu.Unlock()
				m.meet()
				if _, err := b.reference.Purge(ctx, now, limit); err != nil {
					return 0, fmt.Errorf("purge: %w", err)
				}
				return n, nil
			}
		}, fails: []string{"Purge racing Purge counts a record once"}},
	}
}
