//go:build linux

package backend_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/cmd/beaker/internal/backend"
	"github.com/seed12c5fab1/beaker/internal/engines"
	"github.com/seed12c5fab1/beaker/memcachestore"
)

func TestOpenMemcached(t *testing.T) {
	var addrs []string
	for range 2 {
		m, err := engines.StartMemcached(t.Context())
		if err != nil {
			t.Fatalf("the test needs the server: %v", err)
		}
		t.Cleanup(func() {
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		})
		addrs = append(addrs, m.Addr)
	}
	list := strings.Join(addrs, ",")
	for spec, key := range map[string]string{
		"memcached://" + list + "?generation=1":            "beaker:1:",
		"memcached://" + list + "/?prefix=p&generation=a2": "p:a2:",
		"memcached://" + addrs[0] + "?generation=1":        "beaker:1:",
	} {
		var cfg beaker.Config
		b, err := backend.Open(t.Context(), spec, t.TempDir(), &cfg)
		if err != nil {
			t.Fatalf("%s: %v", spec, err)
		}
		if !isType[*memcachestore.Store](cfg.Store) || !strings.Contains(b.Place(), "memcached at "+addrs[0]) {
			t.Errorf("%s: got a %T in %s", spec, cfg.Store, b.Place())
		}
		if err := cfg.Store.Create(t.Context(), record(t)); err != nil {
			t.Errorf("%s: Create: %v", spec, err)
		}
		if err := b.Close(); err != nil {
			t.Errorf("%s: Close: %v", spec, err)
		}
		if _, err := cfg.Store.Load(t.Context(), beaker.RecordKey{1}); !errors.Is(err, beaker.ErrClosed) {
			t.Errorf("%s: after Close: %v", spec, err)
		}
		if keys := everyKey(t, addrs); !slices.ContainsFunc(keys, func(k string) bool { return strings.HasPrefix(k, key) }) {
			t.Errorf("%s: the servers hold %q", spec, keys)
		}
	}
}

func TestOpenMemcachedSaysWhatIsWrong(t *testing.T) {
	for spec, want := range map[string]string{
		"memcached":                                   "the form is",
		"memcached:localhost":                         "the form is",
		"memcached://":                                "the form is",
		"memcached://?generation=1":                   "the form is",
		"memcached://user:hunter2@localhost":          "the form is",
		"memcached://localhost/db?generation=1":       "the form is",
		"memcached://localhost?generation=1&x=y":      "the form is",
		"memcached://localhost?generation=%zz":        "the form is",
		"memcached://localhost?generation=1#a":        "the form is",
		"memcached://localhost":                       "which generation? say memcached://localhost?generation=1",
		"memcached://localhost?generation=a+b":        "Options.Generation",
		"memcached://localhost?generation=1&prefix=:": "Options.Prefix",
		"memcached://localhost,?generation=1":         "is not understood",
		"memcached://localhost:x?generation=1":        "is not understood",
		"memcached://127.0.0.1:1?generation=1":        "check that memcached runs",
		"memcached://nowhere.invalid?generation=1":    "check that memcached runs",
	} {
		var cfg beaker.Config
		_, err := backend.Open(t.Context(), spec, t.TempDir(), &cfg)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") || cfg.Store != nil {
			t.Errorf("%q: %v, want %q", spec, err, want)
		}
	}
}

func record(t *testing.T) *beaker.Record {
	t.Helper()
	rec, err := beaker.NewRecord(beaker.Meta{
		Key: beaker.RecordKey{1}, Proof: beaker.Proof{1}, Version: 1, Created: 1, Touched: 1, Idle: beaker.NoLimit, Absolute: 1 << 50,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func everyKey(t *testing.T, addrs []string) (keys []string) {
	t.Helper()
	for _, addr := range addrs {
		m := &engines.Memcached{Addr: addr}
		some, err := m.Keys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, some...)
	}
	return keys
}
