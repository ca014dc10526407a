package redistest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/redisstore"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

func cachedPlace(tb testing.TB, s *site) *place {
	tb.Helper()
	p := newPlace(tb, s)
	p.opts.Cache = true
	p.opts.CacheTTL = time.Hour // so that what drops a copy is what the test is about
	return p
}

// 100,000 reads of 1,000 sessions by one node.
func TestCachedReadsCostNoCommands(t *testing.T) {
	const sessions, reads, most = 1000, 100_000, 2100
	s := ownSingle(t)
	p := cachedPlace(t, s)
	writer := newPlaceLike(t, p, false).store(t)
	keys := make([]beaker.RecordKey, sessions)
	for i := range keys {
		keys[i] = created(t, writer, newMeta(), "n", fmt.Sprint(i)).Key()
	}
	store := p.store(t)
	before := total(s.statistics(t))
	var wg sync.WaitGroup
	const readers = 8
	for r := range readers {
		wg.Go(func() {
			for i := range reads / readers {
				n := (r*reads/readers + i) % sessions
				rec, err := store.Load(t.Context(), keys[n])
				if err != nil || number(rec, "n") != n {
					t.Errorf("Load: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	after := s.statistics(t)
	cost := total(after) - before - after["info"] // of this test
	t.Logf("report: %d reads of %d sessions: %d commands", reads, sessions, cost)
	if cost > most || cost < sessions {
		t.Errorf("%d reads of %d sessions cost %d commands, want at most %d", reads, sessions, cost, most)
	}
}

func total(calls map[string]int) (n int) {
	for name, c := range calls {
		if name != "ping" {
			n += c
		}
	}
	return n
}

// newPlaceLike is the same place for a node that has a cache, or has none.
func newPlaceLike(tb testing.TB, p *place, cache bool) *place {
	tb.Helper()
	q := *p
	q.opts.Cache = cache
	return &q
}

// A node never reads its own past: not after a write, not after a deletion, whoever of
// its goroutines had loaded what before.
func TestCacheNeverShowsANodeItsOwnPast(t *testing.T) {
	rounds := 100
	if soak() {
		rounds = 10_000
	}
	for _, get := range []func(testing.TB) *site{single, cluster} {
		s := get(t)
		t.Run(s.name, func(t *testing.T) {
			store := cachedPlace(t, s).store(t)
			const users = 6
			var wg sync.WaitGroup
			for range users {
				wg.Go(func() {
					rec := newRecord(t, newMeta(), "n", "0")
					if err := store.Create(t.Context(), rec); err != nil {
						t.Error(err)
						return
					}
					again := make(chan struct{}, 1)
					var reader sync.WaitGroup
					reader.Go(func() { // which fills the cache while something is written
						for range again {
							if _, err := store.Load(t.Context(), rec.Key()); err != nil && !errors.Is(err, beaker.ErrNotFound) {
								t.Error(err)
								return
							}
						}
					})
					defer reader.Wait()
					defer close(again)
					meanwhile := func() {
						select {
						case again <- struct{}{}:
						default:
						}
					}
					for i := range rounds {
						meanwhile()
						v, err := store.Apply(t.Context(), rec.Key(), setting(rec, "n", fmt.Sprint(i)))
						if err != nil {
							t.Errorf("Apply: %v", err)
							return
						}
						got, err := store.Load(t.Context(), rec.Key())
						if err != nil || got.Version() < v || number(got, "n") != i {
							t.Errorf("Load right after Apply: %v; want version %d", err, v)
							return
						}
						ch := changeOf(rec)
						ch.Touch = epoch + 1000 + beaker.Millis(i)
						meanwhile()
						if _, err = store.Apply(t.Context(), rec.Key(), ch); err != nil {
							t.Errorf("touch: %v", err)
							return
						}
						if got, err = store.Load(t.Context(), rec.Key()); err != nil || got.Touched() < ch.Touch {
							t.Errorf("Load right after a touch: %v; it shows the time before", err)
							return
						}
						short := newRecord(t, newMeta(), "n", "0")
						if err := store.Create(t.Context(), short); err != nil {
							t.Error(err)
							return
						}
						if _, err := store.Load(t.Context(), short.Key()); err != nil {
							t.Errorf("Load right after Create: %v", err)
							return
						}
						if err := store.Delete(t.Context(), short.Key()); err != nil {
							t.Error(err)
							return
						}
						if _, err := store.Load(t.Context(), short.Key()); !errors.Is(err, beaker.ErrNotFound) {
							t.Errorf("Load right after Delete: %v, want ErrNotFound", err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// An absence is not remembered either: what was not there may be created by this node
// or another one.
func TestCacheShowsWhatWasCreatedAfterItWasMissed(t *testing.T) {
	p := cachedPlace(t, single(t))
	a, b := p.store(t), p.store(t)
	for range 100 {
		mine, theirs := newRecord(t, newMeta(), "k", "v"), newRecord(t, newMeta(), "k", "v")
		wantGone(t, a, mine.Key(), "before Create")
		wantGone(t, a, theirs.Key(), "before Create")
		if err := a.Create(t.Context(), mine); err != nil {
			t.Fatal(err)
		}
		loaded(t, a, mine.Key())
		if err := b.Create(t.Context(), theirs); err != nil {
			t.Fatal(err)
		}
		until(t, "a session that another node created", func() bool {
			_, err := a.Load(t.Context(), theirs.Key())
			return err == nil
		})
	}
}

// The connection that brings the invalidations breaks before one of them is there: what
// the node holds is dropped with it, however long it might have been kept.
func TestCacheIsFlushedWhenItsConnectionBreaks(t *testing.T) {
	for _, get := range []func(testing.TB) *site{single, cluster} {
		s := get(t)
		t.Run(s.name, func(t *testing.T) {
			p := cachedPlace(t, s)
			n := newNetwork(t)
			deaf, other := p.store(t, n.use, longTimeout), newPlaceLike(t, p, false).store(t)
			var recs []*beaker.Record
			for range 20 {
				rec := created(t, other, newMeta(), "k", "old")
				loaded(t, deaf, rec.Key())
				recs = append(recs, rec)
			}
			n.swallow(answers) // invalidations are among them
			for i, rec := range recs {
				var err error
				if i%2 == 0 {
					err = other.Delete(t.Context(), rec.Key())
				} else {
					_, err = other.Apply(t.Context(), rec.Key(), setting(rec, "k", "new"))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			for _, rec := range recs {
				got := loaded(t, deaf, rec.Key()) // from memory: nothing else could answer
				if k, _ := got.Lookup("k"); k != "old" {
					t.Errorf("a node that hears nothing reads %q", k)
				}
			}
			n.heal() // which closes the connections that were in the black hole
			for i, rec := range recs {
				var got *beaker.Record
				var err error
				until(t, "an answer after the connection broke", func() bool {
					got, err = deaf.Load(t.Context(), rec.Key())
					if err == nil {
						k, _ := got.Lookup("k")
						return k == "new"
					}
					return errors.Is(err, beaker.ErrNotFound)
				})
				if gone := errors.Is(err, beaker.ErrNotFound); gone != (i%2 == 0) {
					t.Errorf("session %d after the connection broke: %v", i, err)
				}
			}
			// And the new connection brings invalidations again.
			last := recs[1]
			if err := other.Delete(t.Context(), last.Key()); err != nil {
				t.Fatal(err)
			}
			until(t, "an invalidation on the new connection", func() bool {
				_, err := deaf.Load(t.Context(), last.Key())
				return errors.Is(err, beaker.ErrNotFound)
			})
		})
	}
}

// Redis's message never comes, and nobody finds the connection to be broken: a copy is
// used until CacheTTL is over, and then no more.
func TestCopyIsUsedNoLongerThanCacheTTL(t *testing.T) {
	p := cachedPlace(t, single(t))
	p.opts.CacheTTL = 3 * time.Second
	n := newNetwork(t)
	deaf, other := p.store(t, n.use, longTimeout), newPlaceLike(t, p, false).store(t)
	if a, b := deaf.Staleness(), other.Staleness(); a != p.opts.CacheTTL || b != 0 {
		t.Errorf("Staleness is %v with Cache and %v without", a, b)
	}
	key := created(t, other, metaOf("fred"), "k", "v").Key()
	loaded(t, deaf, key)
	n.swallow(answers) // invalidations are among them
	if _, err := other.RevokeSubject(t.Context(), "fred", epoch+1000); err != nil {
		t.Fatal(err)
	}
	served := 0
	for deadline := time.Now().Add(patience); ; served++ {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		_, err := deaf.Load(ctx, key)
		cancel()
		if err != nil {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a server that cannot be heard, once the copy is too old: %v", err)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a copy is used for ever")
		}
	}
	if served == 0 {
		t.Error("nothing was served from memory")
	}
	n.heal()
	until(t, "the node finds the session gone", func() bool {
		_, err := deaf.Load(t.Context(), key)
		return errors.Is(err, beaker.ErrNotFound)
	})
}

// A session that is served from memory ends when it is over by the manager's clock, as
// any other does, and costs no command to refuse.
func TestDeadlinesHoldForCachedSessions(t *testing.T) {
	s := ownSingle(t)
	clock := sessiontest.NewClock(time.Now())
	a := newApp(t, func(c *beaker.Config) {
		c.Now, c.IdleTimeout, c.AbsoluteTimeout, c.TouchInterval = clock.Now, 10*time.Minute, time.Hour, 5*time.Minute
	}, cachedPlace(t, s).store(t))
	b := a.browser()
	mustAsk(t, b, 0, "/login?who=fred")
	m := monitored(t, s.nodes[0])
	read := func() (body string, commands []string) {
		t.Helper()
		m.take()
		r := mustAsk(t, b, 0, "/read")
		return r.Body, m.take()
	}
	read()
	if who, cost := read(); who != "fred 0" || len(cost) != 0 {
		t.Fatalf("the second read: %q for %q, want it from memory", who, cost)
	}
	clock.Advance(10*time.Minute - time.Millisecond)
	if who, _ := read(); who != "fred 0" {
		t.Errorf("a millisecond before the idle timeout: %q", who)
	}
	read()
	clock.Advance(10 * time.Minute)
	if who, cost := read(); who != " 0" || len(cost) != 0 {
		t.Errorf("at the idle timeout: %q for %q, want nobody, from memory", who, cost)
	}
}

// How fast another node sees a revocation. A report, no bar: when Redis speaks, and when
// it has fallen silent.
func TestHowFastAnotherNodeSeesARevocation(t *testing.T) {
	rounds := 50
	if soak() {
		rounds = 5000
	}
	for _, get := range []func(testing.TB) *site{single, cluster} {
		s := get(t)
		t.Run(s.name, func(t *testing.T) {
			p := cachedPlace(t, s)
			a, b := p.store(t), p.store(t)
			var took []time.Duration
			for range rounds {
				rec := created(t, a, metaOf(fmt.Sprintf("user-%x", unique("subject"))), "k", "v")
				loaded(t, b, rec.Key())
				loaded(t, b, rec.Key())
				if _, err := a.RevokeSubject(t.Context(), rec.Subject(), epoch+1000); err != nil {
					t.Fatal(err)
				}
				from := time.Now()
				for deadline := from.Add(patience); ; {
					if _, err := b.Load(t.Context(), rec.Key()); errors.Is(err, beaker.ErrNotFound) {
						break
					} else if err != nil || time.Now().After(deadline) {
						t.Fatalf("the other node still serves a revoked session: %v", err)
					}
				}
				took = append(took, time.Since(from))
			}
			slices.Sort(took)
			t.Logf("report: %d revocations, seen by the other node after the call had returned: median %v, p99 %v, worst %v",
				rounds, took[rounds/2], took[rounds*99/100], took[rounds-1])
		})
	}
}

// What is written on how long a silent server's sessions are served from memory.
func TestHowLongASilentServersSessionsAreServed(t *testing.T) {
	type limits struct {
		name             string
		silence, copying time.Duration // ConnWriteTimeout, CacheTTL
	}
	all := []limits{{"ConnWriteTimeout 1s", time.Second, time.Hour}}
	if soak() {
		all = append(all,
			limits{"ConnWriteTimeout 3s, which Open sets", 3 * time.Second, time.Hour},
			limits{"ConnWriteTimeout 10s, which is rueidis's own", 0, time.Hour},
			limits{"the same, and the default CacheTTL", 0, redisstore.DefaultCacheTTL},
		)
	}
	for _, l := range all {
		t.Run(l.name, func(t *testing.T) {
			s := ownSingle(t)
			p := cachedPlace(t, s)
			p.opts.CacheTTL = l.copying
			store := p.store(t, func(o *rueidis.ClientOption) { o.ConnWriteTimeout = l.silence })
			a := newApp(t, nil, store)
			b := a.browser()
			mustAsk(t, b, 0, "/login?who=fred")
			mustAsk(t, b, 0, "/read")
			mustAsk(t, b, 0, "/read")
			s.nodes[0].Pause()
			t.Cleanup(s.nodes[0].Resume)
			from := time.Now()
			served, last := 0, time.Duration(0)
			for deadline := from.Add(patience); ; {
				r := ask(b, 0, "/read")
				if r.Status != http.StatusOK {
					wantUnavailable(t, r)
					break
				}
				if served++; r.Body != "fred 0" || time.Now().After(deadline) {
					t.Fatalf("a silent server's session is served for ever, or wrongly: %q", r.Body)
				}
				last = time.Since(from)
			}
			t.Logf("report: served %d times, the last time %v after the server fell silent", served, last.Round(time.Millisecond))
			if served == 0 {
				t.Error("nothing was served from memory")
			}
			s.nodes[0].Resume()
			until(t, "service when the server speaks again", func() bool {
				r := ask(b, 0, "/read")
				return r.Status == http.StatusOK && r.Body == "fred 0"
			})
		})
	}
}
