package model_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/memstore"
)

// What random sequences found once is kept here in its shortest form, since they may
// take long to find it again.

// server is a manager with a clock that only moves when it is told to.
type server struct {
	*beaker.Manager
	t   *testing.T
	now time.Time
}

func serve(t *testing.T, sealed bool) *server {
	t.Helper()
	store, err := memstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := beaker.ParseSecrets(beaker.NewSecret())
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
	cfg := beaker.Config{Secrets: secrets, PurgeInterval: -1, Observer: quiet{}, Now: func() time.Time { return s.now }}
	if sealed {
		cfg.Sealed = &beaker.Sealed{Revoker: store}
	} else {
		cfg.Store = store
	}
	if s.Manager, err = beaker.New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.Close()     // it has nothing in the background
		_ = store.Close() // nor has the store
	})
	return s
}

// visit makes a request, and returns the cookie that the browser has afterwards.
func (s *server) visit(cookie string, f func(*beaker.Session)) string {
	s.t.Helper()
	r := httptest.NewRequest(http.MethodGet, "https://example.com/", nil)
	if cookie != "" {
		r.Header.Set("Cookie", cookieName+"="+cookie)
	}
	w := httptest.NewRecorder()
	s.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		session, err := s.Get(r.Context())
		if err != nil {
			s.t.Error(err)
		}
		f(session)
	})).ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		s.t.Fatalf("answered %d", w.Code)
	}
	for _, c := range w.Result().Cookies() {
		cookie = c.Value
	}
	s.now = s.now.Add(time.Second)
	return cookie
}

func (s *server) signIn(cookie, subject string) string {
	return s.visit(cookie, func(session *beaker.Session) {
		session.SetIdleTimeout(beaker.NoLimit)
		s.must(session.SetSubject(subject))
	})
}

func (s *server) opens(cookie string) (subject string) {
	s.visit(cookie, func(session *beaker.Session) { subject = session.Subject() })
	return subject
}

func (s *server) handle(cookie string) (h beaker.Handle) {
	s.visit(cookie, func(session *beaker.Session) { h = session.Handle() })
	return h
}

func (s *server) revokeAll(subject string, except ...beaker.Handle) {
	_, err := s.RevokeAll(context.Background(), subject, except...)
	s.must(err)
	s.now = s.now.Add(time.Second)
}

func (s *server) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Error(err)
	}
}

// LC-1: whoever planted the cookie must not be signed in with the victim.
func TestASignInHasNoGraceEvenIfTheRequestAsksForOne(t *testing.T) {
	for _, test := range []struct {
		desc string
		do   func(*beaker.Session) error
	}{
		{"before the sign-in", func(s *beaker.Session) error {
			if err := s.Regenerate(beaker.Grace(time.Minute)); err != nil {
				return err
			}
			return s.SetSubject("alice")
		}},
		{"after the sign-in", func(s *beaker.Session) error {
			if err := s.SetSubject("alice"); err != nil {
				return err
			}
			return s.Regenerate(beaker.Grace(time.Minute))
		}},
	} {
		t.Run(test.desc, func(t *testing.T) {
			s := serve(t, false)
			planted := s.visit("", func(s *beaker.Session) { s.Set("planted", true) })
			own := s.visit(planted, func(session *beaker.Session) { s.must(test.do(session)) })
			if got := s.opens(own); got != "alice" {
				t.Errorf("the new cookie opens a session of %q", got)
			}
			if got := s.opens(planted); got != "" {
				t.Errorf("the planted cookie opens a session of %q", got)
			}
		})
	}
}

// RV-1: a logout is remembered for as long as any cookie of the session would open it,
// not only for as long as the one that logged out.
func TestALogoutWithAShorterDeadlineEndsTheFirstCookieToo(t *testing.T) {
	s := serve(t, true)
	first := s.signIn("", "alice")
	last := s.visit(first, func(session *beaker.Session) { session.SetAbsoluteTimeout(5 * time.Minute) })
	s.visit(last, func(session *beaker.Session) { s.must(session.Destroy(context.Background())) })
	for range 12 {
		s.now = s.now.Add(time.Minute)
		if got := s.opens(first); got != "" {
			t.Fatalf("at %v the first cookie opens a session of %q", s.now, got)
		}
	}
}

// RV-1: a thief who ticks "remember me" must not outlive the owner's logout.
func TestACopyWithALongerDeadlineDoesNotOutliveTheLogout(t *testing.T) {
	s := serve(t, true)
	own := s.signIn("", "alice")
	stolen := s.visit(own, func(session *beaker.Session) { session.SetAbsoluteTimeout(20 * time.Hour) })
	loggedOut := false
	s.visit(own, func(session *beaker.Session) {
		// The owner may have lost the session to the thief, and sees that.
		if loggedOut = session.Subject() == "alice"; loggedOut {
			s.must(session.Destroy(context.Background()))
		}
	})
	s.now = s.now.Add(13 * time.Hour)
	if got := s.opens(own); got != "" {
		t.Errorf("the owner's cookie opens a session of %q", got)
	}
	if got := s.opens(stolen); loggedOut && got != "" {
		t.Errorf("after the logout the copy opens a session of %q", got)
	}
}

// RV-1: what a later revocation spares was ended by the earlier one.
func TestARevocationDoesNotBringBackWhatAnEarlierOneEnded(t *testing.T) {
	for desc, sealed := range map[string]bool{"stored": false, "sealed": true} {
		t.Run(desc, func(t *testing.T) {
			s := serve(t, sealed)
			cookie := s.signIn("", "alice")
			handle := s.handle(cookie)
			s.revokeAll("alice")
			if got := s.opens(cookie); got != "" {
				t.Fatalf("a revoked cookie opens a session of %q", got)
			}
			s.revokeAll("alice", handle)
			if got := s.opens(cookie); got != "" {
				t.Errorf("a revoked cookie opens a session of %q again", got)
			}
		})
	}
}

func TestASparedSessionStaysSparedWithANewSecret(t *testing.T) {
	for desc, sealed := range map[string]bool{"stored": false, "sealed": true} {
		t.Run(desc, func(t *testing.T) {
			s := serve(t, sealed)
			cookie := s.signIn("", "alice")
			s.revokeAll("alice", s.handle(cookie))
			for range 2 {
				if got := s.opens(cookie); got != "alice" {
					t.Fatalf("the spared session is one of %q", got)
				}
				cookie = s.visit(cookie, func(session *beaker.Session) { s.must(session.Regenerate()) })
			}
			s.revokeAll("alice")
			if got := s.opens(cookie); got != "" {
				t.Errorf("a revoked cookie opens a session of %q", got)
			}
		})
	}
}
