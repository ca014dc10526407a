package sqltest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"io"
	"strings"
	"sync"
	"testing"
)

// spy stands between database/sql and a driver: it counts what would be a round trip
// and, where a test says so, fails before or after the driver did its work.
type spy struct {
	connector driver.Connector

	mu     sync.Mutex
	trips  []string // what went to the driver, in order
	before func(statement string, args []driver.NamedValue) error
	after  func(statement string) error
	row    func(statement string, i int) error
}

// spied returns a pool on a place that is watched.
func (p *place) spied(tb testing.TB) (*sql.DB, *spy) {
	tb.Helper()
	db, s, err := watched(p.driver, p.source)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Errorf("closing the pool: %v", err)
		}
	})
	return db, s
}

// watched returns a pool that is watched.
func watched(name, source string) (*sql.DB, *spy, error) {
	probe, err := sql.Open(name, source)
	if err != nil {
		return nil, nil, err
	}
	drv := probe.Driver()
	if err := probe.Close(); err != nil {
		return nil, nil, err
	}
	s := &spy{connector: plainConnector{drv, source}}
	if d, ok := drv.(driver.DriverContext); ok {
		if s.connector, err = d.OpenConnector(source); err != nil {
			return nil, nil, err
		}
	}
	db := sql.OpenDB(s)
	db.SetMaxIdleConns(8)
	return db, s, nil
}

type plainConnector struct {
	drv    driver.Driver
	source string
}

func (c plainConnector) Connect(context.Context) (driver.Conn, error) { return c.drv.Open(c.source) }
func (c plainConnector) Driver() driver.Driver                        { return c.drv }

func (s *spy) Driver() driver.Driver { return s.connector.Driver() }

func (s *spy) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := s.connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &spyConn{s, c}, nil
}

// hook sets what happens before and after each statement; nil is nothing.
func (s *spy) hook(before func(string, []driver.NamedValue) error, after func(string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.after = before, after
}

// hookRows sets what happens before each row is fetched, and before there are no more or
// after they were closed without asking for more.
func (s *spy) hookRows(row func(statement string, i int) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.row = row
}

// take returns the round trips since the last call.
func (s *spy) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	trips := s.trips
	s.trips = nil
	return trips
}

// trip notes a round trip and makes it, unless a hook says otherwise. The hooks may
// use the pool.
func trip[T any](s *spy, what, statement string, args []driver.NamedValue, do func() (T, error)) (T, error) {
	s.mu.Lock()
	s.trips = append(s.trips, what+" "+firstWords(statement))
	before, after := s.before, s.after
	s.mu.Unlock()
	var none T
	if before != nil {
		if err := before(statement, args); err != nil {
			return none, err
		}
	}
	v, err := do()
	if err == nil && after != nil {
		if err := after(statement); err != nil {
			if rows, ok := any(v).(io.Closer); ok {
				_ = rows.Close() // the test's error is what counts
			}
			return none, err
		}
	}
	return v, err
}

func firstWords(statement string) string {
	words := strings.Fields(statement)
	return strings.Join(words[:min(2, len(words))], " ")
}

type spyConn struct {
	s *spy
	driver.Conn
}

func (c *spyConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	return trip(c.s, "prepare", query, nil, func() (driver.Stmt, error) {
		st, err := c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, query)
		if err != nil {
			return nil, err
		}
		return &spyStmt{c, query, st}, nil
	})
}

func (c *spyConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return trip(c.s, "exec", query, args, func() (driver.Result, error) {
		return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
	})
}

func (c *spyConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return trip(c.s, "query", query, args, func() (driver.Rows, error) {
		rows, err := c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
		return c.s.rows(query, rows), err
	})
}

func (c *spyConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	return trip(c.s, "begin", "", nil, func() (driver.Tx, error) {
		return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
	})
}

func (c *spyConn) ResetSession(ctx context.Context) error {
	if r, ok := c.Conn.(driver.SessionResetter); ok {
		return r.ResetSession(ctx)
	}
	return nil
}

func (c *spyConn) IsValid() bool {
	v, ok := c.Conn.(driver.Validator)
	return !ok || v.IsValid()
}

func (c *spyConn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.Conn.(driver.NamedValueChecker); ok {
		// pgx asks a driver.Valuer itself, later; the hooks want to see values.
		if valuer, ok := v.Value.(driver.Valuer); ok {
			value, err := valuer.Value()
			if err != nil {
				return err
			}
			v.Value = value
		}
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

type spyStmt struct {
	c     *spyConn
	query string
	driver.Stmt
}

func (st *spyStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return trip(st.c.s, "exec", st.query, args, func() (driver.Result, error) {
		return st.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
	})
}

func (st *spyStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return trip(st.c.s, "query", st.query, args, func() (driver.Rows, error) {
		rows, err := st.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
		return st.c.s.rows(st.query, rows), err
	})
}

// rows watches the rows of a query, if there is a hook for them.
func (s *spy) rows(statement string, rows driver.Rows) driver.Rows {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.row == nil || rows == nil {
		return rows
	}
	return &spyRows{Rows: rows, statement: statement, hook: s.row}
}

type spyRows struct {
	driver.Rows
	statement string
	hook      func(statement string, i int) error
	i         int
	ended     bool
}

func (r *spyRows) Next(dest []driver.Value) error {
	err := r.hook(r.statement, r.i)
	if err == nil {
		r.i++
		err = r.Rows.Next(dest)
	}
	r.ended = err != nil
	return err
}

func (r *spyRows) Close() error {
	err := r.Rows.Close()
	if !r.ended && err == nil {
		r.ended = true
		err = r.hook(r.statement, r.i)
	}
	return err
}
