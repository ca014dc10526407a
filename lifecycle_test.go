package beaker_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// increment counts in the session, atomically.
func (a *app) increment() http.Handler {
	count := beaker.NewKey[int]("count")
	return a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := a.Update(r.Context(), func(s *beaker.Session) error {
			n, _ := count.Get(s)
			count.Set(s, n+1)
			return nil
		})
		if err != nil {
			a.Error(w, r, err)
		}
	}))
}

func countOf(a *app, b *browser) (n int) {
	a.session(func(s *beaker.Session, _ *http.Request) { n, _ = beaker.NewKey[int]("count").Get(s) }).
		ServeHTTP(httptest.NewRecorder(), b.request())
	return n
}

// Promise 2: between two nodes, which do not share the turns that one process takes.
func TestUpdateCountsExactlyOnTwoNodes(t *testing.T) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			store, shared := open(t), secrets(t)
			one := newApp(t, store, func(c *beaker.Config) { c.Secrets = shared })
			two := newApp(t, store, func(c *beaker.Config) { c.Secrets = shared })
			b := newBrowser(t)
			b.do(one.session(func(s *beaker.Session, _ *http.Request) { s.Set("count", 0) }))

			// Forced: node two writes between the load and the save of node one.
			var once sync.Once
			one.store.breaks(func(op string) error {
				if op == "apply" {
					once.Do(func() { b.clone().do(two.increment()) })
				}
				return nil
			})
			b.do(one.increment())
			one.store.breaks(nil)
			if n := countOf(one, b); n != 2 {
				t.Fatalf("counted %d of 2", n)
			}
			if len(one.events.named(beaker.EventConflict)) != 1 {
				t.Error("the overlap was not reached")
			}
			const each = 50
			var wg sync.WaitGroup
			for _, node := range []*app{one, two} {
				h := node.increment()
				for range each {
					wg.Go(func() {
						if w := b.clone().do(h); w.Code != 200 {
							t.Errorf("status %d", w.Code)
						}
					})
				}
			}
			wg.Wait()
			if n := countOf(one, b); n != 2+2*each {
				t.Errorf("counted %d of %d", n, 2+2*each)
			}
		})
	}
}

// OU-4: an unknown outcome is neither success nor failure; the function is not run
// again, and what was counted is between acknowledged and acknowledged plus unknown.
func TestUpdateIsNotRunAgainAfterAnUnknownOutcome(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("count", 0) }))
		a.store.loses(func(op string) error {
			if op == "apply" {
				return fmt.Errorf("%w: connection reset", beaker.ErrUncertain)
			}
			return nil
		})
		runs := 0
		w := b.do(a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			err := a.Update(r.Context(), func(s *beaker.Session) error {
				if runs++; runs > 3 {
					return errors.New("and again, and again")
				}
				s.Set("count", 1)
				return nil
			})
			if !errors.Is(err, beaker.ErrUncertain) {
				t.Errorf("Update: %v", err)
			}
			a.Error(w, r, err)
		})))
		if runs != 1 || w.Code != 503 {
			t.Errorf("%d runs, status %d", runs, w.Code)
		}
		a.store.loses(nil)
		if n := countOf(a, b); n != 1 {
			t.Errorf("count is %d", n)
		}
	})
}

// OU-4: the answer to a rotation is lost. It is asked again, and is known.
func TestALostAcknowledgementOfARotation(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
		lost := 0
		a.store.loses(func(op string) error {
			if op == "apply" && lost == 0 {
				lost++
				return beaker.ErrUncertain
			}
			return nil
		})
		old := b.clone()
		w := b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			s.Set("k", 2)
			must(t, s.SetSubject("u"))
		}))
		if w.Code != 200 || lost != 1 || b.cookie == old.cookie {
			t.Fatalf("%d, %d lost", w.Code, lost)
		}
		if who, _, _ := subjectOf(a, b); who != "u" {
			t.Errorf("the new cookie opens %q", who)
		}
		if who, _, _ := subjectOf(a, old); who != "" {
			t.Errorf("the old cookie opens %q", who)
		}
	})
}

