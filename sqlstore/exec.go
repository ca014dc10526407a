package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync/atomic"
)

// tripwire is an argument that tells when the driver asks for it: after there is a
// connection and before the statement is sent over it. So an error before that, such
// as a context that ends while all connections are busy, is known to be harmless.
type tripwire struct {
	value driver.Value
	sent  *atomic.Bool
}

// Value implements driver.Valuer.
func (t tripwire) Value() (driver.Value, error) {
	t.sent.Store(true)
	return t.value, nil
}

// untilSent is a context that cannot end a statement once it was sent. Until then it
// ends the wait for a connection.
//
// database/sql starts a goroutine for each query whose context may end, and so do
// drivers: with the two, a read of SQLite took half as long again. database/sql and
// drivers ask for Done where they begin to wait, and go by what it is then.
type untilSent struct {
	context.Context
	sent *atomic.Bool
}

// Done returns nil after the statement was sent.
func (c untilSent) Done() <-chan struct{} {
	if c.sent.Load() {
		return nil
	}
	return c.Context.Done()
}

// exec performs a statement that changes something and says how many rows it changed.
// The first argument must not be nil.
func (s *Store) exec(ctx context.Context, q *query, args ...any) (int64, error) {
	var sent atomic.Bool
	args[0] = tripwire{args[0], &sent}
	var n int64
	err := s.e.retry(ctx, func() error {
		err := alive(ctx, func() (bool, error) {
			sent.Store(false)
			res, err := s.execOnce(ctx, q, args)
			if err == nil {
				n, err = res.RowsAffected()
			}
			return !sent.Load(), err
		})
		if err != nil && s.e.judge(err) != unknown {
			sent.Store(false)
		}
		return err
	})
	if err != nil && s.e.duplicate != "" && s.e.codeOf(err) == s.e.duplicate {
		return 0, nil
	}
	if err != nil {
		return 0, s.failedWrite(ctx, q.op, err, sent.Load())
	}
	return n, nil
}

func (s *Store) execOnce(ctx context.Context, q *query, args []any) (sql.Result, error) {
	if s.e.oneWriter {
		if err := s.writer.take(ctx); err != nil {
			return nil, err
		}
		defer s.writer.give()
	}
	if q.stmt != nil {
		return q.stmt.ExecContext(ctx, args...)
	}
	return s.db.ExecContext(ctx, q.text, args...)
}

// read performs a statement that only reads and says how many rows there are. It gives
// each row to scan with its number, from 0. After an error it begins again, and only
// what scan was given the last time counts.
func (s *Store) read(ctx context.Context, q *query, scan func(i int, rows *sql.Rows) error, args ...any) (n int, err error) {
	during, begin := ctx, func() {}
	if q.one && s.e.briefReads {
		var sent atomic.Bool
		args[0] = tripwire{args[0], &sent}
		during, begin = untilSent{ctx, &sent}, func() { sent.Store(false) }
	}
	err = s.e.retry(ctx, func() error {
		return alive(ctx, func() (harmless bool, err error) {
			begin()
			var rows *sql.Rows
			if q.stmt != nil {
				rows, err = q.stmt.QueryContext(during, args...)
			} else {
				rows, err = s.db.QueryContext(during, q.text, args...)
			}
			if err != nil {
				return true, err
			}
			n, err = scanAll(rows, q.one, scan)
			return true, err
		})
	})
	return n, err
}

// maxDead bounds how often a dead connection of the pool is passed over.
const maxDead = 10

// alive repeats try if it met a dead connection and did no harm. database/sql does so
// too, but twice only, and with all connections in use the last try may get one that
// another caller has just given back, and that died of that caller's context.
func alive(ctx context.Context, try func() (harmless bool, err error)) error {
	for n := 1; ; n++ {
		harmless, err := try()
		if !errors.Is(err, driver.ErrBadConn) || !harmless || n == maxDead || ended(ctx) != nil {
			return err
		}
	}
}

// scanAll gives each row to scan and closes them. With one there is one at most, and it
// is not asked whether there are more: that costs SQLite a fifth of a read, and closing
// tells as well what went wrong.
func scanAll(rows *sql.Rows, one bool, scan func(i int, rows *sql.Rows) error) (n int, err error) {
	for rows.Next() {
		if err := scan(n, rows); err != nil {
			_ = rows.Close() // the error at hand says more
			return 0, err
		}
		if n++; one {
			break
		}
	}
	err = rows.Err()
	if cerr := rows.Close(); err == nil {
		err = cerr
	}
	return n, err
}
