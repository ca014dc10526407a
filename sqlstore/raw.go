package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"

	"github.com/seed12c5fab1/beaker"
)

// errNotRaw means that a driver must be asked through database/sql.
var errNotRaw = errors.New("the driver does not answer plainly")

// loadRaw is load past sql.Rows, whose goroutine waits for the end of the context: the
// driver of a server does so itself, and waking another processor for it took more
// than all else of a read from PostgreSQL. It is for drivers that keep statements. The
// record is nil if there is none; bad says what is wrong with one that was found.
func (s *Store) loadRaw(ctx context.Context, key beaker.RecordKey) (rec *beaker.Record, bad, err error) {
	err = s.e.retry(ctx, func() error {
		return alive(ctx, func() (harmless bool, err error) {
			err = onConn(ctx, s.db, func(conn *sql.Conn) error {
				return conn.Raw(func(driverConn any) (err error) {
					rec, bad, err = s.ask(ctx, driverConn, key)
					return err
				})
			})
			return true, err
		})
	})
	if errors.Is(err, errNotRaw) {
		s.notRaw.Store(true)
	}
	return rec, bad, err
}

// ask loads a session from a connection of a driver.
func (s *Store) ask(ctx context.Context, conn any, key beaker.RecordKey) (rec *beaker.Record, bad, err error) {
	q, ok := conn.(driver.QueryerContext)
	if !ok {
		return nil, nil, errNotRaw
	}
	rows, err := q.QueryContext(ctx, s.q.load.text, []driver.NamedValue{{Ordinal: 1, Value: key[:]}})
	if errors.Is(err, driver.ErrSkip) {
		return nil, nil, errNotRaw
	}
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if cerr := rows.Close(); err == nil {
			err = cerr
		}
	}()
	var values [2]driver.Value // of columns
	switch err := rows.Next(values[:]); {
	case err == io.EOF: //nolint:errorlint // a connection that ended may be wrapped, no more rows never is
		return nil, nil, nil
	case err != nil:
		return nil, nil, err
	}
	accessed, isInt := values[0].(int64)
	data, isBytes := values[1].([]byte)
	if !isInt || !isBytes {
		return nil, nil, errNotRaw
	}
	r := row{accessed: accessed, data: data}
	rec, bad = r.recordOf(key)
	return rec, bad, nil
}
