package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/seed12c5fab1/beaker"
)

const (
	// lease is how long a node that crashed while it purged keeps the others from it.
	lease = time.Minute
	// purgePause is between two batches, for the writers that wait.
	purgePause = 10 * time.Millisecond
)

// Purge implements [beaker.Purger]. It removes rows in batches that hold locks for
// some milliseconds each, with pauses between them. One node purges at a time; while
// another does, it returns 0. It takes one round trip if nothing is expired.
//
// It also drops the notes about subjects that were revoked more than 24 hours before
// now.
func (s *Store) Purge(ctx context.Context, now beaker.Millis, limit int) (n int, err error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.mu.RUnlock()
	if limit <= 0 {
		return 0, nil
	}
	oldMarks := now.Add(-keepMarks)
	var work int64
	_, err = s.read(ctx, s.q.anyExpired, func(_ int, rows *sql.Rows) error { return rows.Scan(&work) }, int64(now), int64(oldMarks))
	if err != nil {
		return 0, s.failed(ctx, s.q.anyExpired.op, err)
	}
	if work == 0 {
		return 0, nil
	}
	taken, err := s.exec(ctx, s.q.takeLease, int64(now.Add(lease)), s.owner, int64(now))
	if err != nil || taken == 0 {
		return 0, err
	}
	defer func() {
		free, cancel := afterwards(ctx)
		defer cancel()
		if _, rerr := s.exec(free, s.q.returnLease, s.owner); err == nil {
			err = rerr
		}
	}()
	n, err = s.purge(ctx, s.q.purge, now, limit)
	if err == nil && n < limit {
		_, err = s.purge(ctx, s.q.purgeMarks, oldMarks, limit)
	}
	return n, err
}

// purge removes rows in batches until none are left or the limit is reached.
func (s *Store) purge(ctx context.Context, q *query, until beaker.Millis, limit int) (n int, err error) {
	for n < limit {
		batch := min(limit-n, s.e.purgeBatch)
		args := []any{int64(until), int64(batch)}
		if s.e.purgeTwice {
			args = append(args, int64(until))
		}
		removed, err := s.exec(ctx, q, args...)
		n += int(removed)
		if err != nil {
			return n, err
		}
		if removed < int64(batch) {
			// A batch that met rows of a revocation may be short before the end.
			if removed == 0 {
				break
			}
			continue
		}
		if err := sleep(ctx, purgePause); err != nil {
			return n, err
		}
	}
	return n, nil
}
