package sqltest

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

// stateError is what pgx and lib/pq return.
type stateError string

func (e stateError) Error() string    { return "ERROR: made up (SQLSTATE " + string(e) + ")" }
func (e stateError) SQLState() string { return string(e) }

// codeError is what modernc.org/sqlite returns.
type codeError int

func (e codeError) Error() string { return fmt.Sprintf("made up (%d)", int(e)) }
func (e codeError) Code() int     { return int(e) }

// safeError is what pgx returns before it sends anything.
type safeError struct{}

func (safeError) Error() string     { return "made up: not sent" }
func (safeError) SafeToRetry() bool { return true }

func isWrite(statement string) bool {
	return strings.HasPrefix(statement, "UPDATE") || strings.HasPrefix(statement, "INSERT") || strings.HasPrefix(statement, "DELETE")
}

// once returns a hook that fails at the first write.
func once(err error) func(string) error {
	var done atomic.Bool
	return func(statement string) error {
		if isWrite(statement) && !done.Swap(true) {
			return err
		}
		return nil
	}
}

// writes are the calls that change something, each on a record of its own.
func writes(t *testing.T, s *sqlstore.Store) map[string]func(ctx context.Context) error {
	m := newMeta()
	m.Subject, m.AuthenticatedAt = "user", epoch
	rec, ended, fresh := created(t, s, m, "k", "v"), created(t, s, newMeta()), newRecord(t, newMeta())
	return map[string]func(ctx context.Context) error{
		"Create": func(ctx context.Context) error { return s.Create(ctx, fresh) },
		"Apply": func(ctx context.Context) error {
			ch := changeOf(rec)
			ch.Base, ch.Set = rec, values("k", "w")
			_, err := s.Apply(ctx, m.Key, ch)
			return err
		},
		"Delete":        func(ctx context.Context) error { return s.Delete(ctx, ended.Key()) },
		"RevokeSubject": func(ctx context.Context) error { _, err := s.RevokeSubject(ctx, "nobody", epoch); return err },
	}
}

func TestBrokenConnectionIsUncertain(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		db, spy := p.spied(t)
		s := p.storeOn(t, db)
		for _, broken := range []error{io.EOF, io.ErrUnexpectedEOF, errors.New("invalid connection"), lostCode(e)} {
			for name, do := range writes(t, s) {
				spy.hook(nil, once(broken)) // after the work was done
				if err := do(t.Context()); !errors.Is(err, beaker.ErrUncertain) {
					t.Errorf("%s, done and then %v: %v, want ErrUncertain", name, broken, err)
				}
				spy.hook(nil, nil)
			}
		}
	})
}

// lostCode is an error that the server itself sends, and that leaves open what became
// of the statement.
func lostCode(e engine) error {
	switch e.dialect {
	case sqlstore.PostgreSQL:
		return stateError("57P01")
	case sqlstore.MySQL:
		return errors.New("Error 1053 (08S01): Server shutdown in progress")
	}
	return codeError(10 | 4<<8) // SQLITE_IOERR_FSYNC
}

func TestRefusedStatementIsNotUncertain(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		refusals := map[sqlstore.Dialect]error{
			sqlstore.PostgreSQL: stateError("53100"),
			sqlstore.MySQL:      errors.New("Error 1021 (HY000): Disk full"),
			sqlstore.SQLite:     codeError(13),
		}
		p := newPlace(t, e)
		db, spy := p.spied(t)
		s := p.storeOn(t, db)
		for _, refusal := range []error{refusals[e.dialect], safeError{}} {
			for name, do := range writes(t, s) {
				fail := once(refusal)
				spy.hook(func(statement string, _ []driver.NamedValue) error { return fail(statement) }, nil)
				err := do(t.Context())
				if err == nil || errors.Is(err, beaker.ErrUncertain) {
					t.Errorf("%s, refused with %v: %v, want an error that is not ErrUncertain", name, refusal, err)
				}
				if refusal != (safeError{}) && !strings.Contains(fmt.Sprint(err), "disk is full") {
					t.Errorf("%s: the error names no remedy: %v", name, err)
				}
				spy.hook(nil, nil)
				if err := do(t.Context()); err != nil {
					t.Errorf("%s, again: %v", name, err)
				}
			}
		}
	})
}

// againCodes are errors after which a statement is to be repeated.
func againCodes(e engine) []error {
	switch e.dialect {
	case sqlstore.PostgreSQL:
		return []error{stateError("40P01"), stateError("40001")}
	case sqlstore.MySQL:
		return []error{errors.New("Error 1213 (40001): Deadlock found"), fmt.Errorf("wrapped: %w", errors.New("Error 1205 (HY000): Lock wait timeout"))}
	}
	return []error{codeError(5), codeError(517), codeError(261), codeError(6), codeError(15)}
}

func TestDeadlocksAreRepeated(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		db, spy := p.spied(t)
		s := p.storeOn(t, db)
		for _, code := range againCodes(e) {
			for name, do := range writes(t, s) {
				fails := 0
				spy.hook(func(statement string, _ []driver.NamedValue) error {
					if isWrite(statement) && fails < 3 {
						fails++
						return code
					}
					return nil
				}, nil)
				if err := do(t.Context()); err != nil || fails != 3 {
					t.Errorf("%s after %d times %v: %v", name, fails, code, err)
				}
				// For ever: until the context ends, and then it is known that nothing was done.
				ctx, cancel := context.WithCancel(t.Context())
				spy.hook(func(statement string, _ []driver.NamedValue) error {
					if !isWrite(statement) {
						return nil
					}
					if fails++; fails == 6 {
						cancel()
					}
					return code
				}, nil)
				if err := do(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, beaker.ErrUncertain) {
					t.Errorf("%s, always %v, cancelled: %v, want context.Canceled and not ErrUncertain", name, code, err)
				}
				cancel()
				spy.hook(nil, nil)
			}
		}
	})
}