// OU-4: the answer to a logout is lost, and the store stays unsure.
func TestALostAcknowledgementOfALogout(t *testing.T) {
	a := newApp(t, stores["memory"](t))
	for times, want := range map[int]int{1: 200, 2: 200, 100: 503} {
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
		lost := 0
		a.store.loses(func(op string) error {
			if op == "delete" && lost < times {
				lost++
				return beaker.ErrUncertain
			}
			return nil
		})
		if w := b.do(a.session(func(s *beaker.Session, r *http.Request) { _ = s.Destroy(r.Context()) })); w.Code != want {
			t.Errorf("lost %d times: %d", times, w.Code)
		}
	}
}

// ID-5: a collision takes another id, three times, then gives up.
func TestACollisionTakesAnotherID(t *testing.T) {
	for collisions, want := range map[int]int{0: 200, 1: 200, 2: 200, 3: 503} {
		a := newApp(t, stores["memory"](t))
		n := 0
		a.store.breaks(func(op string) error {
			if op == "create" && n < collisions {
				n++
				return beaker.ErrExists
			}
			return nil
		})
		handles := map[beaker.Handle]bool{}
		b := newBrowser(t)
		w := b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			handles[s.Handle()] = true
			s.Set("k", 1)
		}))
		if w.Code != want {
			t.Errorf("%d collisions: %d", collisions, w.Code)
		}
		if want == 200 {
			b.do(a.session(func(s *beaker.Session, _ *http.Request) { handles[s.Handle()] = true }))
			if moved := len(handles) == 2; moved != (collisions > 0) {
				t.Errorf("%d collisions: %d ids", collisions, len(handles))
			}
		}
	}
}

// What repeats a cookie (a later expiry, a newer secret, other attributes) must not
// bring back one that was replaced meanwhile.
func TestARefreshIsNotSentToAReplacedCookie(t *testing.T) {
	slides := func(c *beaker.Config) { c.Cookie.Expires = beaker.ExpiresWithSession }
	eachStore(t, func(t *testing.T, a *app) {
		for what, f := range map[string]func(*beaker.Session, *http.Request){
			"a touch": nothing,
			"a write": func(s *beaker.Session, _ *http.Request) { s.Set("late", 1) },
			"attributes": func(s *beaker.Session, _ *http.Request) {
				a := s.CookieAttributes()
				a.SameSite = 3
				must(t, s.SetCookieAttributes(a))
			},
		} {
			for _, early := range []bool{true, false} { // loaded before or after the rotation
				b := newBrowser(t)
				b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
				a.clock.Advance(2 * time.Minute)
				old := b.clone()
				var slow *inFlight
				if early {
					slow = a.fly(old, nothing, f)
				}
				b.do(a.session(func(s *beaker.Session, _ *http.Request) { must(t, s.Regenerate(beaker.Grace(time.Minute))) }))
				if !early {
					slow = a.fly(old, nothing, f)
				}
				w := slow.land()
				if w.Code != 200 || len(setCookies(w)) != 0 {
					t.Errorf("%s, loaded early %v: %d %v", what, early, w.Code, setCookies(w))
				}
			}
		}
		// Undisturbed, the cookie is repeated; and also after a harmless change by others.
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
		a.clock.Advance(2 * time.Minute)
		if w := b.do(a.session(nothing)); len(setCookies(w)) != 1 {
			t.Error("the cookie does not slide")
		}
		a.clock.Advance(2 * time.Minute)
		slow := a.fly(b, nothing, func(s *beaker.Session, _ *http.Request) { s.Set("one", 1) })
		b.clone().do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("two", 1) }))
		if w := slow.land(); len(setCookies(w)) != 1 {
			t.Error("a harmless change of another request keeps the cookie from sliding")
		}
	}, slides)
}

// LC-1: a cookie that was planted is worth nothing at once, grace or not.
func TestSigningInHasNoGrace(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
		planted := b.clone()
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			must(t, s.Regenerate(beaker.Grace(time.Minute)))
			must(t, s.SetSubject("victim"))
		}))
		if who, _, w := subjectOf(a, planted); who != "" || hasSession(w.Header()) {
			t.Errorf("the planted cookie opens %q", who)
		}
		if who, _, _ := subjectOf(a, b); who != "victim" {
			t.Errorf("signed in as %q", who)
		}
		// The other way round.
		b = newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
		planted = b.clone()
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			must(t, s.SetSubject("victim"))
			must(t, s.Regenerate(beaker.Grace(time.Minute)))
		}))
		if who, _, _ := subjectOf(a, planted); who != "" {
			t.Errorf("the planted cookie opens %q", who)
		}
	})
}

