package memcachetest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/internal/engines"
	"github.com/seed12c5fab1/beaker/memcachestore"
)

// withList returns a store of New, which sees nothing of its client's list.
func withList(t *testing.T, generation string, servers ...*engines.Memcached) *memcachestore.Store {
	t.Helper()
	client := memcache.New(placeOn(servers...).addrs()...)
	client.Timeout = 30 * time.Second
	s, err := memcachestore.New(client, &memcachestore.Options{Generation: generation})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), client.Close()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// The hazard, and that the generation is its cure: sessions are made with one server,
// then there are two, on which they are all ended, and then there is one again.
func TestChangedListRevivesSessionsUnlessTheGenerationChanges(t *testing.T) {
	const sessions = 100
	a, b := ownServer(t), ownServer(t)
	for _, tc := range []struct {
		name   string
		stores func(n string) []*memcachestore.Store
		alive  func(n int) bool // of those that were ended
	}{
		{"the application's client, one generation", func(n string) []*memcachestore.Store {
			return []*memcachestore.Store{withList(t, n, a), withList(t, n, a, b), withList(t, n, a)}
		}, func(n int) bool { return n > 0 }}, // this is the hazard, and not what anybody wants
		{"the application's client, a new generation each time", func(n string) []*memcachestore.Store {
			return []*memcachestore.Store{withList(t, n+".1", a), withList(t, n+".2", a, b), withList(t, n+".3", a)}
		}, func(n int) bool { return n == 0 }},
		{"Open, a new generation each time", func(n string) []*memcachestore.Store {
			return []*memcachestore.Store{opened(t, n+".1", a), opened(t, n+".2", a, b), opened(t, n+".3", a)}
		}, func(n int) bool { return n == 0 }},
	} {
		stores := tc.stores(fmt.Sprintf("g%d", generations.Add(1)))
		var keys []beaker.RecordKey
		for range sessions {
			keys = append(keys, created(t, stores[0], newMeta()).Key())
		}
		for _, key := range keys {
			if err := stores[1].Delete(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		}
		n := 0
		for _, key := range keys {
			if _, err := stores[2].Load(t.Context(), key); err == nil {
				n++
			} else if !errors.Is(err, beaker.ErrNotFound) {
				t.Fatal(err)
			}
		}
		t.Logf("report: %s: %d of %d ended sessions are alive", tc.name, n, sessions)
		if !tc.alive(n) {
			t.Errorf("%s: %d of %d ended sessions are alive", tc.name, n, sessions)
		}
	}
}

func opened(t *testing.T, generation string, servers ...*engines.Memcached) *memcachestore.Store {
	t.Helper()
	p := placeOn(servers...)
	p.opts.Generation = generation
	return p.store(t)
}

// Open knows its list. If it was changed and the generation was not, everybody is signed
// out, and nobody is signed in on one half of the nodes only half the time.
func TestOpenTellsListsApart(t *testing.T) {
	servers := sharedServers(t)
	generation := fmt.Sprintf("g%d", generations.Add(1))
	both := opened(t, generation, servers[0], servers[1])
	turned := opened(t, generation, servers[1], servers[0])
	one := opened(t, generation, servers[0])
	for range 50 {
		rec := created(t, both, newMeta())
		loaded(t, turned, rec.Key())
		absent(t, one, rec.Key(), "on a node with another list")
		if err := one.Delete(t.Context(), rec.Key()); err != nil {
			t.Fatal(err)
		}
		loaded(t, both, rec.Key())
	}
}

// A Unix socket is a server like others.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // accepting ends with it
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			d, err := net.Dial("tcp", sharedServers(t)[0].Addr)
			if err != nil {
				_ = c.Close()
				return
			}
			go func() { _, _ = io.Copy(d, c); _ = d.Close() }()
			go func() { _, _ = io.Copy(c, d); _ = c.Close() }()
		}
	}()
	s, err := memcachestore.Open([]string{path}, &memcachestore.Options{Generation: "socket", Timeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	rec := created(t, s, newMeta(), "k", "v")
	loaded(t, s, rec.Key())
}
