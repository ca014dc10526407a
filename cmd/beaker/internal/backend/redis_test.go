//go:build linux

package backend_test

import (
	"errors"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/cmd/beaker/internal/backend"
	"github.com/seed12c5fab1/beaker/internal/engines"
	"github.com/seed12c5fab1/beaker/redisstore"
)

func TestRedisIsOpenedByItsURL(t *testing.T) {
	node, err := engines.StartRedisNode(t.Context())
	if err != nil {
		t.Fatalf("the test needs redis-server: %v", err)
	}
	defer func() {
		if err := node.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := node.Do(t.Context(), "CONFIG", "SET", "requirepass", "p@ss/"); err != nil {
		t.Fatal(err)
	}
	for auth, spec := range map[string]string{
		"":      "redis://:p%40ss%2F@" + node.Addr + "/3",
		"p@ss/": "redis://" + node.Addr + "/3",
	} {
		t.Setenv("REDISCLI_AUTH", auth)
		var cfg beaker.Config
		b, err := backend.Open(t.Context(), spec, t.TempDir(), &cfg)
		if err != nil {
			t.Fatalf("%s: %v", spec, err)
		}
		if want := "Redis at " + node.Addr + ", database 3"; !isType[*redisstore.Store](cfg.Store) || b.Place() != want {
			t.Errorf("%s: got a %T at %s, want %s", spec, cfg.Store, b.Place(), want)
		}
		for range 2 {
			if err := b.Close(); err != nil {
				t.Errorf("%s: Close: %v", spec, err)
			}
		}
		if _, err := cfg.Store.Load(t.Context(), beaker.RecordKey{1}); !errors.Is(err, beaker.ErrClosed) {
			t.Errorf("%s: after Close: %v", spec, err)
		}
	}
}
