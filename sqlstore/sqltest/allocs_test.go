package sqltest

import (
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

// What a call allocates beside what database/sql and the driver do for a statement that
// is written by hand and does no more than it must: read or write two columns of a row.
func TestAllocations(t *testing.T) {
	eachInTurn(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		db := p.open(t)
		s := p.storeOn(t, db)
		rec := created(t, s, newMeta(), "a", strings.Repeat("v", 60), "b", strings.Repeat("v", 60), "c", strings.Repeat("v", 60))
		key := rec.Key()
		a, b, c := "?", "?", "?"
		if e.dialect == sqlstore.PostgreSQL {
			a, b, c = "$1", "$2", "$3"
		}
		read, err := db.PrepareContext(t.Context(), "SELECT expires,data FROM "+p.quoted("")+" WHERE hash="+a)
		if err != nil {
			t.Fatal(err)
		}
		defer read.Close()
		write, err := db.PrepareContext(t.Context(), "UPDATE "+p.quoted("")+" SET expires="+a+",data="+b+" WHERE hash="+c)
		if err != nil {
			t.Fatal(err)
		}
		defer write.Close()
		var expires int64
		var data []byte
		load := func() error {
			_, err := s.Load(t.Context(), key)
			return err
		}
		bareLoad := func() error { return read.QueryRowContext(t.Context(), key[:]).Scan(&expires, &data) }
		bareSave := func() error {
			_, err := write.ExecContext(t.Context(), expires, data, key[:])
			return err
		}
		apply := func() error {
			ch := changeOf(rec)
			ch.Base, ch.Set = rec, []beaker.Value{{Name: "b", Data: data[:60]}}
			_, err := s.Apply(t.Context(), key, ch)
			if err == nil {
				rec, err = beaker.Merge(rec, ch)
			}
			return err
		}
		loadMore := 4.0
		if e.dialect == sqlstore.SQLite {
			loadMore = -3 // a bare statement starts two goroutines that wait for its context
		}
		for _, c := range []struct {
			name       string
			call, bare func() error
			more       float64 // than the bare statement
		}{
			{"Load", load, bareLoad, loadMore},
			{"Apply", apply, bareSave, 18}, // the test's own change and its second Merge among them
		} {
			count := func(f func() error) float64 {
				return testing.AllocsPerRun(50, func() {
					if err := f(); err != nil {
						t.Fatal(err)
					}
				})
			}
			bare, got := count(c.bare), count(c.call)
			t.Logf("%s: %v allocations, a bare statement %v", c.name, got, bare)
			if got > bare+c.more {
				t.Errorf("%s: %v allocations, want at most %v, as a bare statement takes %v", c.name, got, bare+c.more, bare)
			}
		}
	})
}
