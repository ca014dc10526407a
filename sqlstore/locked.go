package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/seed12c5fab1/beaker"
)

var errLockedRow = errors.New("a locked row changed: the database does not lock rows")

// applyLocked is for sessions that other processes change all the time: it locks the
// row, so that its turn comes.
func (s *Store) applyLocked(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (*beaker.Record, error) {
	var l locked
	err := s.e.retry(ctx, func() error {
		return alive(ctx, func() (harmless bool, err error) {
			l = locked{s: s, key: key, ch: ch}
			err = l.try(ctx)
			if err != nil && s.e.judge(err) != unknown {
				l.committing = false
			}
			return !l.committing, err
		})
	})
	switch {
	case err != nil:
		return nil, s.failedWrite(ctx, "apply", err, l.committing)
	case l.refusal != nil:
		return nil, l.refusal
	}
	return l.next, nil
}

// locked is one try of a change under a row lock.
type locked struct {
	s   *Store
	key beaker.RecordKey
	ch  *beaker.Change

	next       *beaker.Record
	refusal    error // not the database's
	committing bool  // the change may have been made
}

func (l *locked) try(ctx context.Context) error {
	if l.s.e.oneWriter {
		if err := l.s.writer.take(ctx); err != nil {
			return err
		}
		defer l.s.writer.give()
	}
	return onConn(ctx, l.s.db, func(conn *sql.Conn) error {
		return inTransaction(ctx, conn, l.s.e, func() error {
			base, err := l.load(ctx, conn)
			if err != nil || l.refusal != nil {
				return err
			}
			if l.next, l.refusal = beaker.Merge(base, l.ch); l.refusal != nil || l.next == base {
				return nil //nolint:nilerr // what Merge says is told apart from what the database says
			}
			exec := func(ctx context.Context, q *query, args ...any) (int64, error) {
				res, err := conn.ExecContext(ctx, q.text, args...)
				if err != nil {
					return 0, err
				}
				return res.RowsAffected()
			}
			done, err := l.s.swap(ctx, exec, base, l.next, l.ch)
			if err == nil && !done {
				err = errLockedRow
			}
			l.committing = err == nil
			return err
		})
	})
}

// load locks the row and reads it.
func (l *locked) load(ctx context.Context, conn *sql.Conn) (rec *beaker.Record, err error) {
	rows, err := conn.QueryContext(ctx, l.s.q.lockRow.text, l.key[:])
	if err != nil {
		return nil, err
	}
	n, err := scanAll(rows, l.s.q.lockRow.one, func(_ int, rows *sql.Rows) error {
		var r row
		err := rows.Scan(&r.accessed, &r.data)
		if err == nil {
			rec, l.refusal = r.recordOf(l.key)
		}
		return err
	})
	if n == 0 {
		l.refusal = beaker.ErrNotFound
	}
	return rec, err
}
