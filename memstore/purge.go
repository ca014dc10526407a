package memstore

import (
	"context"

	"github.com/seed12c5fab1/beaker"
)

// purgeBatch is how many sessions are removed under one hold of a lock; a hold lasts
// some tens of microseconds.
const purgeBatch = 32

// Purge implements [beaker.Purger]. It visits only shards in which something has
// expired, holds one lock at a time and each only for a few sessions, so that
// requests pass between. It also drops the notes about subjects that were revoked
// more than 24 hours before now.
func (s *Store) Purge(ctx context.Context, now beaker.Millis, limit int) (n int, err error) {
	if err := s.ready(ctx); err != nil {
		return 0, err
	}
	for i := range s.shards {
		for k := range kinds {
			for n < limit && s.soonest[k][i].Load() <= int64(now) {
				if err := ctx.Err(); err != nil {
					return n, err
				}
				n += s.purgeSome(&s.shards[i], k, now, min(limit-n, purgeBatch))
			}
		}
	}
	for i := range s.subjects {
		s.subjects[i].sweep(now)
	}
	return n, nil
}

func (s *Store) purgeSome(sh *shard, k kind, now beaker.Millis, limit int) (n int) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for n < limit {
		rec := sh.first(k, nil)
		if rec == nil || !rec.Expired(now) {
			break
		}
		hash := sh.hashOf(rec)
		s.removeAt(sh, sh.slotOf(hash, makeRef(tagOf(hash), k, 0)))
		n++
	}
	return n
}
