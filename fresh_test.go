package beaker_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// RA-1: only a sign-in makes a session fresh, to the millisecond.
func TestAuthenticatedWithin(t *testing.T) {
	for kind, change := range kinds {
		t.Run(kind, func(t *testing.T) {
			a := newApp(t, stores["memory"](t), change)
			b := newBrowser(t)
			fresh := func(want bool, when string) {
				t.Helper()
				b.do(a.session(func(s *beaker.Session, _ *http.Request) {
					if got := s.AuthenticatedWithin(5 * time.Minute); got != want {
						t.Errorf("%s: fresh is %v", when, got)
					}
					if s.AuthenticatedWithin(0) || s.AuthenticatedWithin(-time.Hour) {
						t.Errorf("%s: fresh within nothing", when)
					}
				}))
			}
			fresh(false, "a stranger")
			b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
			fresh(false, "an anonymous session")
			signIn(t, a, b)
			fresh(true, "signed in")
			a.clock.Advance(4*time.Minute + 59*time.Second)
			fresh(true, "after 4:59")
			b.do(a.session(func(s *beaker.Session, r *http.Request) {
				must(t, s.Regenerate())
				s.SetAbsoluteTimeout(20 * time.Hour)
				s.Set("k", 2)
			}))
			a.clock.Advance(999 * time.Millisecond)
			fresh(true, "after 4:59.999")
			a.clock.Advance(time.Millisecond)
			fresh(false, "after 5:00, touched and given a new secret")
			signIn(t, a, b)
			fresh(true, "signed in again, as the same")
			b.do(a.session(func(s *beaker.Session, _ *http.Request) { must(t, s.SetSubject("")) }))
			fresh(false, "signed out by SetSubject")
			b.do(a.session(func(s *beaker.Session, _ *http.Request) {
				must(t, s.SetSubject("user 1"))
				if !s.AuthenticatedWithin(time.Second) {
					t.Error("the request that signs in is not fresh")
				}
			}))
			// A sign-in on a node whose clock is ahead a little is recent, one from the future
			// is a mistake.
			a.clock.Advance(-50 * time.Second)
			fresh(true, "signed in by a node that is ahead")
			if kind == "stored" { // a sealed one from the future is refused altogether
				a.clock.Advance(-time.Minute)
				fresh(false, "signed in in the future")
			}
		})
	}
}

func TestRequireFresh(t *testing.T) {
	for kind, change := range kinds {
		a := newApp(t, stores["memory"](t), change)
		b := newBrowser(t)
		ran := 0
		h := a.RequireFresh(5*time.Minute, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { ran++ }))
		step := func(code, runs int, when string) {
			t.Helper()
			if w := b.do(h); w.Code != code || ran != runs || hasSession(w.Header()) && kind == "stored" {
				t.Errorf("%s, %s: %d, run %d times", kind, when, w.Code, ran)
			}
		}
		step(403, 0, "a stranger")
		signIn(t, a, b)
		step(200, 1, "signed in")
		a.clock.Advance(5 * time.Minute)
		step(403, 1, "five minutes later")
		signIn(t, a, b)
		step(200, 2, "signed in again")
		a.store.breaks(func(string) error { return errors.New("down") })
		step(503, 2, "the store is down")
	}
	if beaker.StatusOf(beaker.ErrSignInAgain) != http.StatusForbidden {
		t.Error("status")
	}
}
