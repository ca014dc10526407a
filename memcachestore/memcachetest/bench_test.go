package memcachetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/seed12c5fab1/beaker"
)

// raw is the client alone, on an item of the size that a session has: the floor.
type raw struct {
	client *memcache.Client
	item   *memcache.Item
}

func newRaw(tb testing.TB, p *place, size int) *raw {
	tb.Helper()
	client := memcache.New(p.servers[0].Addr)
	client.Timeout, client.MaxIdleConns = 30*time.Second, 16
	tb.Cleanup(func() {
		if err := client.Close(); err != nil {
			tb.Error(err)
		}
	})
	key := fmt.Sprintf("beaker:%s:r:%x", p.opts.Generation, unique("raw"))
	it := &memcache.Item{Key: key, Value: make([]byte, size), Expiration: 1000}
	if err := client.Add(it); err != nil {
		tb.Fatal(err)
	}
	return &raw{client, it}
}

func (r *raw) get() error { _, err := r.client.Get(r.item.Key); return err }

func (r *raw) getAndCAS() error {
	it, err := r.client.Get(r.item.Key)
	if err != nil {
		return err
	}
	return r.client.CompareAndSwap(it)
}

func session(tb testing.TB, s beaker.Store, m beaker.Meta, keys int) *beaker.Record {
	tb.Helper()
	var pairs []string
	for i := range keys {
		pairs = append(pairs, fmt.Sprintf("key-%02d", i), strings.Repeat("v", 40))
	}
	return created(tb, s, m, pairs...)
}

func itemSize(tb testing.TB, rec *beaker.Record) int {
	tb.Helper()
	b, err := rec.AppendBinary(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return len(b) + 8
}

// What the store allocates on top of the client. The client's own share is measured
// beside it, so that another release of it changes nothing here.
func TestAllocationsOnTopOfTheClient(t *testing.T) {
	if raceDetector {
		t.Log("the race detector allocates too: the numbers are not judged")
	}
	p := oneServer(t)
	s := p.store(t)
	rec := session(t, s, newMeta(), 3)
	user := session(t, s, metaOf("user"), 3)
	r := newRaw(t, p, itemSize(t, rec))
	must := func(do func() error) float64 {
		return testing.AllocsPerRun(200, func() {
			if err := do(); err != nil {
				t.Fatal(err)
			}
		})
	}
	get, both := must(r.get), must(r.getAndCAS)
	write := func() error {
		got, err := s.Load(t.Context(), rec.Key())
		if err != nil {
			return err
		}
		_, err = s.Apply(t.Context(), rec.Key(), setting(got, "key-01", "w"))
		return err
	}
	for _, tc := range []struct {
		what  string
		got   float64
		floor float64
		most  float64
	}{
		{"Load", must(func() error { _, err := s.Load(t.Context(), rec.Key()); return err }), get, 5},
		{"Load of a session of a subject", must(func() error { _, err := s.Load(t.Context(), user.Key()); return err }), 2 * get, 6},
		{"Load and Apply of a write", must(write), both, 18},
	} {
		t.Logf("%s: %.0f allocations, of which the client makes %.0f", tc.what, tc.got, tc.floor)
		if more := tc.got - tc.floor; more > tc.most && !raceDetector {
			t.Errorf("%s: %.0f allocations on top of the client's %.0f, want at most %.0f", tc.what, more, tc.floor, tc.most)
		}
	}
}

func BenchmarkStore(b *testing.B) {
	p := placeOn(sharedServers(b)[0])
	s := p.store(b)
	run := func(name string, do func() error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := do(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	for _, keys := range []int{3, 50} {
		rec := session(b, s, newMeta(), keys)
		r := newRaw(b, p, itemSize(b, rec))
		run(fmt.Sprintf("keys=%d/client/get", keys), r.get)
		run(fmt.Sprintf("keys=%d/Load", keys), func() error { _, err := s.Load(b.Context(), rec.Key()); return err })
		run(fmt.Sprintf("keys=%d/client/get+cas", keys), r.getAndCAS)
		run(fmt.Sprintf("keys=%d/Load+Apply", keys), func() error {
			got, err := s.Load(b.Context(), rec.Key())
			if err != nil {
				return err
			}
			_, err = s.Apply(b.Context(), rec.Key(), setting(got, "key-01", "w"))
			return err
		})
	}
	user := session(b, s, metaOf("bench"), 3)
	run("user/Load", func() error { _, err := s.Load(b.Context(), user.Key()); return err })
	run("user/sign-in", func() error {
		m := metaOf("bench-2")
		m.Subject, m.AuthenticatedAt = "", 0
		if err := s.Create(b.Context(), newRecord(b, m)); err != nil {
			return err
		}
		got, err := s.Load(b.Context(), m.Key)
		if err != nil {
			return err
		}
		if _, err = s.Apply(b.Context(), m.Key, signingIn(got, fmt.Sprintf("bench-%x", m.Key))); err != nil {
			return err
		}
		return s.Delete(b.Context(), m.Key)
	})
}
