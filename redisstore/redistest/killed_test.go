package redistest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/redisstore"
)

// A server that writes each command to its disk before it answers is killed with SIGKILL
// while two nodes count, and started again: what was acknowledged is there, nothing is
// there that nobody asked for, and the nodes go on by themselves.
func TestServerKilled(t *testing.T) {
	if _, err := os.Stat("/dev/shm"); err == nil {
		t.Setenv("TMPDIR", "/dev/shm") // where syncing costs nothing: that is most of what this test waits for
	}
	s := ownSingle(t, "--appendonly", "yes", "--appendfsync", "always")
	p := newPlace(t, s)
	stores := []*redisstore.Store{p.store(t), p.store(t)}
	rec := created(t, stores[0], metaOf("fred"))
	ended := created(t, stores[0], metaOf("fred"))
	if err := stores[0].Delete(t.Context(), ended.Key()); err != nil {
		t.Fatal(err)
	}

	const workers = 4
	kills := 2
	if soak() {
		kills = 30
	}
	var tallies [workers]tally
	var down, acked atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			name := fmt.Sprintf("n%d", w)
			for ctx.Err() == nil {
				op, done := context.WithTimeout(context.WithoutCancel(ctx), 500*time.Millisecond)
				_, err := increment(op, stores[w%2], rec.Key(), name)
				done()
				tallies[w].add(0, err)
				switch {
				case err == nil:
					acked.Add(1)
				case errors.Is(err, beaker.ErrNotFound), errors.Is(err, beaker.ErrCorrupt):
					t.Errorf("while the server was down: %v", err)
					return
				default:
					down.Add(1)
				}
			}
		})
	}
	reach := func(what *atomic.Int64, n int64) {
		t.Helper()
		until(t, "the nodes get on", func() bool { return what.Load() >= n })
	}
	for range kills {
		reach(&acked, acked.Load()+40)
		s.nodes[0].Kill()
		reach(&down, down.Load()+2*workers) // requests fail, and do not hang
		if err := s.nodes[0].Again(t.Context()); err != nil {
			t.Fatal(err)
		}
		reach(&acked, acked.Load()+40)
	}
	cancel()
	wg.Wait()
	got := loaded(t, stores[1], rec.Key())
	uncertain := 0
	for w, y := range tallies {
		n := number(got, fmt.Sprintf("n%d", w))
		uncertain += y.uncertain
		if n < y.acked || n > y.acked+y.uncertain {
			t.Errorf("worker %d: counted %d, acknowledged %d, uncertain %d", w, n, y.acked, y.uncertain)
		}
	}
	t.Logf("report: %d kills: %d writes acknowledged, all there; %d uncertain, %d failed", kills, acked.Load(), uncertain, int(down.Load())-uncertain)
	wantGone(t, stores[0], ended.Key(), "after the server was killed")
	if page, _, err := stores[1].List(t.Context(), beaker.ListQuery{Subject: "fred"}); err != nil || len(page) != 1 {
		t.Errorf("List: %d sessions, %v; want 1", len(page), err)
	}
}
