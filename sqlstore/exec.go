package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"time"
)

// tripwire is an argument that tells when the driver asks for it: after there is a
// connection and before the statement is sent over it. So an error before that, such
// as a context that ends while all connections are busy, is known to be harmless.
type tripwire struct {
	value driver.Value
	sent  *bool
}

// Value implements driver.Valuer.
func (t tripwire) Value() (driver.Value, error) {
	*t.sent = true
	return t.value, nil
}

// exec performs a statement that changes something and says how many rows it changed.
// The first argument must not be nil.
func (s *Store) exec(ctx context.Context, q *query, args ...any) (int64, error) {
	sent := false
	args[0] = tripwire{args[0], &sent}
	var n int64
	err := retry(ctx, s.e, s.o.ErrorCode, func() error {
		err := alive(ctx, func() (bool, error) {
			sent = false
			res, err := s.execOnce(ctx, q, args)
			if err == nil {
				n, err = res.RowsAffected()
			}
			return !sent, err
		})
		if err != nil && s.judge(err) != unknown {
			sent = false
		}
		return err
	})
	if err != nil && s.e.duplicate != "" && codeOf(s.e, s.o.ErrorCode, err) == s.e.duplicate {
		return 0, nil
	}
	if err != nil {
		return 0, s.failedWrite(ctx, q.op, err, sent)
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

// read performs a statement that only reads and gives each of its rows to scan.
func (s *Store) read(ctx context.Context, q *query, scan func(*sql.Rows) error, args ...any) error {
	return retry(ctx, s.e, s.o.ErrorCode, func() error {
		return alive(ctx, func() (harmless bool, err error) {
			var rows *sql.Rows
			if q.stmt != nil {
				rows, err = q.stmt.QueryContext(ctx, args...)
			} else {
				rows, err = s.db.QueryContext(ctx, q.text, args...)
			}
			if err != nil {
				return true, err
			}
			return true, scanAll(rows, scan)
		})
	})
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

func scanAll(rows *sql.Rows, scan func(*sql.Rows) error) error {
	for rows.Next() {
		if err := scan(rows); err != nil {
			_ = rows.Close() // the error at hand says more
			return err
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}

// inTransaction runs f between BEGIN and COMMIT on a connection. If it fails, the
// transaction is gone, or the connection with it.
//
// It is done with statements, as sql.Tx has no way to say BEGIN IMMEDIATE: that would
// depend on the DSN, and a transaction of SQLite that reads before it writes fails as
// soon as anybody else has written.
func inTransaction(ctx context.Context, conn *sql.Conn, e *engine, f func() error) error {
	_, err := conn.ExecContext(ctx, e.begin)
	if err == nil {
		if err = f(); err == nil {
			if _, err = conn.ExecContext(ctx, "COMMIT"); err == nil {
				return nil
			}
		}
	}
	// Also after BEGIN, which may have been performed when the context ended.
	free, cancel := afterwards(ctx)
	defer cancel()
	if _, rerr := conn.ExecContext(free, "ROLLBACK"); rerr != nil {
		discard(conn)
	}
	return err
}

const cleanUpTimeout = 5 * time.Second

// afterwards is the context of what must be done although the work has ended.
func afterwards(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cleanUpTimeout)
}

// discard keeps a connection in an unknown state from going back to the pool.
func discard(conn *sql.Conn) {
	// The error is the one that is given.
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
}
