package sqltest

import (
	"context"
	"database/sql"
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
		for _, broken := range []error{io.EOF, io.ErrUnexpectedEOF, errors.New("invalid connection"), lostCode(e)} {
			p := newPlace(t, e)
			db, spy := p.spied(t)
			s := p.storeOn(t, db)
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
		for _, refusal := range []error{refusals[e.dialect], safeError{}} {
			p := newPlace(t, e)
			db, spy := p.spied(t)
			s := p.storeOn(t, db)
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

func TestDeadlocksAreRepeated(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		codes := map[sqlstore.Dialect][]error{
			sqlstore.PostgreSQL: {stateError("40P01"), stateError("40001")},
			sqlstore.MySQL:      {errors.New("Error 1213 (40001): Deadlock found"), fmt.Errorf("wrapped: %w", errors.New("Error 1205 (HY000): Lock wait timeout"))},
			sqlstore.SQLite:     {codeError(5), codeError(517), codeError(261), codeError(6)},
		}
		for _, code := range codes[e.dialect] {
			p := newPlace(t, e)
			db, spy := p.spied(t)
			s := p.storeOn(t, db)
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

// While all connections are busy nothing is sent, so nothing is uncertain.
func TestNoFreeConnectionIsNotUncertain(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		db := p.open(t)
		s := p.storeOn(t, db)
		calls := writes(t, s)
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
			if err := <-done; !errors.Is(err, context.Canceled) || errors.Is(err, beaker.ErrUncertain) {
				t.Errorf("%s: %v, want context.Canceled and not ErrUncertain", name, err)
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

// SQ-2: a driver that answers with somebody else's row does not hand out a session.
func TestForeignRowIsRefused(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		db, spy := p.spied(t)
		s := p.storeOn(t, db)
		mine, theirs := newMeta(), newMeta()
		mine.Subject, theirs.Subject = "me", "them"
		a, b := created(t, s, mine, "k", "mine"), created(t, s, theirs, "k", "theirs")
		otherKey, otherSubject := b.Key(), driver.Value("them")
		if e.dialect == sqlstore.MySQL {
			otherSubject = []byte("them")
		}
		swapped := 0
		spy.hook(func(statement string, args []driver.NamedValue) error {
			if strings.HasPrefix(statement, "SELECT") {
				swapped++
				if len(args) == 1 {
					args[0].Value = otherKey[:]
				} else {
					args[0].Value = otherSubject
				}
			}
			return nil
		}, nil)
		if rec, err := s.Load(t.Context(), a.Key()); err == nil || errors.Is(err, beaker.ErrNotFound) {
			t.Errorf("Load of a foreign row: %v, %v; want an error that is not ErrNotFound", rec != nil, err)
		}
		ch := changeOf(a)
		ch.AnyProof, ch.Set = true, values("k", "w")
		if _, err := s.Apply(t.Context(), a.Key(), ch); err == nil || errors.Is(err, beaker.ErrNotFound) {
			t.Errorf("Apply on a foreign row: %v", err)
		}
		if page, _, err := s.List(t.Context(), beaker.ListQuery{Subject: "me"}); err == nil || len(page) > 0 {
			t.Errorf("List of foreign rows: %d records, %v", len(page), err)
		}
		if swapped < 3 {
			t.Fatalf("the hook swapped %d times", swapped)
		}
	})
}

// Another node that always comes first cannot keep a change from being made.
func TestRowLockAfterTwoLostRaces(t *testing.T) {
	each(t, func(t *testing.T, e engine) { lockRow(t, newPlace(t, e)) })
}

func lockRow(t *testing.T, p *place) {
	t.Helper()
	db, spy := p.spied(t)
	s, other := p.storeOn(t, db), p.store(t)
	rec := created(t, s, newMeta(), "mine", "0", "theirs", "0")
	n := 0
	spy.hook(func(statement string, _ []driver.NamedValue) error {
		if !strings.HasPrefix(statement, "UPDATE") || n == 3 {
			return nil
		}
		n++
		ch := changeOf(rec)
		ch.Set = values("theirs", fmt.Sprint(n))
		_, err := other.Apply(t.Context(), rec.Key(), ch)
		return err
	}, nil)
	ch := changeOf(rec)
	ch.Base, ch.Set, ch.Touch = rec, values("mine", "1"), changeOf(rec).Now
	spy.take()
	v, err := s.Apply(t.Context(), rec.Key(), ch)
	if err != nil {
		t.Fatal(err)
	}
	begins := 0
	for _, trip := range spy.take() {
		if strings.Contains(trip, "BEGIN") || strings.Contains(trip, "START") {
			begins++
		}
	}
	if n != 3 || begins != 1 {
		t.Errorf("%d lost races and %d transactions, want 3 and 1", n, begins)
	}
	got := loaded(t, other, rec.Key())
	mine, _ := got.Lookup("mine")
	theirs, _ := got.Lookup("theirs")
	if mine != "1" || theirs != "3" || got.Version() != 5 || v != 5 || got.Touched() != ch.Touch {
		t.Errorf("after all: mine %s, theirs %s, version %d, returned %d, touched %d", mine, theirs, got.Version(), v, got.Touched())
	}

	// What Merge refuses there is refused, and the connections are still good.
	for desc, want := range map[string]error{
		"IfVersion of a version that is gone": beaker.ErrConflict,
		"a proof that is gone":                beaker.ErrNotFound,
	} {
		n = 0
		base := loaded(t, other, rec.Key())
		spy.hook(func(statement string, _ []driver.NamedValue) error {
			if !strings.HasPrefix(statement, "UPDATE") || n == 3 {
				return nil
			}
			n++
			ch := changeOf(rec)
			ch.AnyProof, ch.Set = true, values("theirs", fmt.Sprint(n))
			if n == 3 && errors.Is(want, beaker.ErrNotFound) {
				ch.Rotate = &beaker.Rotation{Next: unique("next")}
			}
			_, err := other.Apply(t.Context(), rec.Key(), ch)
			return err
		}, nil)
		ch := changeOf(base)
		ch.Base, ch.Set = base, values("mine", "2")
		if errors.Is(want, beaker.ErrConflict) {
			// It holds for Base only, so the second look ends it.
			ch.IfVersion = base.Version()
		}
		if _, err := s.Apply(t.Context(), rec.Key(), ch); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", desc, err, want)
		}
	}
	spy.hook(nil, nil)
	if open := db.Stats().InUse; open != 0 {
		t.Errorf("%d connections were not given back", open)
	}
	if err := s.Delete(t.Context(), rec.Key()); err != nil {
		t.Error(err)
	}
}

// The DSN is the application's: what it says about the protocol changes nothing.
func TestOtherSettingsOfTheDriver(t *testing.T) {
	for _, c := range []struct {
		engine
		setting string
	}{
		{engines[1], "&default_query_exec_mode=exec"},
		{engines[1], "&default_query_exec_mode=simple_protocol"},
		{engines[1], "&default_query_exec_mode=cache_describe"},
		{engines[1], "&default_transaction_isolation=serializable"},
		{engines[1], "&client_encoding=LATIN1"},
		{engines[2], "?clientFoundRows=true"},
		{engines[2], "?interpolateParams=true"},
		{engines[2], "?charset=latin1"},
		{engines[2], "?sql_mode=%27ANSI_QUOTES,NO_BACKSLASH_ESCAPES%27"},
		{engines[2], "?sql_mode=%27%27&tx_isolation=%27SERIALIZABLE%27"},
		{engines[2], "?tx_isolation=%27READ-UNCOMMITTED%27&parseTime=true"},
	} {
		t.Run(c.name+" "+c.setting[1:], func(t *testing.T) {
			p := emptyPlace(t, c.engine)
			p.source += c.setting
			db := p.open(t)
			if err := sqlstore.Migrate(t.Context(), db, p.dialect, &p.opts); err != nil {
				t.Fatal(err)
			}
			useAll(t, p, db)
			lockRow(t, p)
			s := p.storeOn(t, db)
			m := newMeta()
			m.Subject = "ünïcode 'quoted\\'"
			m.Cookie = &beaker.CookieAttributes{Path: "/"}
			rec := created(t, s, m, "all", "\x00\xff'\"\\\xc3\n", "ünï", "é")
			if !sameRecord(rec, loaded(t, s, rec.Key())) {
				t.Error("the record is not kept as it is")
			}
			ch := changeOf(rec)
			for range 2 { // the second time nothing changes, which MySQL calls 0 rows
				ch.Base, ch.Touch = rec, ch.Now
				if v, err := s.Apply(t.Context(), rec.Key(), ch); err != nil || v != 1 {
					t.Errorf("touch: version %d, %v", v, err)
				}
			}
			if page, _, err := s.List(t.Context(), beaker.ListQuery{Subject: m.Subject}); err != nil || len(page) != 1 {
				t.Errorf("List: %d records, %v", len(page), err)
			}
		})
	}
}

// A COMMIT whose answer is lost leaves the change uncertain; a lost UPDATE before it
// does not, because it is rolled back.
func TestLostCommitUnderRowLock(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		for _, c := range []struct {
			lost      string
			uncertain bool
		}{{"COMMIT", true}, {"UPDATE", false}} {
			p := newPlace(t, e)
			db, spy := p.spied(t)
			s, other := p.storeOn(t, db), p.store(t)
			rec := created(t, s, newMeta(), "k", "0")
			n, locked := 0, false
			spy.hook(func(statement string, _ []driver.NamedValue) error {
				if strings.HasPrefix(statement, "BEGIN") || strings.HasPrefix(statement, "START") {
					locked = true
				}
				if locked || !strings.HasPrefix(statement, "UPDATE") {
					return nil
				}
				n++
				ch := changeOf(rec)
				ch.Set = values("theirs", fmt.Sprint(n))
				_, err := other.Apply(t.Context(), rec.Key(), ch)
				return err
			}, func(statement string) error {
				if locked && strings.HasPrefix(statement, c.lost) {
					return io.EOF
				}
				return nil
			})
			ch := changeOf(rec)
			ch.Base, ch.Set = rec, values("k", "1")
			_, err := s.Apply(t.Context(), rec.Key(), ch)
			if err == nil || errors.Is(err, beaker.ErrUncertain) != c.uncertain || !locked {
				t.Errorf("a lost %s: %v; ErrUncertain should be %t", c.lost, err, c.uncertain)
			}
			spy.hook(nil, nil)
			k, _ := loaded(t, other, rec.Key()).Lookup("k")
			if want := map[bool]string{true: "1", false: "0"}[c.uncertain]; k != want {
				t.Errorf("a lost %s: k is %s, want %s", c.lost, k, want)
			}
			// No lock was left behind.
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			for who, store := range map[string]*sqlstore.Store{"another node": other, "this node": s} {
				ch := changeOf(rec)
				ch.Set = values("after", who)
				if _, err := store.Apply(ctx, rec.Key(), ch); err != nil {
					t.Errorf("a lost %s, and then %s: %v", c.lost, who, err)
				}
			}
			cancel()
			if open := db.Stats().InUse; open != 0 {
				t.Errorf("%d connections were not given back", open)
			}
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

func TestOtherDriversErrorsThroughOptions(t *testing.T) {
	p := newPlace(t, engines[0])
	strange := errors.New("strange")
	p.opts.ErrorCode = func(err error) string {
		if errors.Is(err, strange) {
			return "5"
		}
		return ""
	}
	db, spy := p.spied(t)
	s := p.storeOn(t, db)
	fail := once(strange)
	spy.hook(func(statement string, _ []driver.NamedValue) error { return fail(statement) }, nil)
	if err := s.Create(t.Context(), newRecord(t, newMeta())); err != nil {
		t.Errorf("Create after what Options.ErrorCode calls busy: %v", err)
	}
}

// No part of a DSN shows in an error's text.
func TestDSNSecretsStayOutOfErrors(t *testing.T) {
	const secret = "s3cr3t-Pa55"
	for _, c := range []struct {
		desc    string
		dialect sqlstore.Dialect
		driver  string
		dsn     string
	}{
		{"PostgreSQL, nobody listens", sqlstore.PostgreSQL, "pgx", "postgres://u:" + secret + "@127.0.0.1:1/db?sslmode=disable"},
		{"PostgreSQL, no such host", sqlstore.PostgreSQL, "pgx", "postgres://u:" + secret + "@nowhere.invalid/db?connect_timeout=5"},
		{"PostgreSQL, not a DSN", sqlstore.PostgreSQL, "pgx", "postgres://u:" + secret + "@127.0.0.1:port/db"},
		{"PostgreSQL, words, not a DSN", sqlstore.PostgreSQL, "pgx", "host=127.0.0.1 password='" + secret + " port=x"},
		{"PostgreSQL, an unknown setting", sqlstore.PostgreSQL, "pgx", "postgres://u:" + secret + "@127.0.0.1/db?sslmode=" + secret},
		{"MariaDB, nobody listens", sqlstore.MySQL, "mysql", "u:" + secret + "@tcp(127.0.0.1:1)/db"},
		{"MariaDB, no such host", sqlstore.MySQL, "mysql", "u:" + secret + "@tcp(nowhere.invalid:3306)/db?timeout=5s"},
		{"SQLite, no such folder", sqlstore.SQLite, "sqlite", "file:/nowhere/" + "sessions.db?_pragma=busy_timeout(5000)&key=" + secret},
	} {
		t.Run(c.desc, func(t *testing.T) {
			db, err := sql.Open(c.driver, c.dsn)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			_, nerr := sqlstore.New(t.Context(), db, c.dialect, nil)
			merr := sqlstore.Migrate(t.Context(), db, c.dialect, nil)
			for what, err := range map[string]error{"New": nerr, "Migrate": merr} {
				if err == nil {
					t.Errorf("%s: no error", what)
				} else if text := fmt.Sprintf("%v %+v %q", err, err, err); strings.Contains(text, secret) {
					t.Errorf("%s tells the secret: %s", what, text)
				} else {
					t.Logf("%s: %v", what, err)
				}
			}
		})
	}
}
