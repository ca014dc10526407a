package beaker_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/internal/bubble"
)

// Requests that are overtaken by another, or by their own goroutines.

// RV-1: a rotation is under way, its check is behind it; then comes the logout.
func TestALogoutIsNotUndoneByARotationUnderWay(t *testing.T) {
	one, two := twoNodes(t)
	b := newBrowser(t)
	signIn(t, one, b)
	tab2 := b.clone()
	reached := false
	one.store.breaks(func(op string) error {
		if op == "create" && !reached { // the mark of the rotation is about to be written
			reached = true
			tab2.do(two.session(func(s *beaker.Session, r *http.Request) { must(t, s.Destroy(r.Context())) }))
		}
		return nil
	})
	w := b.do(one.session(func(s *beaker.Session, _ *http.Request) { must(t, s.Regenerate()) }))
	one.store.breaks(nil)
	if who, _, _ := subjectOf(one, b); !reached || hasSession(w.Header()) || who != "" {
		t.Errorf("reached %v, cookie %v, signed in as %q", reached, hasSession(w.Header()), who)
	}
}

// RV-1: the other way round, the logout has not happened, and says so.
func TestALogoutOfASealedSessionThatWasRotatedSaysSo(t *testing.T) {
	one, two := twoNodes(t)
	b := newBrowser(t)
	signIn(t, one, b)
	slow := two.fly(b.clone(), nothing, func(s *beaker.Session, r *http.Request) {
		if err := s.Destroy(r.Context()); !errors.Is(err, beaker.ErrEnded) {
			t.Errorf("Destroy: %v", err)
		}
	})
	b.do(one.session(func(s *beaker.Session, _ *http.Request) { must(t, s.Regenerate()) }))
	if w := slow.land(); w.Code != 409 {
		t.Errorf("status %d", w.Code)
	}
	if who, _, _ := subjectOf(one, b); who != "user 1" {
		t.Errorf("the new cookie opens %q", who)
	}
}

// OU-4: the Revoker's answer is lost; the rotation knows its own mark.
func TestALostAcknowledgementOfASealedRotation(t *testing.T) {
	a := newApp(t, stores["memory"](t), sealed)
	b := newBrowser(t)
	signIn(t, a, b)
	lost := 0
	a.store.loses(func(op string) error {
		if op == "create" && lost == 0 {
			lost++
			return beaker.ErrUncertain
		}
		return nil
	})
	w := b.do(a.session(func(s *beaker.Session, _ *http.Request) { must(t, s.Regenerate()) }))
	if who, _, _ := subjectOf(a, b); w.Code != 200 || lost != 1 || who != "user 1" {
		t.Errorf("%d, %d lost, signed in as %q", w.Code, lost, who)
	}
}

// TE-2: the second revocation, which spares nobody, comes from a clock that is behind.
func TestARevocationFromAClockThatIsBehind(t *testing.T) {
	one, two := twoNodes(t)
	b := newBrowser(t)
	signIn(t, one, b)
	var h beaker.Handle
	b.do(one.session(func(s *beaker.Session, _ *http.Request) { h = s.Handle() }))
	one.clock.Advance(2 * time.Second)
	_, err := one.RevokeAll(t.Context(), "user 1", h)
	must(t, err)
	if who, _, _ := subjectOf(one, b); who != "user 1" {
		t.Fatalf("spared, and %q", who)
	}
	one.clock.Advance(-time.Second)
	_, err = two.RevokeAll(t.Context(), "user 1")
	must(t, err)
	if who, _, _ := subjectOf(one, b); who != "" {
		t.Errorf("revoked, and %q", who)
	}
}

