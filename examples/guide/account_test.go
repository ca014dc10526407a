package guide

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

// do is a handler that does one thing with the session, and answers.
func do(env *sessiontest.Env, f func(r *http.Request, s *beaker.Session) error) http.Handler {
	return env.Sessions.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := env.Sessions.Get(r.Context())
		if err == nil {
			err = f(r, s)
		}
		if err != nil {
			env.Sessions.Error(w, r, err)
			return
		}
		fmt.Fprint(w, s.Subject())
	}))
}

// site serves a page for each thing that an account can do.
func site(env *sessiontest.Env) http.Handler {
	a := &account{env.Sessions}
	mux := http.NewServeMux()
	mux.Handle("/", do(env, func(*http.Request, *beaker.Session) error { return nil }))
	mux.Handle("POST /in", do(env, func(r *http.Request, s *beaker.Session) error {
		if err := a.signIn(r, s, r.FormValue("user")); err != nil {
			return err
		}
		return a.remember(s, r.FormValue("remember") != "")
	}))
	mux.Handle("POST /out", env.Sessions.Wrap(http.HandlerFunc(a.signOut)))
	mux.Handle("POST /bye", do(env, a.signOutWithGoodBye))
	mux.Handle("POST /password", do(env, a.passwordChanged))
	mux.Handle("POST /close", do(env, func(r *http.Request, s *beaker.Session) error { return a.accountClosed(r, s.Subject()) }))
	mux.Handle("/dangerous", env.Sessions.Wrap(a.confirm(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "done") })))
	mux.Handle("/members", a.members(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "inside") })))
	return mux
}

func body(t *testing.T, r *sessiontest.Response, want string) {
	t.Helper()
	if r.Status != http.StatusOK || r.Body != want {
		t.Errorf("%v %q, want %q", r, r.Body, want)
	}
}

func TestSigningInAndOut(t *testing.T) {
	env := sessiontest.New(t)
	b := env.Browser(site(env))
	sessiontest.InSession(t, env.Sessions, b, func(s *beaker.Session) { s.Set("cart", "pears") })
	planted := b.Copy()
	b.PostForm("/in?user=alice", nil)
	body(t, b.Get("/"), "alice")
	body(t, planted.Get("/"), "")
	sessiontest.InSession(t, env.Sessions, b, func(s *beaker.Session) {
		if cart, _ := s.Get("cart"); cart != "pears" {
			t.Errorf("the cart from before the sign-in is %v", cart)
		}
	})

	b.PostForm("/in?user=bob", nil)
	sessiontest.InSession(t, env.Sessions, b, func(s *beaker.Session) {
		if s.Subject() != "bob" || s.Has("cart") {
			t.Errorf("the next user, %q, has %v", s.Subject(), s.Keys())
		}
	})

	copied := b.Copy()
	if r := b.PostForm("/out", nil); r.Status != http.StatusSeeOther || len(b.Cookies()) != 0 {
		t.Errorf("%v, cookies %v", r, b.Cookies())
	}
	body(t, copied.Get("/"), "")

	b.PostForm("/in?user=alice", nil)
	b.PostForm("/bye", nil)
	sessiontest.InSession(t, env.Sessions, b, func(s *beaker.Session) {
		if flashes := s.Flashes(); s.Subject() != "" || len(flashes) != 1 {
			t.Errorf("%q %v", s.Subject(), flashes)
		}
	})

	b.PostForm("/in?user=alice", nil)
	env.Faults.Fail(sessiontest.OpDelete, sessiontest.Every, nil)
	if r := b.PostForm("/out", nil); r.Status != http.StatusServiceUnavailable {
		t.Errorf("a sign-out that did not happen: %v", r)
	}
	env.Faults.Clear()
	body(t, b.Get("/"), "alice")
}

