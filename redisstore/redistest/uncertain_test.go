package redistest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/redis/rueidis"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/redisstore"
)

// write is a call that changes something, and how one sees, by another store, whether
// it did.
type write struct {
	name string
	// prepare stores what the call needs, by the store that nothing disturbs.
	prepare func(tb testing.TB, calm *redisstore.Store) (do func(ctx context.Context, s *redisstore.Store) error, times func() int)
}

var writes = []write{
	{"Create", func(tb testing.TB, calm *redisstore.Store) (func(context.Context, *redisstore.Store) error, func() int) {
		rec := newRecord(tb, newMeta(), "k", "v")
		return func(ctx context.Context, s *redisstore.Store) error { return s.Create(ctx, rec) },
			func() int { return present(tb, calm, rec.Key()) }
	}},
	{"Create with a subject", func(tb testing.TB, calm *redisstore.Store) (func(context.Context, *redisstore.Store) error, func() int) {
		rec := newRecord(tb, metaOf(fmt.Sprintf("user-%x", unique("subject"))), "k", "v")
		return func(ctx context.Context, s *redisstore.Store) error { return s.Create(ctx, rec) },
			func() int { return present(tb, calm, rec.Key()) }
	}},
	{"Apply", func(tb testing.TB, calm *redisstore.Store) (func(context.Context, *redisstore.Store) error, func() int) {
		rec := created(tb, calm, newMeta(), "k", "v")
		return applying(tb, calm, rec, setting(rec, "k", "w"))
	}},
	{"Apply of a touch", func(tb testing.TB, calm *redisstore.Store) (func(context.Context, *redisstore.Store) error, func() int) {
		rec := created(tb, calm, newMeta(), "k", "v")
		ch := changeOf(rec)
		ch.Touch = ch.Now
		do, _ := applying(tb, calm, rec, ch)
		return do, func() int {
			if loaded(tb, calm, rec.Key()).Touched() == ch.Touch {
				return 1
			}
			return 0
		}
	}},
	{"Apply of a rotation", func(tb testing.TB, calm *redisstore.Store) (func(context.Context, *redisstore.Store) error, func() int) {
		rec := created(tb, calm, newMeta(), "k", "v")
		return applying(tb, calm, rec, rotating(rec))
	}},
	{"Apply of a sign-in", func(tb testing.TB, calm *redisstore.Store) (func(context.Context, *redisstore.Store) error, func() int) {
		rec := created(tb, calm, newMeta(), "k", "v")
		return applying(tb, calm, rec, signingIn(rec, subjectOf(rec.Key())))
	}},
	{"Delete", func(tb testing.TB, calm *redisstore.Store) (func(context.Context, *redisstore.Store) error, func() int) {
		rec := created(tb, calm, metaOf(fmt.Sprintf("user-%x", unique("subject"))), "k", "v")
		return func(ctx context.Context, s *redisstore.Store) error { return s.Delete(ctx, rec.Key()) },
			func() int { return 1 - present(tb, calm, rec.Key()) }
	}},
	{"RevokeSubject", func(tb testing.TB, calm *redisstore.Store) (func(context.Context, *redisstore.Store) error, func() int) {
		rec := created(tb, calm, metaOf(fmt.Sprintf("user-%x", unique("subject"))), "k", "v")
		return func(ctx context.Context, s *redisstore.Store) error {
				_, err := s.RevokeSubject(ctx, rec.Subject(), epoch+1000)
				return err
			},
			func() int {
				// All of it: the session is gone, and a late login is refused.
				late := newRecord(tb, metaOf(rec.Subject()))
				err := calm.Create(tb.Context(), late)
				if errors.Is(err, beaker.ErrRevoked) && present(tb, calm, rec.Key()) == 0 {
					return 1
				}
				if err == nil {
					err = calm.Delete(tb.Context(), late.Key())
				}
				if err != nil && !errors.Is(err, beaker.ErrRevoked) {
					tb.Fatal(err)
				}
				return 0
			}
	}},
}

