package sqltest

import (
	"bytes"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

// A read that failed when it had seen some rows begins again: what it saw the first
// time must not be in the answer.
func TestReadsBeginAgain(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		for _, code := range append(againCodes(e), driver.ErrBadConn) {
			p := newPlace(t, e)
			db, spy := p.spied(t)
			s, other := p.storeOn(t, db), p.store(t)
			const sessions = 4
			recs := map[beaker.RecordKey]*beaker.Record{}
			var last beaker.RecordKey
			for range sessions {
				m := newMeta()
				m.Subject = "user"
				recs[m.Key] = created(t, s, m)
				if bytes.Compare(m.Key[:], last[:]) > 0 {
					last = m.Key
				}
			}
			broken := 0
			spy.hookRows(func(_ string, i int) error {
				if i == 3 && broken < 2 { // 3 rows were read
					broken++
					return code
				}
				return nil
			})
			page, next, err := s.List(t.Context(), beaker.ListQuery{Subject: "user", Limit: sessions})
			if err != nil || len(page) != sessions || next != last.String() || broken != 2 {
				t.Errorf("List, broken twice by %v: %d records, next %q, %v", code, len(page), next, err)
			}
			for _, rec := range page {
				delete(recs, rec.Key())
			}
			if len(recs) > 0 {
				t.Errorf("List, broken by %v, left out %d records", code, len(recs))
			}
			// All are gone when it begins again.
			broken = 0
			gone := func(_ string, i int) error {
				if i == 1 && broken == 0 {
					broken++
					if _, err := other.RevokeSubject(t.Context(), "user", epoch); err != nil {
						t.Error(err)
					}
					return code
				}
				return nil
			}
			spy.hookRows(gone)
			if _, err := s.Load(t.Context(), last); !errors.Is(err, beaker.ErrNotFound) || broken != 1 {
				t.Errorf("Load, broken by %v, of what is gone meanwhile: %v, want ErrNotFound", code, err)
			}
			m := newMeta()
			m.Subject = "user"
			m.AuthenticatedAt = epoch + 1
			spy.hookRows(nil)
			created(t, s, m)
			broken = 0
			spy.hookRows(gone)
			if page, next, err := s.List(t.Context(), beaker.ListQuery{Subject: "user", Limit: 1}); err != nil || len(page) != 0 || next != "" {
				t.Errorf("List, broken by %v, of what is gone meanwhile: %d records, next %q, %v", code, len(page), next, err)
			}
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

// A connection that ends is not an answer without a row: that would end the session.
func TestBrokenReadIsNotNoSession(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		db, spy := p.spied(t)
		s := p.storeOn(t, db)
		rec := created(t, s, newMeta())
		for _, broken := range []error{io.ErrUnexpectedEOF, fmt.Errorf("read: %w", io.EOF), errors.New("lost")} {
			for _, at := range []int{0, 1} { // before the row, and when it was read
				met := 0
				spy.hookRows(func(_ string, i int) error {
					if i == at {
						met++
						return broken
					}
					return nil
				})
				if got, err := s.Load(t.Context(), rec.Key()); got != nil || err == nil || errors.Is(err, beaker.ErrNotFound) || met != 1 {
					t.Errorf("Load, broken at %d by %v %d times: %v, %v; want another error than ErrNotFound", at, broken, met, got != nil, err)
				}
			}
		}
	})
}

// Load asks a driver that keeps statements without database/sql. Where it does not
// answer plainly, database/sql does the rest.
func TestLoadThroughDatabaseSQL(t *testing.T) {
	e := engines[1]
	if e.dialect != sqlstore.PostgreSQL {
		t.Fatalf("the second engine is %s", e.name)
	}
	t.Run("statements must be prepared", func(t *testing.T) {
		p := newPlace(t, e)
		db, spy := p.spied(t)
		s := p.storeOn(t, db)
		rec := created(t, s, newMeta())
		asked := 0
		spy.hook(func(string, []driver.NamedValue) error {
			if asked++; asked <= 2 { // by the store, and by database/sql
				return driver.ErrSkip
			}
			return nil
		}, nil)
		loaded(t, s, rec.Key())
		spy.take()
		loaded(t, s, rec.Key())
		if trips := spy.take(); len(trips) != 1 {
			t.Errorf("the next Load takes %q, want one round trip", trips)
		}
	})
	t.Run("another type", func(t *testing.T) {
		p := newPlace(t, e)
		db := p.open(t)
		rec := created(t, p.storeOn(t, db), newMeta())
		mustExec(t, db, "ALTER TABLE "+p.quoted("")+` ALTER "accessed" TYPE numeric`)
		loaded(t, p.store(t), rec.Key())
	})
}
