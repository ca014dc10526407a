package sqltest

import (
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/storetest"
)

func conform(t *testing.T, e engine) {
	t.Parallel() // the three of them
	t.Run("one node", func(t *testing.T) {
		rep := storetest.Run(t, func(t *testing.T) beaker.Store { return newPlace(t, e).store(t) })
		rep.Store = "sqlstore " + e.name
		t.Log("\n" + rep.Text())
	})
	t.Run("two nodes", func(t *testing.T) {
		rep := storetest.RunNodes(t, func(t *testing.T) (a, b beaker.Store) {
			p := newPlace(t, e)
			return p.store(t), p.store(t)
		})
		rep.Store = "sqlstore " + e.name
		t.Log("\n" + rep.Text())
	})
}

func TestSQLite(t *testing.T)     { conform(t, engines[0]) }
func TestPostgreSQL(t *testing.T) { conform(t, engines[1]) }
func TestMariaDB(t *testing.T)    { conform(t, engines[2]) }
