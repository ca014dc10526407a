package redistest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/redisstore"
)

// calls are all that a store can do, on a record.
func calls(tb testing.TB, rec *beaker.Record) map[string]func(ctx context.Context, s *redisstore.Store) error {
	tb.Helper()
	fresh := newRecord(tb, metaOf("user-of-calls"), "k", "v")
	return map[string]func(ctx context.Context, s *redisstore.Store) error{
		"Create": func(ctx context.Context, s *redisstore.Store) error { return s.Create(ctx, fresh) },
		"Load":   func(ctx context.Context, s *redisstore.Store) error { _, err := s.Load(ctx, rec.Key()); return err },
		"Apply": func(ctx context.Context, s *redisstore.Store) error {
			_, err := s.Apply(ctx, rec.Key(), setting(rec, "k", "w"))
			return err
		},
		"Delete": func(ctx context.Context, s *redisstore.Store) error { return s.Delete(ctx, unique("nothing")) },
		"RevokeSubject": func(ctx context.Context, s *redisstore.Store) error {
			_, err := s.RevokeSubject(ctx, "nobody", epoch)
			return err
		},
		"List": func(ctx context.Context, s *redisstore.Store) error {
			_, _, err := s.List(ctx, beaker.ListQuery{Subject: "user-of-calls"})
			return err
		},
		"List of all": func(ctx context.Context, s *redisstore.Store) error {
			_, _, err := s.List(ctx, beaker.ListQuery{})
			return err
		},
		"Purge": func(ctx context.Context, s *redisstore.Store) error { _, err := s.Purge(ctx, epoch, 10); return err },
	}
}

// In a black hole nothing is refused and nothing ends. A call ends with its context all
// the same, on connections that were there before, and on new ones. The client's own
// limits are so long that they cannot be what ends it: if a call does not heed its
// context, this test hangs and fails. Only how long a new connection may take is limited:
// before a first call was given up, one may wait for a connection that somebody else makes.
func TestCallsEndWithTheirContextInABlackHole(t *testing.T) {
	for _, e := range []struct {
		get  func(testing.TB) *site
		wait int
	}{{single, 0}, {cluster, 0}, {cluster, 1}, {sentinel, 0}, {sentinel, 1}} {
		s := e.get(t)
		for _, connections := range []string{"old", "new"} {
			t.Run(fmt.Sprintf("%s, WaitReplicas %d, %s connections", s.name, e.wait, connections), func(t *testing.T) {
				p := newPlace(t, s)
				p.opts.WaitReplicas = e.wait
				n := newNetwork(t)
				dial := 5 * patience
				if connections == "new" {
					dial = time.Second
				}
				store := p.store(t, n.use, longTimeout, func(o *rueidis.ClientOption) { o.Dialer.Timeout = dial })
				rec := created(t, store, newMeta(), "k", "v")
				warm(t, store)
				n.swallow(requests)
				n.swallow(answers)
				if connections == "new" {
					n.cut()
				}
				waited := 0
				for name, do := range calls(t, rec) {
					ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
					err := ended(t, name, func() error { return do(ctx, store) })
					cancel()
					switch {
					case errors.Is(err, context.DeadlineExceeded):
						waited++
					case err == nil, connections == "old": // the old ones break in the other case
						t.Errorf("%s: %v, want context.DeadlineExceeded", name, err)
					}
				}
				if waited == 0 {
					t.Error("no call was in the black hole")
				}
				n.heal()
				n.cut()
				warm(t, store)
				loaded(t, store, rec.Key())
			})
		}
	}
}

// ended waits for a call, for so long that only one that does not end is given up.
func ended(tb testing.TB, name string, call func() error) error {
	tb.Helper()
	done := make(chan error, 1)
	go func() { done <- call() }()
	select {
	case err := <-done:
		return err
	case <-time.After(patience / 4):
		tb.Fatalf("%s does not end with its context", name)
		return nil
	}
}

// More requests than the client's queue holds are in the black hole at once.
func TestManyCallsEndInABlackHole(t *testing.T) {
	p := newPlace(t, single(t))
	n := newNetwork(t)
	store := p.store(t, n.use, longTimeout)
	rec := created(t, store, newMeta(), "k", "v")
	warm(t, store)
	n.swallow(answers)
	const users = 6000 // four connections, 1024 places each
	var wg sync.WaitGroup
	var other atomic.Int64
	for i := range users {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			var err error
			if i%2 == 0 {
				_, err = store.Load(ctx, rec.Key())
			} else {
				_, err = store.Apply(ctx, rec.Key(), setting(rec, "k", "w"))
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				other.Add(1)
				t.Errorf("%v, want context.DeadlineExceeded", err)
			}
		})
	}
	_ = ended(t, "a call among many", func() error { wg.Wait(); return nil })
	n.heal()
	warm(t, store)
	loaded(t, store, rec.Key())
}

// What users see of it: 503 while the store is away, in a black hole, or too slow, and
// service again without a restart.
func TestUsersDuringAnOutage(t *testing.T) {
	for _, get := range []func(testing.TB) *site{single, cluster, sentinel} {
		s := get(t)
		for _, trouble := range []struct {
			name  string
			begin func(n *network)
			end   func(n *network)
			done  bool // the server does what it is asked
		}{
			{"the server is away", (*network).fail, (*network).restore, false},
			{"a black hole", func(n *network) { n.swallow(requests); n.swallow(answers) }, (*network).heal, false},
			{"answers come too late", func(n *network) { n.delay(answers, 5000, 0) }, func(n *network) { n.heal(); n.cut() }, true},
		} {
			t.Run(s.name+", "+trouble.name, func(t *testing.T) {
				p := newPlace(t, s)
				n := newNetwork(t)
				troubled := p.store(t, n.use)
				a := newApp(t, func(c *beaker.Config) {
					if c.Store == troubled { // the other one is to answer, however busy this machine is
						c.StoreTimeout = 200 * time.Millisecond
					}
				}, troubled, p.store(t))
				b, stranger := a.browser(), a.browser()
				mustAsk(t, b, 1, "/login?who=fred")
				until(t, "a first answer", func() bool { return ask(b, 0, "/read").Status == http.StatusOK })
				trouble.begin(n)
				refs := []string{"/read", "/set?name=a&value=1", "/count"}
				if !trouble.done { // otherwise what ends the session does end it
					refs = append(refs, "/renew", "/login?who=eve", "/logout")
				}
				for _, ref := range refs {
					wantUnavailable(t, ask(b, 0, ref))
				}
				if r := ask(b, 0, "/untouched"); r.Status != http.StatusOK {
					t.Errorf("a page that does not use the session: %v", r)
				}
				if r := ask(stranger, 0, "/read"); r.Status != http.StatusOK {
					t.Errorf("a stranger's read: %v", r)
				}
				wantUnavailable(t, ask(stranger, 0, "/set?name=a&value=1"))
				// The other node's way is another one.
				if r := mustAsk(t, b, 1, "/read"); !strings.HasPrefix(r.Body, "fred ") {
					t.Errorf("by the node that has no trouble: %q", r.Body)
				}
				trouble.end(n)
				until(t, "service again, by itself", func() bool {
					r := ask(b, 0, "/read")
					if r.Status != http.StatusOK {
						wantUnavailable(t, r)
					} else if !strings.HasPrefix(r.Body, "fred ") {
						t.Errorf("after the outage: %q", r.Body)
					}
					return r.Status == http.StatusOK
				})
				until(t, "a logout", func() bool { return ask(b, 0, "/logout").Status == http.StatusOK })
			})
		}
	}
}