// The marks of a Revoker are out of reach for those who choose subjects.
func TestTheMarksOfARevokerCannotBeRevoked(t *testing.T) {
	store := stores["memory"](t)
	cookies := newApp(t, store, sealed)
	stored := newApp(t, store)
	b := newBrowser(t)
	signIn(t, cookies, b)
	stolen := b.clone()
	b.do(cookies.session(func(s *beaker.Session, r *http.Request) { must(t, s.Destroy(r.Context())) }))
	stored.clock.Advance(time.Hour)
	for _, guess := range []string{"beaker revocation", "beaker"} {
		n, err := stored.RevokeAll(t.Context(), guess)
		must(t, err)
		if n != 0 {
			t.Errorf("%q had %d sessions", guess, n)
		}
	}
	if who, _, _ := subjectOf(cookies, stolen); who != "" {
		t.Errorf("the stolen cookie opens %q", who)
	}
	// Nor is there a session to be seen in them: an operator who ends what he does not know
	// would undo logouts.
	_, err := cookies.RevokeAll(t.Context(), "user 2")
	must(t, err)
	signIn(t, stored, newBrowser(t))
	found := 0
	for info, err := range stored.ListAll(t.Context()) {
		must(t, err)
		if found++; info.Subject() != "user 1" {
			t.Errorf("a mark is listed as a session of %q", info.Subject())
		}
	}
	if found != 1 {
		t.Errorf("%d sessions are listed, there is one", found)
	}
	page, _, err := store.(beaker.Lister).List(t.Context(), beaker.ListQuery{})
	must(t, err)
	if len(page) < 3 {
		t.Fatalf("%d records: there should be marks", len(page))
	}
	for _, rec := range page {
		h := beaker.Handle(rec.Key())
		if rec.Subject() == "user 1" {
			continue
		}
		if _, err := stored.Lookup(t.Context(), h); !errors.Is(err, beaker.ErrNotFound) {
			t.Errorf("Lookup of a mark: %v", err)
		}
		if err := stored.Revoke(t.Context(), h); !errors.Is(err, beaker.ErrNotFound) {
			t.Errorf("Revoke of a mark: %v", err)
		}
		if err := stored.RevokeOwn(t.Context(), rec.Subject(), h); !errors.Is(err, beaker.ErrNotFound) {
			t.Errorf("RevokeOwn of a mark: %v", err)
		}
	}
	cookies.clock.Advance(2 * time.Minute)
	if who, _, _ := subjectOf(cookies, stolen); who != "" {
		t.Errorf("after that the stolen cookie opens %q", who)
	}
}

// CA-5: the first Get comes when the headers are out.
func TestTheFirstGetAfterTheHeaders(t *testing.T) {
	a := newApp(t, stores["memory"](t))
	late := func(f func(s *beaker.Session, r *http.Request)) http.Handler {
		return a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "hello")
			s, err := a.Get(r.Context())
			must(t, err)
			f(s, r)
		}))
	}
	b := newBrowser(t)
	b.do(late(func(s *beaker.Session, r *http.Request) {
		s.Set("k", 1)
		if err := s.Persist(r.Context()); !errors.Is(s.Err(), beaker.ErrCommitted) || !errors.Is(err, beaker.ErrCommitted) {
			t.Errorf("new: Err %v, Persist %v", s.Err(), err)
		}
	}))
	if a.store.create.Load() != 0 || len(a.events.named(beaker.EventLate)) == 0 {
		t.Error("a session was stored that nobody can open, or no event tells")
	}
	signIn(t, a, b)
	b.do(late(func(s *beaker.Session, _ *http.Request) {
		if err := s.Regenerate(); !errors.Is(err, beaker.ErrCommitted) {
			t.Errorf("stored: Regenerate: %v", err)
		}
		s.Set("late", 1)
	}))
	b.do(a.session(func(s *beaker.Session, _ *http.Request) {
		if s.Subject() != "user 1" || !s.Has("late") {
			t.Errorf("%q, %v", s.Subject(), s.Keys())
		}
	}))
}

// Update: another goroutine of the request ends the session while the function runs.
func TestUpdateOfASessionThatEndsMeanwhile(t *testing.T) {
	for name, end := range map[string]func(s *beaker.Session, r *http.Request) error{
		"destroyed": func(s *beaker.Session, r *http.Request) error { return s.Destroy(r.Context()) },
		"replaced": func(s *beaker.Session, r *http.Request) error {
			return errors.Join(s.Invalidate(r.Context()), s.Persist(r.Context()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, stores["memory"](t))
			b := newBrowser(t)
			b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", "old") }))
			b.do(a.session(func(s *beaker.Session, r *http.Request) {
				reached, ended := make(chan struct{}), make(chan struct{})
				go func() {
					defer close(ended)
					<-reached
					must(t, end(s, r))
				}()
				err := a.Update(r.Context(), func(v *beaker.Session) error {
					close(reached)
					<-ended
					v.Set("of the old one", 1)
					return nil
				})
				if !errors.Is(err, beaker.ErrEnded) && !errors.Is(err, beaker.ErrDestroyed) {
					t.Errorf("Update: %v", err)
				}
			}))
			b.do(a.session(func(s *beaker.Session, _ *http.Request) {
				if s.Has("of the old one") {
					t.Error("a value of the old session is in the new one")
				}
			}))
		})
	}
}