// What Persist or Destroy has done is done, so its cookie goes out with the error page
// of a commit that fails afterwards: otherwise the browser would keep a dead one.
func TestACookieThatIsDueGoesOutWithAnErrorPage(t *testing.T) {
	for kind, change := range map[string]func(*beaker.Config){"stored": func(*beaker.Config) {}, "sealed": sealed} {
		a := newApp(t, stores["memory"](t), change)
		b := newBrowser(t)
		signIn(t, a, b)
		w := b.do(a.session(func(s *beaker.Session, r *http.Request) {
			must(t, s.Regenerate())
			must(t, s.Persist(r.Context()))
			s.Set("bad", func() {})
		}))
		if who, _, _ := subjectOf(a, b); w.Code != 500 || who != "user 1" {
			t.Errorf("%s: after an error page the browser is %q", kind, who)
		}
		w = b.do(a.session(func(s *beaker.Session, r *http.Request) {
			must(t, s.Destroy(r.Context()))
			s.Set("k", 1)
		}))
		if w.Code != 500 || b.cookie != "" {
			t.Errorf("%s: after a logout with an error page the browser has a cookie", kind)
		}
	}
}

// A cookie that was replaced long ago: an event, and, if wanted, the end.
func TestAStaleProof(t *testing.T) {
	for policy, want := range map[beaker.StaleProofPolicy]string{beaker.StaleProofReports: "u", beaker.StaleProofEnds: ""} {
		a := newApp(t, stores["memory"](t), func(c *beaker.Config) { c.OnStaleProof = policy })
		b := newBrowser(t)
		signIn(t, a, b)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { must(t, s.SetSubject("u")) }))
		old := b.clone()
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { must(t, s.Regenerate()) }))
		a.clock.Advance(time.Minute - time.Millisecond)
		old.clone().do(a.session(nothing))
		if n := len(a.events.named(beaker.EventStaleProof)); n != 0 {
			t.Error("within a minute it is a request that was in flight")
		}
		a.clock.Advance(time.Millisecond)
		old.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if s.Subject() != "" || !s.IsNew() {
				t.Error("the stale cookie opens the session")
			}
		}))
		if n := len(a.events.named(beaker.EventStaleProof)); n != 1 {
			t.Errorf("%d events", n)
		}
		if who, _, _ := subjectOf(a, b); who != want {
			t.Errorf("policy %d: the session is %q", policy, who)
		}
	}
}

// CC-6: of any number of requests, one gets it.
func TestTakeGivesItToOne(t *testing.T) {
	token := beaker.NewKey[string]("token")
	eachStore(t, func(t *testing.T, a *app) {
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { token.Set(s, "once"); s.Set("other", "once") }))
		var typed, untyped atomic.Int64
		h := a.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			v, ok, err := token.Take(r.Context(), a.Manager)
			must(t, err)
			if ok && v == "once" {
				typed.Add(1)
			}
			w, ok, err := a.Take(r.Context(), "other")
			must(t, err)
			if ok && w == "once" {
				untyped.Add(1)
			}
		}))
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { b.clone().do(h) })
		}
		wg.Wait()
		if typed.Load() != 1 || untyped.Load() != 1 {
			t.Errorf("taken %d and %d times", typed.Load(), untyped.Load())
		}
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("token", 17) }))
		b.do(a.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			var de *beaker.DecodeError
			if _, ok, err := token.Take(r.Context(), a.Manager); ok || !errors.As(err, &de) {
				t.Errorf("Take of another type: %v %v", ok, err)
			}
		})))
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if !s.Has("token") {
				t.Error("Take destroyed what it could not read")
			}
		}))
	})
}

