//go:build linux

package redisstore_test

import (
	"fmt"
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

// What stands between may speak RESP2 only.
func TestRedisOverRESP2(t *testing.T) {
	t.Setenv("BEAKER_GUARANTEES", "") // it is the same store: the table has no row for each protocol
	open := func(t *testing.T, p *place) beaker.Store {
		t.Helper()
		s, err := redisstore.Open(t.Context(), fmt.Sprintf("redis://%s/%d?protocol=2", p.node.Addr, p.db), nil)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	storetest.Run(t, func(t *testing.T) beaker.Store { return open(t, newPlace(t)) })
	storetest.RunNodes(t, func(t *testing.T) (a, b beaker.Store) {
		p := newPlace(t)
		return open(t, p), open(t, p)
	})
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
