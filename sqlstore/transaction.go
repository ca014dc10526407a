package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"time"
)

// onConn runs f with a connection of its own.
func onConn(ctx context.Context, db *sql.DB, f func(*sql.Conn) error) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	err = f(conn)
	if cerr := conn.Close(); err == nil && !errors.Is(cerr, sql.ErrConnDone) { // discarded
		err = cerr
	}
	return err
}

// inTransaction runs f between BEGIN and COMMIT on a connection. If it fails, the
// transaction is gone, or the connection with it.
//
// It is done with statements, as sql.Tx has no way to say BEGIN IMMEDIATE: that would
// depend on the DSN, and a transaction of SQLite that reads before it writes fails as
// soon as anybody else has written.
func inTransaction(ctx context.Context, conn *sql.Conn, e *engine, f func() error) error {
	_, err := conn.ExecContext(ctx, e.begin)
	if err != nil && e.judge(err) != unknown {
		return err // nothing has begun
	}
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