// Flashes of requests that overlap are all shown, in order, once.
func TestFlashesMerge(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
		one := a.fly(b.clone(), nothing, func(s *beaker.Session, _ *http.Request) { s.AddFlash("a"); s.AddFlash("b") })
		two := a.fly(b.clone(), nothing, func(s *beaker.Session, _ *http.Request) { s.AddFlash("c") })
		one.land()
		two.land()
		a.clock.Advance(time.Second)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.AddFlash("d") }))
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			all := s.Flashes()
			got := fmt.Sprint(all)
			if len(all) != 4 || all[3] != "d" || slices.Index(all, any("a")) > slices.Index(all, any("b")) || !strings.Contains(got, "c") {
				t.Errorf("flashes %v", got)
			}
			if s.Len() != 1 || len(s.Flashes()) != 0 {
				t.Error("flashes are values, or are shown twice")
			}
		}))
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if len(s.Flashes()) != 0 {
				t.Error("shown on two pages")
			}
		}))
	})
}

// Limits of one session, TO-2, DO-2.
func TestLimitsOfOneSession(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { // remember me
			must(t, s.SetSubject("u"))
			s.SetIdleTimeout(7 * 24 * time.Hour)
			s.SetAbsoluteTimeout(30 * 24 * time.Hour)
		}))
		for day := range 30 {
			if who, _, _ := subjectOf(a, b); who != "u" {
				t.Fatalf("day %d: %q", day, who)
			}
			a.clock.Advance(24 * time.Hour)
		}
		if who, _, _ := subjectOf(a, b); who != "" {
			t.Errorf("day 30: %q", who)
		}
		// A short one is not ended while it is used, though the touch interval is longer.
		b = newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1); s.SetIdleTimeout(30 * time.Second) }))
		for range 20 {
			a.clock.Advance(20 * time.Second)
			b.do(a.session(func(s *beaker.Session, _ *http.Request) {
				if !s.Has("k") {
					t.Error("a session in use has ended")
				}
			}))
		}
		// Counted from the sign-in, not from the call.
		b = newBrowser(t)
		signIn(t, a, b)
		a.clock.Advance(20 * time.Minute)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.SetAbsoluteTimeout(30 * time.Minute) }))
		a.clock.Advance(10 * time.Minute)
		if who, _, _ := subjectOf(a, b); who != "" {
			t.Error("SetAbsoluteTimeout extended the session from its call")
		}
		for desc, f := range map[string]func(s *beaker.Session){
			"no idle":           func(s *beaker.Session) { s.SetIdleTimeout(0) },
			"negative idle":     func(s *beaker.Session) { s.SetIdleTimeout(-time.Hour) },
			"no absolute":       func(s *beaker.Session) { s.SetAbsoluteTimeout(0) },
			"absolute for ever": func(s *beaker.Session) { s.SetAbsoluteTimeout(beaker.NoLimit) },
		} {
			if w := newBrowser(t).do(a.session(func(s *beaker.Session, _ *http.Request) {
				f(s)
				if !errors.Is(s.Err(), beaker.ErrInvalidTimeout) {
					t.Errorf("%s: %v", desc, s.Err())
				}
			})); w.Code != 500 {
				t.Errorf("%s: %d", desc, w.Code)
			}
		}
	})
}

// DO-2: too large is an error, and the stored session stays as it was.
func TestASessionThatIsTooLarge(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		b := newBrowser(t)
		for desc, f := range map[string]func(s *beaker.Session){
			"bytes": func(s *beaker.Session) { s.Set("big", strings.Repeat("x", 65<<10)) },
			"keys": func(s *beaker.Session) {
				for i := range 257 {
					s.Set(fmt.Sprint(i), 1)
				}
			},
		} {
			if w := newBrowser(t).do(a.session(func(s *beaker.Session, _ *http.Request) { f(s) })); w.Code != 500 || hasSession(w.Header()) {
				t.Errorf("%s, new: %d", desc, w.Code)
			}
			b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", "kept") }))
			w := b.do(a.session(func(s *beaker.Session, r *http.Request) {
				f(s)
				var e *beaker.TooLargeError
				if err := s.Persist(r.Context()); !errors.As(err, &e) || !errors.Is(err, beaker.ErrTooLarge) {
					t.Errorf("%s: %v", desc, err)
				}
				err := a.Update(r.Context(), func(s *beaker.Session) error { f(s); return nil })
				if !errors.Is(err, beaker.ErrTooLarge) {
					t.Errorf("%s, Update: %v", desc, err)
				}
			}))
			if w.Code != 500 {
				t.Errorf("%s: %d", desc, w.Code)
			}
			b.do(a.session(func(s *beaker.Session, _ *http.Request) {
				if got := fmt.Sprint(s.Keys()); got != "[k]" {
					t.Errorf("%s: keys %v", desc, got)
				}
			}))
		}
	})
}