// Two rotations within a moment, as by a sign-in and a second factor: a request that
// was under way is no thief, and its answer does not sign the visitor out.
func TestARequestThatWasOvertakenByTwoRotations(t *testing.T) {
	a := newApp(t, stores["memory"](t), func(c *beaker.Config) { c.OnStaleProof = beaker.StaleProofEnds })
	b := newBrowser(t)
	b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
	old := b.clone()
	for range 2 {
		a.clock.Advance(2 * time.Second)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { must(t, s.SetSubject("u")) }))
	}
	w := httptest.NewRecorder()
	a.session(func(s *beaker.Session, _ *http.Request) { s.Set("slow", 1) }).ServeHTTP(w, old.request())
	if w.Code != 409 || hasSession(w.Header()) || len(a.events.named(beaker.EventStaleProof)) != 0 {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if who, _, _ := subjectOf(a, b); who != "u" {
		t.Errorf("signed in as %q", who)
	}
}

// http.TimeoutHandler between two calls of Get: its deadline counts.
func TestTheEarliestDeadlineCounts(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		a := newApp(t, stores["memory"](t))
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", "old") }))
		finished := make(chan struct{})
		slow := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			defer close(finished)
			s, err := a.Get(r.Context())
			must(t, err)
			s.Set("k", "half done")
			<-r.Context().Done()
		})
		w := b.do(a.Require(http.TimeoutHandler(slow, time.Second, "too slow")))
		<-finished
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if v, _ := s.Get("k"); v != "old" || w.Code != 503 {
				t.Errorf("answered %d, and k is %v", w.Code, v)
			}
		}))
	})
}

// ExpiresWithSession: Update is a use, and a slow request does not shorten the life of
// a cookie that another one has just prolonged.
func TestTheCookieLivesAsLongAsTheSession(t *testing.T) {
	a := newApp(t, stores["memory"](t), func(c *beaker.Config) { c.Cookie.Expires = beaker.ExpiresWithSession })
	b := newBrowser(t)
	b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
	a.clock.Advance(5 * time.Minute)
	if w := b.do(a.increment()); len(setCookies(w)) != 1 {
		t.Error("an Update that touched the session did not prolong the cookie")
	}
	a.clock.Advance(2 * time.Minute)
	slow := a.fly(b, nothing, func(s *beaker.Session, _ *http.Request) { s.Set("slow", 1) })
	for range 7 {
		a.clock.Advance(5 * time.Minute)
		b.clone().do(a.session(nothing))
	}
	w := slow.land()
	if w.Code != 200 || len(setCookies(w)) != 1 {
		t.Fatalf("%d %v", w.Code, setCookies(w))
	}
	if c, err := http.ParseSetCookie(setCookies(w)[0]); err != nil || c.MaxAge != 1800 {
		t.Errorf("Max-Age %d, %v", c.MaxAge, err)
	}
}

// Who revokes one subject is not exempt from the revocation of another.
func TestAnExemptionIsForOneSubject(t *testing.T) {
	a := newApp(t, stores["memory"](t))
	b := newBrowser(t)
	a.clock.Advance(time.Second)
	login := a.fly(b, nothing, func(s *beaker.Session, r *http.Request) {
		_, err := a.RevokeAll(r.Context(), "alice")
		must(t, err)
		must(t, s.SetSubject("bob"))
	})
	a.clock.Advance(time.Second)
	_, err := a.RevokeAll(t.Context(), "bob")
	must(t, err)
	if w := login.land(); w.Code != 409 || b.cookie != "" {
		t.Errorf("%d, cookie %q", w.Code, b.cookie)
	}
}

// A request sees what it has persisted, even if by its own copy the session is over.
func TestARequestSeesWhatItHasPersisted(t *testing.T) {
	a := newApp(t, stores["memory"](t))
	b := newBrowser(t)
	b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", "old") }))
	slow := a.fly(b.clone(), nothing, func(s *beaker.Session, r *http.Request) {
		s.Set("k", "new")
		must(t, s.Persist(r.Context()))
		if v, _ := s.Get("k"); v != "new" {
			t.Errorf("k is %v", v)
		}
	})
	for range 7 {
		a.clock.Advance(5 * time.Minute)
		b.do(a.session(nothing))
	}
	if w := slow.land(); w.Code != 200 {
		t.Errorf("status %d", w.Code)
	}
}

// Three managers: the outermost fails, and both cookies inside are kept, uncached.
func TestThreeNestedManagers(t *testing.T) {
	var apps []*app
	for i := range 3 {
		apps = append(apps, newApp(t, stores["memory"](t), func(c *beaker.Config) { c.Cookie.Name = fmt.Sprint("__Host-", i) }))
	}
	apps[0].store.breaks(func(string) error { return errors.New("down") })
	var h http.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for _, a := range apps {
			s, err := a.Get(r.Context())
			must(t, err)
			s.Set("k", 1)
		}
	})
	for i := range apps {
		h = apps[len(apps)-1-i].Wrap(h)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, newBrowser(t).request())
	if n := len(w.Header()["Set-Cookie"]); n != 2 || w.Code != 503 || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d, %d cookies, %v", w.Code, n, w.Header())
	}
}