func applying(tb testing.TB, calm *redisstore.Store, rec *beaker.Record, ch *beaker.Change) (func(context.Context, *redisstore.Store) error, func() int) {
	ch.Base = rec
	return func(ctx context.Context, s *redisstore.Store) error {
			_, err := s.Apply(ctx, rec.Key(), ch)
			return err
		},
		func() int {
			got, err := calm.Load(tb.Context(), rec.Key())
			if errors.Is(err, beaker.ErrNotFound) {
				return 0 // a sign-in that is not in the index is taken back
			}
			if err != nil {
				tb.Fatal(err)
			}
			return int(got.Version()) - 1
		}
}

func present(tb testing.TB, s *redisstore.Store, key beaker.RecordKey) int {
	tb.Helper()
	_, err := s.Load(tb.Context(), key)
	if errors.Is(err, beaker.ErrNotFound) {
		return 0
	}
	if err != nil {
		tb.Fatal(err)
	}
	return 1
}

// warm waits until a store has all its connections and scripts.
func warm(tb testing.TB, s *redisstore.Store) {
	tb.Helper()
	subject := fmt.Sprintf("warm-%x", unique("subject"))
	until(tb, "a store that works again", func() bool {
		rec := newRecord(tb, metaOf(subject), "k", "v")
		err := s.Create(tb.Context(), rec)
		if err == nil {
			_, err = s.Apply(tb.Context(), rec.Key(), signingIn(rec, subject))
		}
		if err == nil {
			_, err = s.RevokeSubject(tb.Context(), subject, epoch-1)
		}
		if err == nil {
			err = s.Delete(tb.Context(), rec.Key())
		}
		return err == nil
	})
}

// A connection breaks within a command, or within the answer to it, at every step of a
// call. Whatever the store says then must be true: nil, and it was done; ErrUncertain,
// and it may have been; any other error, and it was not. It is never done twice.
func TestConnectionBreaksAtEveryPoint(t *testing.T) {
	for _, get := range []func(testing.TB) *site{single, cluster} {
		s := get(t)
		t.Run(s.name, func(t *testing.T) {
			p := newPlace(t, s)
			blades := &scissors{tb: t}
			client := p.client(t, blades.use)
			steady, broken := p.store(t), p.storeOn(t, client)
			for _, w := range writes {
				t.Run(w.name, func(t *testing.T) {
					saw := map[string]int{}
					try := func(at *cut) []step {
						mended(t, client)
						do, times := w.prepare(t, steady)
						blades.begin(at)
						ctx, cancel := context.WithTimeout(t.Context(), patience)
						err := do(ctx, broken)
						cancel()
						steps := blades.end()
						done := times()
						saw[fmt.Sprintf("%s, done %t", outcome(err), done > 0)]++
						switch {
						case done < 0 || done > 1:
							t.Errorf("cut at %v: done %d times", at, done)
						case err == nil && done == 0:
							t.Errorf("cut at %v: acknowledged, and not done", at)
						case err != nil && !errors.Is(err, beaker.ErrUncertain) && done == 1:
							t.Errorf("cut at %v: %v, and yet it is done", at, err)
						case err != nil && at == nil:
							t.Errorf("nothing was cut: %v", err)
						}
						return steps
					}
					// Whole, until the servers know the scripts: a node that does not is asked twice.
					steps := try(nil)
					for range 20 {
						if now := try(nil); len(now) < len(steps) {
							steps = now
						}
					}
					for _, at := range cutsOf(steps) {
						try(at)
					}
					t.Logf("report: commands and answers of %v bytes: %v", steps, saw)
					if saw["ErrUncertain, done true"] == 0 || saw["ErrUncertain, done false"] == 0 || saw["ok, done true"] == 0 {
						t.Errorf("the points were badly chosen, they have shown only %v", saw)
					}
				})
			}
		})
	}
}

// arming is a store that lets something happen right before a change is sent.
type arming struct {
	*redisstore.Store
	arm func()
}

func (s *arming) Apply(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
	s.arm()
	return s.Store.Apply(ctx, key, ch)
}