// TE-2, TE-3: devices, and who may sign out which.
func TestDevices(t *testing.T) {
	agent := beaker.NewKey[string]("agent")
	eachStore(t, func(t *testing.T, a *app) {
		begin := func(subject, name string) (*browser, beaker.Handle) {
			b := newBrowser(t)
			var h beaker.Handle
			b.do(a.session(func(s *beaker.Session, _ *http.Request) {
				agent.Set(s, name)
				must(t, s.SetSubject(subject))
				h = s.Handle()
			}))
			return b, h
		}
		phone, hPhone := begin("alice", "phone")
		laptop, hLaptop := begin("alice", "laptop")
		bob, hBob := begin("bob", "tablet")
		begin("", "anonymous")
		a.clock.Advance(time.Minute)
		list := func(subject string) (names []string) {
			all := a.List(t.Context(), subject)
			if subject == "*" {
				all = a.ListAll(t.Context())
			}
			for info, err := range all {
				must(t, err)
				name, _ := agent.Get(info)
				if v, _ := info.Get("agent"); v != name {
					t.Errorf("Get %v, Key %q", v, name)
				}
				if !info.CreatedAt().Equal(start) || !info.LastAccessed().Equal(start) || !info.ExpiresAt().Equal(start.Add(30*time.Minute)) {
					t.Errorf("times: %v %v %v", info.CreatedAt(), info.LastAccessed(), info.ExpiresAt())
				}
				if info.Subject() != "" && !info.AuthenticatedAt().Equal(start) {
					t.Errorf("authenticated at %v", info.AuthenticatedAt())
				}
				names = append(names, name)
			}
			slices.Sort(names)
			return names
		}
		if got := fmt.Sprint(list("alice"), list("bob"), list("nobody"), list("*")); got != "[laptop phone] [tablet] [] [anonymous laptop phone tablet]" {
			t.Errorf("listed %s", got)
		}
		for _, err := range a.List(t.Context(), "") {
			if !errors.Is(err, beaker.ErrInvalidSubject) {
				t.Errorf("an anonymous visitor is shown a session: %v", err)
			}
		}
		ctx := t.Context()
		if err := a.RevokeOwn(ctx, "alice", hBob); !errors.Is(err, beaker.ErrNotFound) {
			t.Errorf("alice revokes bob's: %v", err)
		}
		if err := a.RevokeOwn(ctx, "", hBob); !errors.Is(err, beaker.ErrNotFound) {
			t.Errorf("nobody revokes bob's: %v", err)
		}
		must(t, a.RevokeOwn(ctx, "alice", hPhone))
		if err := a.RevokeOwn(ctx, "alice", hPhone); !errors.Is(err, beaker.ErrNotFound) {
			t.Errorf("twice: %v", err)
		}
		if who, _, _ := subjectOf(a, phone); who != "" {
			t.Errorf("the phone is %q", who)
		}
		// The handle stays right over a rotation that the list's page did not see.
		laptop.do(a.session(func(s *beaker.Session, _ *http.Request) { must(t, s.Regenerate()) }))
		tv, _ := begin("alice", "tv")
		n, err := a.RevokeAll(ctx, "alice", hLaptop)
		must(t, err)
		if who, _, _ := subjectOf(a, laptop); n != 1 || who != "alice" {
			t.Errorf("revoked %d, the laptop is %q", n, who)
		}
		if who, _, _ := subjectOf(a, tv); who != "" {
			t.Errorf("the tv is %q", who)
		}
		must(t, a.Revoke(ctx, hBob))
		if who, _, _ := subjectOf(a, bob); who != "" {
			t.Errorf("bob is %q", who)
		}
		for _, bad := range []string{"", "a\x00", "\xff", strings.Repeat("x", 256)} {
			if _, err := a.RevokeAll(ctx, bad); !errors.Is(err, beaker.ErrInvalidSubject) {
				t.Errorf("RevokeAll(%.10q): %v", bad, err)
			}
		}
		a.clock.Advance(time.Hour)
		if got := list("*"); len(got) != 0 {
			t.Errorf("expired, and listed: %v", got)
		}
	})
}

