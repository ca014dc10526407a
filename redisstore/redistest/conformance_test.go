package redistest

import (
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/storetest"
)

// The conformance suite on a single server is run by redisstore's own tests.
func conform(t *testing.T, s *site) {
	t.Run("one node", func(t *testing.T) {
		rep := storetest.Run(t, func(t *testing.T) beaker.Store { return newPlace(t, s).store(t) })
		rep.Store = s.name
	})
	t.Run("two nodes", func(t *testing.T) {
		rep := storetest.RunNodes(t, func(t *testing.T) (a, b beaker.Store) {
			p := newPlace(t, s)
			return p.store(t), p.store(t)
		})
		rep.Store = s.name
	})
}

func TestCluster(t *testing.T)  { conform(t, cluster(t)) }
func TestSentinel(t *testing.T) { conform(t, sentinel(t)) }
