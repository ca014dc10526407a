package memcachetest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker/internal/engines"
	"github.com/seed12c5fab1/beaker/internal/leaks"
	"github.com/seed12c5fab1/beaker/memcachestore"
)

// shared are servers for all tests that neither stop nor fill them.
var shared struct {
	once    sync.Once
	servers []*engines.Memcached
	err     error
}

func sharedServers(tb testing.TB) []*engines.Memcached {
	tb.Helper()
	shared.once.Do(func() {
		for range 2 {
			m, err := engines.StartMemcached(context.Background(), "--memory-limit=256")
			if err != nil {
				shared.err = err
				return
			}
			shared.servers = append(shared.servers, m)
		}
	})
	if shared.err != nil {
		tb.Fatalf("the tests need the server: %v", shared.err)
	}
	for _, m := range shared.servers {
		select {
		case <-m.Done():
			tb.Fatalf("the server ended by itself:\n%s", m.Log())
		default:
		}
	}
	return shared.servers
}

func TestMain(m *testing.M) {
	if arg := os.Getenv(childVariable); arg != "" {
		os.Exit(child(arg))
	}
	code := leaks.Watch(m).Run()
	for _, s := range shared.servers {
		if err := s.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// place is where stores are made: servers, and a generation of their own in them.
type place struct {
	servers []*engines.Memcached
	opts    memcachestore.Options
}

var generations atomic.Int64

func newPlace(tb testing.TB) *place {
	tb.Helper()
	return placeOn(sharedServers(tb)...)
}

func placeOn(servers ...*engines.Memcached) *place {
	return &place{servers, memcachestore.Options{
		Generation: fmt.Sprintf("%d.%d", os.Getpid(), generations.Add(1)),
		Timeout:    30 * time.Second, // what no test waits for: this machine may do much else
	}}
}

func (p *place) addrs() []string {
	list := make([]string, len(p.servers))
	for i, m := range p.servers {
		list[i] = m.Addr
	}
	return list
}

// store returns a store with connections of its own, as another process has it.
func (p *place) store(tb testing.TB) *memcachestore.Store {
	tb.Helper()
	s, err := memcachestore.Open(p.addrs(), &p.opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("Close: %v", err)
		}
	})
	return s
}

// ownServer starts a server for one test.
func ownServer(tb testing.TB, args ...string) *engines.Memcached {
	tb.Helper()
	m, err := engines.StartMemcached(context.Background(), args...)
	if err != nil {
		tb.Fatalf("the test needs the server: %v", err)
	}
	tb.Cleanup(func() {
		if err := m.Close(); err != nil {
			tb.Error(err)
		}
	})
	return m
}