// What docs/sign-in.md says of requests that were under way.
func TestForAMinuteTheCookieFromBeforeTheSignInWritesNothing(t *testing.T) {
	env := sessiontest.New(t)
	mux := http.NewServeMux()
	mux.Handle("/", site(env))
	mux.Handle("POST /cart", do(env, func(_ *http.Request, s *beaker.Session) error {
		s.Set("cart", "pears")
		return nil
	}))
	b := env.Browser(mux)
	b.PostForm("/cart", nil)
	old := b.Copy()
	b.PostForm("/in?user=alice", nil)
	for _, c := range []struct {
		after  time.Duration
		status int
	}{{0, http.StatusConflict}, {59 * time.Second, http.StatusConflict}, {2 * time.Second, http.StatusOK}} {
		env.Clock.Advance(c.after)
		body(t, old.Copy().Get("/"), "") // to read is to be nobody
		if r := old.Copy().PostForm("/cart", nil); r.Status != c.status || (len(r.SetCookies) > 0) != (c.status == http.StatusOK) {
			t.Errorf("%v later: %v, cookies %v", c.after, r, r.SetCookies)
		}
	}
	body(t, b.Get("/"), "alice")
}

func TestRememberMe(t *testing.T) {
	env := sessiontest.New(t)
	b, c := env.Browser(site(env)), env.Browser(site(env))
	b.PostForm("/in?user=alice&remember=1", nil)
	c.PostForm("/in?user=alice", nil)
	b.Restart()
	c.Restart()
	body(t, b.Get("/"), "alice")
	body(t, c.Get("/"), "")
	env.Clock.Advance(13 * 24 * time.Hour)
	body(t, b.Get("/"), "alice")
	env.Clock.Advance(13 * 24 * time.Hour)
	body(t, b.Get("/"), "alice")
	env.Clock.Advance(5 * 24 * time.Hour) // 31 days in all
	body(t, b.Get("/"), "")

	b.PostForm("/in?user=alice&remember=1", nil)
	b.PostForm("/in?user=alice", nil)
	env.Clock.Advance(31 * time.Minute)
	body(t, b.Get("/"), "")
}

func TestAfterAChangeOfThePasswordOnlyThisDeviceIsSignedIn(t *testing.T) {
	env := sessiontest.New(t)
	b, other := env.Browser(site(env)), env.Browser(site(env))
	b.PostForm("/in?user=alice", nil)
	other.PostForm("/in?user=alice", nil)
	copied := b.Copy()
	env.Clock.Advance(time.Second)
	body(t, b.PostForm("/password", nil), "alice")
	body(t, b.Get("/"), "alice")
	body(t, other.Get("/"), "")
	body(t, copied.Get("/"), "")

	other.PostForm("/in?user=alice", nil)
	if r := b.PostForm("/close", nil); r.Status != http.StatusOK {
		t.Errorf("%v %q", r, r.Body)
	}
	body(t, other.Get("/"), "")
	body(t, b.Get("/"), "")
}

func TestADangerousPageWantsThePasswordAgain(t *testing.T) {
	env := sessiontest.New(t)
	b := env.Browser(site(env))
	b.PostForm("/in?user=alice", nil)
	body(t, b.Get("/dangerous"), "done")
	env.Clock.Advance(6 * time.Minute)
	body(t, b.Get("/"), "alice")
	if r := b.Get("/dangerous"); r.Status != http.StatusSeeOther {
		t.Errorf("six minutes later: %v", r)
	}
	b.PostForm("/in?user=alice", nil)
	body(t, b.Get("/dangerous"), "done")
}

func TestMembersOnly(t *testing.T) {
	env := sessiontest.New(t)
	b := env.Browser(site(env))
	if r := b.Get("/members"); r.Status != http.StatusSeeOther {
		t.Errorf("a stranger: %v", r)
	}
	b.PostForm("/in?user=alice", nil)
	body(t, b.Get("/members"), "inside")
	env.Faults.Down(nil)
	if r := b.Get("/members"); r.Status != http.StatusServiceUnavailable {
		t.Errorf("a store that is down: %v", r)
	}
	env.Faults.Up()
}
