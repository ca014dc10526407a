package beaker_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// curious is an observer that wants to know about the session what the event does not say.
type curious struct {
	m    *beaker.Manager
	mu   sync.Mutex
	told map[beaker.EventName]int // with the session to be had
	all  []beaker.EventName
}

func (c *curious) Observe(ctx context.Context, e beaker.Event) {
	s, err := c.m.Get(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, e.Name)
	if errors.Is(err, beaker.ErrNoMiddleware) {
		return // a purge, or a revocation outside of a request
	}
	_, _, _, _, _ = s.Subject(), s.Handle(), s.Keys(), s.Err(), s.IdleDeadline()
	s.Get("k")
	c.told[e.Name]++
}

// An observer may use the session that is in the context of each event. It used to wait
// for ever for the lock of the request that told it.
func TestAnObserverMayReadTheSession(t *testing.T) {
	for kind, change := range kinds {
		t.Run(kind, func(t *testing.T) {
			c := &curious{told: map[beaker.EventName]int{}}
			a := newApp(t, stores["memory"](t), change, func(cfg *beaker.Config) {
				cfg.Observer = c
				cfg.Cookie.InsecureHosts = []string{"localhost"}
			})
			c.m = a.Manager
			b := newBrowser(t)
			signIn(t, a, b)
			stolen := b.clone()
			bad := beaker.NewKey[int]("text")
			for _, step := range []func(s *beaker.Session, r *http.Request){
				func(s *beaker.Session, _ *http.Request) { s.Set("text", "x") },
				func(s *beaker.Session, _ *http.Request) { bad.Get(s) },
				func(s *beaker.Session, r *http.Request) {
					must(t, a.Update(r.Context(), func(s *beaker.Session) error { s.Set("n", 1); return nil }))
				},
				func(s *beaker.Session, _ *http.Request) { must(t, s.Regenerate()) },
				func(s *beaker.Session, _ *http.Request) { s.Set("bad", func() {}) },
				func(s *beaker.Session, r *http.Request) { must(t, s.Persist(r.Context())) },
				func(s *beaker.Session, r *http.Request) { must(t, s.Invalidate(r.Context())) },
			} {
				b.do(a.session(step))
				a.clock.Advance(2 * time.Minute)
			}
			stolen.do(a.session(nothing))
			// Over plain HTTP, late, and with a store that is down.
			b.do(a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s, err := a.Get(r.Context())
				must(t, err)
				w.WriteHeader(200)
				s.Set("late", 1)
				_ = s.SetSubject("late")
			})))
			signIn(t, a, b)
			a.store.breaks(func(op string) error { return errors.New("down") })
			b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 2) }))
			a.store.breaks(nil)
			b.do(a.session(func(s *beaker.Session, r *http.Request) { must(t, s.Destroy(r.Context())) }))
			_, err := a.RevokeAll(t.Context(), "user 1")
			must(t, err)
			for _, name := range []beaker.EventName{
				beaker.EventCreate, beaker.EventAuthenticate, beaker.EventLoad, beaker.EventSave, beaker.EventRegenerate, beaker.EventDestroy,
				beaker.EventReject, beaker.EventBadValue, beaker.EventStoreError, beaker.EventMisuse, beaker.EventLate,
			} {
				if c.told[name] == 0 {
					t.Errorf("%s was not told with a session: %v", name, c.all)
				}
			}
			if n := len(c.all); n > 100 {
				t.Errorf("%d events: it is told of its own questions", n)
			}
		})
	}
}

// The events of one request come in the order in which things happened.
func TestEventsComeInOrder(t *testing.T) {
	a := newApp(t, stores["memory"](t))
	b := newBrowser(t)
	signIn(t, a, b)
	before := len(a.events.all)
	b.do(a.session(func(s *beaker.Session, r *http.Request) {
		s.Set("k", 2)
		must(t, s.Persist(r.Context()))
		must(t, s.Regenerate())
		must(t, s.Persist(r.Context()))
		must(t, s.Destroy(r.Context()))
	}))
	var got []beaker.EventName
	for _, e := range a.events.all[before:] {
		got = append(got, e.Name)
	}
	want := []beaker.EventName{beaker.EventLoad, beaker.EventSave, beaker.EventRegenerate, beaker.EventSave, beaker.EventDestroy}
	if len(got) != len(want) {
		t.Fatalf("%v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%v, want %v", got, want)
		}
	}
}

// A store that panics while the session is loaded does not leave a lock behind: a
// middleware that recovers can still answer.
func TestAPanicOfTheStoreLeavesNoLock(t *testing.T) {
	a := newApp(t, stores["memory"](t))
	b := newBrowser(t)
	signIn(t, a, b)
	a.store.breaks(func(string) error { panic("the store") })
	w := b.do(a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() == nil {
				t.Error("the store did not panic")
			}
			a.store.breaks(nil)
			s, err := a.Get(r.Context())
			must(t, err)
			if s.Subject() != "user 1" {
				t.Errorf("%q", s.Subject())
			}
			http.Error(w, "sorry", http.StatusInternalServerError)
		}()
		_, _ = a.Get(r.Context())
	})))
	if w.Code != 500 {
		t.Error(w.Code)
	}
}