// A store that cannot list says so.
func TestAbilitiesThatAStoreDoesNotHave(t *testing.T) {
	a := newApp(t, watch(stores["memory"](t))) // the wrapper hides them
	for _, err := range a.List(t.Context(), "u") {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("List: %v", err)
		}
	}
	if _, err := a.RevokeAll(t.Context(), "u"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("RevokeAll: %v", err)
	}
}

// CC-4: goroutines of one request.
func TestGoroutinesOfOneRequest(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
		b.do(a.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			var wg sync.WaitGroup
			for i := range 50 {
				wg.Go(func() {
					s, err := a.Get(r.Context())
					must(t, err)
					s.Set(fmt.Sprint("g", i), i)
					s.Get("k")
					s.Keys()
					if i%10 == 0 {
						must(t, s.Persist(r.Context()))
						must(t, a.Update(r.Context(), func(s *beaker.Session) error { s.Set(fmt.Sprint("u", i), i); return nil }))
					}
				})
			}
			wg.Wait()
		})))
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if s.Len() != 56 {
				t.Errorf("%d values", s.Len())
			}
		}))
	})
}

// CC-5: nobody sees another's values.
func TestNobodySeesAnothersValues(t *testing.T) {
	a := newApp(t, stores["memory"](t))
	const users = 50
	var wg sync.WaitGroup
	for u := range users {
		wg.Go(func() {
			b := newBrowser(t)
			canary := fmt.Sprint("user ", u)
			b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("canary", canary) }))
			for range rounds(t, 100, 2000) {
				b.do(a.session(func(s *beaker.Session, _ *http.Request) {
					if v, _ := s.Get("canary"); v != canary {
						t.Errorf("%s sees %v", canary, v)
					}
					s.Set("n", 1)
				}))
			}
		})
	}
	wg.Wait()
}

// Update: what it refuses, what it keeps.
func TestUpdateRefusesWhatCannotBeRepeated(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
		b.do(a.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			ctx := r.Context()
			s, err := a.Get(ctx)
			must(t, err)
			s.Set("pending", 1)
			var kept *beaker.Session
			must(t, a.Update(ctx, func(u *beaker.Session) error {
				kept = u
				if !u.Has("pending") {
					t.Error("what is pending is not in the view")
				}
				u.Set("k", 2)
				return nil
			}))
			if err := a.Update(ctx, func(u *beaker.Session) error {
				for what, err := range map[string]error{
					"Destroy": u.Destroy(ctx), "Regenerate": u.Regenerate(), "SetSubject": u.SetSubject("u"), "Persist": u.Persist(ctx),
				} {
					if !errors.Is(err, beaker.ErrInUpdate) {
						t.Errorf("%s inside Update: %v", what, err)
					}
				}
				return nil
			}); !errors.Is(err, beaker.ErrInUpdate) {
				t.Errorf("Update: %v", err)
			}
			kept.Set("k", 3)
			if !errors.Is(kept.Err(), beaker.ErrCommitted) {
				t.Errorf("a view that was kept: %v", kept.Err())
			}
			boom := errors.New("boom")
			if err := a.Update(ctx, func(u *beaker.Session) error { u.Set("k", 4); return boom }); !errors.Is(err, boom) {
				t.Errorf("Update: %v", err)
			}
			if err := a.Update(ctx, func(u *beaker.Session) error { u.Set("k", func() {}); return nil }); err == nil {
				t.Error("a value that does not encode was saved")
			}
			s.Revert() // what Update did stays done
			if v, _ := s.Get("k"); v != int64(2) || !s.Has("pending") {
				t.Errorf("k is %v", v)
			}
		})))
		writes := a.store.apply.Load()
		b.do(a.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			must(t, a.Update(r.Context(), func(*beaker.Session) error { return nil }))
		})))
		if a.store.apply.Load() != writes {
			t.Error("an Update that changes nothing wrote")
		}
	})
}

