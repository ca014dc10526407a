package sqltest

import (
	"database/sql"
	"fmt"
	"sync"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sqlstore"
	"github.com/seed12c5fab1/beaker/storetest"
)

func conform(t *testing.T, e engine) {
	t.Parallel() // the three of them
	spare := spareTables{engine: e}
	// Two pools, as two processes have them.
	for i := range spare.dbs {
		spare.dbs[i] = emptyPlace(t, e).open(t)
	}
	if e.dialect == sqlstore.SQLite {
		p := emptyPlace(t, e) // which is a file
		spare.dbs = [2]*sql.DB{p.open(t), p.open(t)}
	}
	t.Run("one node", func(t *testing.T) {
		rep := storetest.Run(t, func(t *testing.T) beaker.Store {
			return spare.stores(t, 1)[0]
		})
		rep.Store = "sqlstore " + e.name
		t.Log("\n" + rep.Text())
	})
	t.Run("two nodes", func(t *testing.T) {
		rep := storetest.RunNodes(t, func(t *testing.T) (a, b beaker.Store) {
			both := spare.stores(t, 2)
			return both[0], both[1]
		})
		rep.Store = "sqlstore " + e.name
		t.Log("\n" + rep.Text())
	})
}

func TestSQLite(t *testing.T)     { conform(t, engines[0]) }
func TestPostgreSQL(t *testing.T) { conform(t, engines[1]) }
func TestMariaDB(t *testing.T)    { conform(t, engines[2]) }

// spareTables makes tables, and uses them again when they are empty: the suite asks for
// hundreds of stores, and making tables is what would take most of its time.
type spareTables struct {
	engine
	dbs [2]*sql.DB

	mu    sync.Mutex
	empty []sqlstore.Options
}

// stores returns n stores, each on a pool of its own, over the same empty tables.
func (s *spareTables) stores(t *testing.T, n int) (all []*sqlstore.Store) {
	t.Helper()
	o := s.take(t)
	t.Cleanup(func() { s.give(t, o) }) // last, when the stores are closed
	for _, db := range s.dbs[:n] {
		store, err := sqlstore.New(t.Context(), db, s.dialect, &o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := store.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
		all = append(all, store)
	}
	return all
}

func (s *spareTables) take(t *testing.T) sqlstore.Options {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.empty); n > 0 {
		o := s.empty[n-1]
		s.empty = s.empty[:n-1]
		return o
	}
	o := emptyPlace(t, s.engine).opts
	if err := sqlstore.Migrate(t.Context(), s.dbs[0], s.dialect, &o); err != nil {
		t.Fatal(err)
	}
	return o
}

func (s *spareTables) give(t *testing.T, o sqlstore.Options) {
	p := place{engine: s.engine, opts: o}
	for _, statement := range []string{
		"DELETE FROM " + p.quoted(""), "DELETE FROM " + p.quoted("_revoked"),
		fmt.Sprintf("UPDATE %s SET value=0,owner=NULL WHERE name='purge'", p.quoted("_meta")),
	} {
		if _, err := s.dbs[0].ExecContext(background(), statement); err != nil {
			t.Errorf("%s: %v", statement, err)
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.empty = append(s.empty, o)
}
