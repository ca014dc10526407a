package memcachetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/internal/leaktest"
)

// Whatever sessions are driven over the server: nothing in it opens one, and no error
// holds a value.
func TestTheServerIsNoKeyRing(t *testing.T) {
	p := placeOn(ownServer(t))
	leaktest.Store(t, p.store(t), func() ([]byte, error) {
		keys, err := p.servers[0].Keys(t.Context())
		if err != nil {
			return nil, err
		}
		var all []byte
		for _, key := range keys {
			all = append(append(all, key...), p.raw(t, key)...)
		}
		return all, nil
	})
}

// Close ends the connections that Open made; until then they are kept, up to a bound.
func TestConnectionsAreKeptAndClosed(t *testing.T) {
	m := ownServer(t)
	p := placeOn(m)
	p.opts.MaxIdleConns = 4
	s := p.store(t)
	open := func() int {
		stats, err := m.Stats(t.Context(), "stats")
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(stats["curr_connections"])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := open()
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 20 {
				if _, err := s.Load(t.Context(), beaker.RecordKey{1}); !errors.Is(err, beaker.ErrNotFound) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	settle := func(what string, ok func(n int) bool) {
		t.Helper()
		deadline := time.Now().Add(30 * time.Second) // the server notices when it comes to it
		for n := open() - before; !ok(n); n = open() - before {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d connections", what, n)
			}
			runtime.Gosched()
		}
	}
	settle("kept", func(n int) bool { return n >= 1 && n <= 4 })
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	settle("after Close", func(n int) bool { return n == 0 })
	if err := s.Ping(t.Context()); !errors.Is(err, beaker.ErrClosed) {
		t.Errorf("Ping after Close: %v", err)
	}
}

// Calls that are cut off at any moment, by many users at once, show nobody another one's
// session, and what was not cut off is as it should be.
func TestCancelStorm(t *testing.T) {
	rounds := 20
	if soak() {
		rounds = 2000
	}
	p := newPlace(t)
	s := p.store(t)
	var cut, whole sync.Map
	var wg sync.WaitGroup
	for u := range 50 {
		subject := fmt.Sprintf("user-%d", u)
		rec := created(t, s, metaOf(subject), "who", subject)
		wg.Go(func() {
			for i := range rounds {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration((i*7+u*13)%400)*time.Microsecond)
				got, err := s.Load(ctx, rec.Key())
				if err == nil {
					if value(got, "who") != subject || got.Subject() != subject {
						t.Errorf("%s has the session of %s", subject, got.Subject())
					}
					_, err = s.Apply(ctx, rec.Key(), setting(got, "i", strconv.Itoa(i)))
				}
				cancel()
				if err == nil {
					whole.Store([2]int{u, i}, true)
					continue
				}
				cut.Store([2]int{u, i}, true)
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s: %v", subject, err)
				}
			}
		})
	}
	wg.Wait()
	count := func(m *sync.Map) (n int) {
		m.Range(func(any, any) bool { n++; return true })
		return n
	}
	t.Logf("report: %d calls were cut off, %d were not", count(&cut), count(&whole))
	if count(&cut) == 0 || count(&whole) == 0 {
		t.Error("the storm has shown nothing")
	}
}