// Update and Take inside of Update's function would wait for their own turn: they are
// refused at once, at any depth, and the function goes on. Other goroutines of the
// request wait for theirs.
func TestUpdateInsideOfUpdate(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
		var deeper func(depth int, f func() error) error
		deeper = func(depth int, f func() error) error {
			if depth == 0 {
				return f()
			}
			return deeper(depth-1, f)
		}
		w := b.do(a.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			ctx := r.Context()
			done := make(chan error)
			must(t, a.Update(ctx, func(s *beaker.Session) error {
				nothing := func(*beaker.Session) error { t.Error("it ran"); return nil }
				for _, depth := range []int{0, 62, 63, 64, 65, 200} {
					if err := deeper(depth, func() error { return a.Update(ctx, nothing) }); !errors.Is(err, beaker.ErrInUpdate) {
						t.Errorf("Update, %d calls deeper: %v", depth, err)
					}
				}
				if _, _, err := a.Take(ctx, "k"); !errors.Is(err, beaker.ErrInUpdate) {
					t.Errorf("Take: %v", err)
				}
				if _, _, err := beaker.NewKey[int]("k").Take(ctx, a.Manager); !errors.Is(err, beaker.ErrInUpdate) {
					t.Errorf("Key.Take: %v", err)
				}
				go func() {
					done <- a.Update(ctx, func(s *beaker.Session) error { s.Set("other", 1); return nil })
				}()
				s.Set("k", 2)
				return nil
			}))
			must(t, <-done)
		})))
		if w.Code != 200 {
			t.Error(w.Code)
		}
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if v, _ := s.Get("k"); v != int64(2) || !s.Has("other") {
				t.Errorf("k is %v", v)
			}
		}))
	})
}

// ErrNoMiddleware: not a panic, and the session that comes with it refuses aloud.
func TestWithoutMiddleware(t *testing.T) {
	a := newApp(t, stores["memory"](t))
	s, err := a.Get(t.Context())
	if s == nil || !errors.Is(err, beaker.ErrNoMiddleware) {
		t.Fatalf("%v %v", s, err)
	}
	s.Set("k", 1)
	if _, ok := s.Get("k"); ok || !errors.Is(s.Err(), beaker.ErrInert) || !errors.Is(s.Persist(t.Context()), beaker.ErrInert) {
		t.Errorf("%v", s.Err())
	}
	_, _, _, _, _ = s.Subject(), s.Keys(), s.Handle(), s.AbsoluteDeadline(), s.IdleDeadline()
	if err := s.Destroy(t.Context()); !errors.Is(err, beaker.ErrInert) {
		t.Errorf("Destroy: %v", err)
	}
	if err := a.Update(t.Context(), nil); !errors.Is(err, beaker.ErrNoMiddleware) {
		t.Errorf("Update: %v", err)
	}
}

// LG-2: the stream of events of a session's life, and how SlogObserver writes it.
func TestEvents(t *testing.T) {
	var out bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	log := &eventLog{}
	a := newApp(t, stores["memory"](t), func(c *beaker.Config) { c.Observer = beaker.Observers(log, beaker.SlogObserver(logger)) })
	b := newBrowser(t)
	b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
	b.do(a.session(func(s *beaker.Session, _ *http.Request) { must(t, s.SetSubject("alice@example.com")) }))
	a.clock.Advance(5 * time.Minute)
	b.do(a.session(nothing))
	b.do(a.session(func(s *beaker.Session, r *http.Request) { must(t, s.Destroy(r.Context())) }))
	b.cookie = "x"
	b.do(a.session(nothing))
	var names []string
	for _, e := range log.all {
		names = append(names, strings.TrimPrefix(string(e.Name), "session."))
	}
	want := "create load regenerate authenticate save load touch load destroy reject"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("events %s, want %s", got, want)
	}
	text := out.String()
	if strings.Contains(text, "alice") {
		t.Error("a subject is in the log")
	}
	if strings.ContainsAny(text, "\r\x1b") { // LG-3
		t.Errorf("the log has control characters: %q", text)
	}
	for _, want := range []string{"level=INFO msg=session.create", "level=DEBUG msg=session.touch", "reason=malformed", "cookie=__Host-session"} {
		if !strings.Contains(text, want) {
			t.Errorf("the log has no %q:\n%s", want, text)
		}
	}
}
