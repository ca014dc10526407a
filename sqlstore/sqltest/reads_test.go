package sqltest

import (
	"bytes"
	"database/sql/driver"
	"errors"
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
