package memcachetest

import (
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/storetest"
)

// What the suite says is not offered, memcached cannot do: it has no list of its keys,
// and drops what has expired by itself.
func TestConformance(t *testing.T) {
	rep := storetest.Run(t, func(t *testing.T) beaker.Store { return newPlace(t).store(t) })
	rep.Store = "memcachestore"
}

func TestConformanceBetweenNodes(t *testing.T) {
	rep := storetest.RunNodes(t, func(t *testing.T) (a, b beaker.Store) {
		p := newPlace(t)
		return p.store(t), p.store(t)
	})
	rep.Store = "memcachestore"
}