// A counter that many requests raise by Update, over connections that break at any
// point of the change: it stands between what was acknowledged and that plus what is
// uncertain, and the function is never run again for a request whose outcome is unknown.
func TestUpdateOverBreakingConnections(t *testing.T) {
	counts := 200
	if soak() {
		counts = 10_000
	}
	for _, get := range []func(testing.TB) *site{single, cluster} {
		s := get(t)
		t.Run(s.name, func(t *testing.T) {
			p := newPlace(t, s)
			blades := &scissors{tb: t}
			client := p.client(t, blades.use)
			broken := &arming{p.storeOn(t, client), func() {}}
			a := newApp(t, nil, broken, p.store(t))
			b := a.browser()
			mustAsk(t, b, 1, "/login?who=fred")
			var whole step
			for range 2 { // in the first one the script is loaded
				broken.arm = func() { blades.begin(nil) }
				mustAsk(t, b, 0, "/count")
				whole = blades.end()[0]
			}
			y := tally{acked: 2}
			for i := range counts {
				mended(t, client)
				broken.arm = func() {
					switch i % 5 {
					case 0, 1:
						blades.begin(&cut{requests, 0, 29 * i % whole.request})
					case 2, 3:
						blades.begin(&cut{answers, 0, i % whole.answer})
					default:
						blades.begin(nil)
					}
				}
				calls := a.nodes[0].calls.Load()
				r := ask(b, 0, "/count")
				calls = a.nodes[0].calls.Load() - calls
				blades.end()
				switch {
				case r.Status == http.StatusOK:
					y.acked++
				case r.Header.Get("Uncertain") == "true":
					y.uncertain++
				default:
					y.failed++
				}
				if r.Status != http.StatusOK {
					wantUnavailable(t, r)
				}
				if calls != 1 {
					t.Errorf("the function was run %d times, with nobody else there", calls)
				}
			}
			got := 0
			if _, err := fmt.Sscanf(mustAsk(t, b, 1, "/read").Body, "fred %d", &got); err != nil {
				t.Fatal(err)
			}
			t.Logf("report: counted %d, acknowledged %d, uncertain %d, failed %d", got, y.acked, y.uncertain, y.failed)
			if got < y.acked || got > y.acked+y.uncertain {
				t.Errorf("counted %d, acknowledged %d, uncertain %d", got, y.acked, y.uncertain)
			}
			if y.acked == 0 || got == y.acked || got == y.acked+y.uncertain {
				t.Errorf("counted %d, acknowledged %d, uncertain %d: of the uncertain ones all were done, or none: that shows too little", got, y.acked, y.uncertain)
			}
		})
	}
}

// The answer is lost when the server has done the work: the moment that matters is
// chosen, and not met by chance.
func TestAnswerIsLostAfterTheWorkIsDone(t *testing.T) {
	p := newPlace(t, single(t))
	n := newNetwork(t)
	steady, broken := p.store(t), p.store(t, n.use)
	for _, w := range writes {
		for _, how := range []string{"the connection breaks", "the context ends"} {
			t.Run(w.name+", "+how, func(t *testing.T) {
				warm(t, broken)
				do, times := w.prepare(t, steady)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				before := p.commands(t)
				n.swallow(answers)
				done := make(chan error, 1)
				go func() { done <- do(ctx, broken) }()
				// Where there is a second step, it waits for the first one's answer.
				until(t, "the work of the server", func() bool { return p.commands(t) > before })
				if how == "the context ends" {
					cancel()
				} else {
					n.heal() // which ends what was in the black hole
				}
				err := <-done
				n.heal()
				if !errors.Is(err, beaker.ErrUncertain) {
					t.Errorf("%v, want ErrUncertain", err)
				}
				if how == "the context ends" && !errors.Is(err, context.Canceled) {
					t.Errorf("%v, want context.Canceled too", err)
				}
				if oneStep := w.name != "RevokeSubject" && !strings.Contains(w.name, "subject") && !strings.Contains(w.name, "sign-in"); oneStep && times() != 1 {
					t.Errorf("done %d times", times())
				}
			})
		}
	}
}

// longTimeout is for a client whose own limits must not be what ends a call.
func longTimeout(o *rueidis.ClientOption) { o.ConnWriteTimeout = patience * 5 }
