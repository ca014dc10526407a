//go:build linux

package redisstore_test

import (
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/redisstore"
	"github.com/seed12c5fab1/beaker/storetest"
)

func TestRedis(t *testing.T) {
	conform(t, "redisstore", redisstore.Options{})
}

// With the cache, another node may be seen to be late, which RunNodes allows for; all
// else must hold as without it.
func TestRedisWithCache(t *testing.T) {
	conform(t, "redisstore with Cache", redisstore.Options{Cache: true})
}

func conform(t *testing.T, name string, o redisstore.Options) {
	t.Helper()
	t.Run("one node", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) beaker.Store { return newPlace(t).store(t, o) }).Store = name
	})
	t.Run("two nodes", func(t *testing.T) {
		storetest.RunNodes(t, func(t *testing.T) (a, b beaker.Store) {
			p := newPlace(t)
			return p.store(t, o), p.store(t, o)
		}).Store = name
	})
}
