package sqltest

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

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
	spy.hook(func(statement string, args []driver.NamedValue) error {
		if !strings.HasPrefix(statement, "UPDATE") || args == nil || n == 3 {
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
		spy.hook(func(statement string, args []driver.NamedValue) error {
			if !strings.HasPrefix(statement, "UPDATE") || args == nil || n == 3 {
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

// loseUntilLocked has the next changes of a store lose against another node until they lock
// the row. The returned function is to be the hook of its spy.
func loseUntilLocked(t *testing.T, other *sqlstore.Store, rec *beaker.Record) func(string, []driver.NamedValue) error {
	locked, n := false, 0
	return func(statement string, args []driver.NamedValue) error {
		if strings.HasPrefix(statement, "BEGIN") || strings.HasPrefix(statement, "START") {
			locked = true
		}
		if locked || !strings.HasPrefix(statement, "UPDATE") || args == nil { // no args: it is prepared
			return nil
		}
		n++
		ch := changeOf(rec)
		ch.AnyProof, ch.Set = true, values("theirs", fmt.Sprint(n))
		_, err := other.Apply(t.Context(), rec.Key(), ch)
		return err
	}
}

// A transaction that cannot begin is begun again, on another connection if need be.
func TestRowLockIsTriedAgain(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		db, spy := p.spied(t)
		s, other := p.storeOn(t, db), p.store(t)
		for _, code := range append(againCodes(e), driver.ErrBadConn) {
			for _, at := range []string{"BEGIN", "START", "SELECT", "UPDATE", "COMMIT"} {
				if errors.Is(code, driver.ErrBadConn) && at == "COMMIT" {
					continue // which leaves it open what became of the change
				}
				rec := created(t, s, newMeta(), "k", "0")
				lose := loseUntilLocked(t, other, rec)
				locked, failed := false, 0
				spy.hook(func(statement string, args []driver.NamedValue) error {
					locked = locked || strings.HasPrefix(statement, "BEGIN") || strings.HasPrefix(statement, "START")
					if locked && strings.HasPrefix(statement, at) && failed < 3 {
						failed++
						return code
					}
					return lose(statement, args)
				}, nil)
				ch := changeOf(rec)
				ch.Base, ch.Set = rec, values("k", "1")
				_, err := s.Apply(t.Context(), rec.Key(), ch)
				if begins := at == "BEGIN" || at == "START"; !locked || failed != 3 && !begins {
					t.Fatalf("%v at %s: it failed %d times, locked: %t", code, at, failed, locked)
				}
				spy.hook(nil, nil)
				got := loaded(t, other, rec.Key())
				if k, _ := got.Lookup("k"); err != nil || k != "1" || got.Version() != 5 {
					t.Errorf("%v at %s: k is %s in version %d, %v", code, at, k, got.Version(), err)
				}
				if open := db.Stats().InUse; open != 0 {
					t.Errorf("%v at %s: %d connections were not given back", code, at, open)
				}
			}
		}
	})
}

// Nobody changes the row between its reading and its writing.
func TestRowLockHoldsTheRow(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		db, spy := p.spied(t)
		s, other, third := p.storeOn(t, db), p.store(t), p.store(t)
		rec := created(t, s, newMeta(), "k", "0")
		lose := loseUntilLocked(t, other, rec)
		locked, tried := false, 0
		spy.hook(func(statement string, args []driver.NamedValue) error {
			locked = locked || strings.HasPrefix(statement, "BEGIN") || strings.HasPrefix(statement, "START")
			if locked && strings.HasPrefix(statement, "UPDATE") && tried == 0 {
				tried++
				ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
				defer cancel()
				ch := changeOf(rec)
				ch.AnyProof, ch.Set = true, values("third", "1")
				if _, err := third.Apply(ctx, rec.Key(), ch); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("another node's Apply while the row is locked: %v, want context.DeadlineExceeded", err)
				}
			}
			return lose(statement, args)
		}, nil)
		ch := changeOf(rec)
		ch.Base, ch.Set = rec, values("k", "1")
		if _, err := s.Apply(t.Context(), rec.Key(), ch); err != nil || tried != 1 {
			t.Errorf("Apply under the row lock: %v; another node tried: %d", err, tried)
		}
		if k, _ := loaded(t, other, rec.Key()).Lookup("k"); k != "1" {
			t.Errorf("k is %s", k)
		}
	})
}

// With one connection, who locks a row and who writes otherwise must not wait for what
// the other one has.
func TestRowLockAndOneConnection(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		db, spy := p.spied(t)
		db.SetMaxOpenConns(1)
		s, other := p.storeOn(t, db), p.store(t)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		for range 8 {
			rec := created(t, s, newMeta(), "k", "0")
			lose := loseUntilLocked(t, other, rec)
			const writers = 4
			n := 0
			errs := make(chan error, writers)
			spy.hook(func(statement string, args []driver.NamedValue) error {
				if strings.HasPrefix(statement, "UPDATE") {
					if n++; n == 3 { // the last one before the row lock
						for range writers {
							fresh := newRecord(t, newMeta())
							go func() { errs <- s.Create(ctx, fresh) }()
						}
					}
				}
				return lose(statement, args)
			}, nil)
			ch := changeOf(rec)
			ch.Base, ch.Set = rec, values("k", "1")
			if _, err := s.Apply(ctx, rec.Key(), ch); err != nil {
				t.Errorf("Apply: %v", err)
			}
			for range writers {
				if err := <-errs; err != nil {
					t.Errorf("Create: %v", err)
				}
			}
			spy.hook(nil, nil)
			if t.Failed() {
				return
			}
		}
	})
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
			lose, locked := loseUntilLocked(t, other, rec), false
			spy.hook(func(statement string, args []driver.NamedValue) error {
				locked = locked || strings.HasPrefix(statement, "BEGIN") || strings.HasPrefix(statement, "START")
				return lose(statement, args)
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