// A read passes over dead connections of the pool, more of them than database/sql
// does. A write that may have been sent is left at that.
func TestDeadConnections(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		db, spy := p.spied(t)
		s := p.storeOn(t, db)
		rec := created(t, s, newMeta(), "k", "v")
		dead := 0
		die := func(first string, times int) {
			dead = 0
			spy.hook(func(statement string, args []driver.NamedValue) error {
				if strings.HasPrefix(statement, first) && args != nil && dead < times { // no args: it is prepared
					dead++
					return driver.ErrBadConn
				}
				return nil
			}, nil)
		}
		die("SELECT", 8)
		if _, err := s.Load(t.Context(), rec.Key()); err != nil || dead != 8 {
			t.Errorf("Load over %d dead connections: %v", dead, err)
		}
		die("SELECT", 1000)
		if _, err := s.Load(t.Context(), rec.Key()); !errors.Is(err, driver.ErrBadConn) || dead > 100 {
			t.Errorf("Load over %d dead connections: %v, want an end", dead, err)
		}
		die("DELETE", 1000)
		if err := s.Delete(t.Context(), rec.Key()); !errors.Is(err, beaker.ErrUncertain) || dead > 3 {
			t.Errorf("Delete over %d dead connections: %v, want ErrUncertain after what database/sql repeats", dead, err)
		}
	})
}

// While all connections are busy nothing is sent, so nothing is uncertain, and who waits
// for one does so no longer than its context.
func TestNoFreeConnectionIsNotUncertain(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		db := p.open(t)
		s := p.storeOn(t, db)
		calls := writes(t, s)
		rec := created(t, s, newMeta())
		calls["Load"] = func(ctx context.Context) error { _, err := s.Load(ctx, rec.Key()); return err }
		db.SetMaxOpenConns(1)
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for name, do := range calls {
			ctx, cancel := context.WithCancel(t.Context())
			waiting := db.Stats().WaitCount
			done := make(chan error)
			go func() { done <- do(ctx) }()
			for db.Stats().WaitCount == waiting {
				select {
				case err := <-done:
					t.Fatalf("%s did not wait for a connection: %v", name, err)
				default:
				}
			}
			cancel()
			select {
			case err := <-done:
				if !errors.Is(err, context.Canceled) || errors.Is(err, beaker.ErrUncertain) {
					t.Errorf("%s: %v, want context.Canceled and not ErrUncertain", name, err)
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("%s goes on waiting for a connection when its context has ended", name)
			}
		}
	})
}

// A context that ends when the statement was sent leaves open what became of it.
func TestCancelledInFlightIsUncertain(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		db, spy := p.spied(t)
		s := p.storeOn(t, db)
		for name, do := range writes(t, s) {
			ctx, cancel := context.WithCancel(t.Context())
			spy.hook(func(statement string, _ []driver.NamedValue) error {
				if isWrite(statement) {
					cancel()
					return ctx.Err() // as a driver that has sent it
				}
				return nil
			}, nil)
			if err := do(ctx); !errors.Is(err, context.Canceled) || !errors.Is(err, beaker.ErrUncertain) {
				t.Errorf("%s: %v, want context.Canceled and ErrUncertain", name, err)
			}
			cancel()
			spy.hook(nil, nil)
		}
	})
}

// TE-2: if the mark of a revocation cannot be read, a sign-in is not acknowledged, and
// doing it again finds the mark.
func TestSignInWithoutItsMarkIsUncertain(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		db, spy := p.spied(t)
		s := p.storeOn(t, db)
		if _, err := s.RevokeSubject(t.Context(), "user", epoch.Add(hour)); err != nil {
			t.Fatal(err)
		}
		rec := created(t, s, newMeta())
		subject := "user"
		ch := changeOf(rec)
		ch.Base, ch.Subject, ch.Rotate = rec, &subject, &beaker.Rotation{Next: unique("next")}
		spy.hook(func(statement string, _ []driver.NamedValue) error {
			if strings.HasPrefix(statement, "SELECT") {
				return io.EOF
			}
			return nil
		}, nil)
		if _, err := s.Apply(t.Context(), rec.Key(), ch); !errors.Is(err, beaker.ErrUncertain) {
			t.Errorf("Apply: %v, want ErrUncertain", err)
		}
		m := newMeta()
		m.Subject, m.AuthenticatedAt = subject, epoch
		if err := s.Create(t.Context(), newRecord(t, m)); !errors.Is(err, beaker.ErrUncertain) {
			t.Errorf("Create: %v, want ErrUncertain", err)
		}
		spy.hook(nil, nil)
		if _, err := s.Apply(t.Context(), rec.Key(), ch); !errors.Is(err, beaker.ErrRevoked) {
			t.Errorf("Apply, again: %v, want ErrRevoked", err)
		}
		if _, err := s.Load(t.Context(), rec.Key()); !errors.Is(err, beaker.ErrNotFound) {
			t.Errorf("Load: %v, want ErrNotFound", err)
		}
	})
}
