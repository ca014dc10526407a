package guide

import (
	"net/http"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

func TestTheTimeoutsOfEachLevelHold(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct {
		name           string
		idle, absolute time.Duration
	}{
		{"aal1", 0, 30 * day},
		{"aal2", time.Hour, day},
		{"aal3", 15 * time.Minute, 12 * time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := sessiontest.New(t, func(cfg *beaker.Config) { level(cfg, c.name) })
			b := env.Browser(site(env))
			env.SignIn(b, "alice")
			step := c.absolute / 10
			if c.idle != 0 {
				step = c.idle - time.Minute
			}
			var used time.Duration
			for used+step < c.absolute {
				env.Clock.Advance(step)
				used += step
				body(t, b.Get("/"), "alice") // in use: alive
			}
			env.Clock.Advance(c.absolute - used)
			body(t, b.Get("/"), "") // however much it was used

			if c.idle != 0 {
				env.SignIn(b, "alice")
				env.Clock.Advance(c.idle)
				body(t, b.Get("/"), "")
			}
		})
	}
}

func TestOneSessionMayBeShorter(t *testing.T) {
	env := sessiontest.New(t)
	b := env.Browser(site(env))
	env.SignIn(b, "root")
	sessiontest.InSession(t, env.Sessions, b, func(s *beaker.Session) { forAdministrators(s, true) })
	env.Clock.Advance(6 * time.Minute)
	body(t, b.Get("/"), "")
}

func TestAPollKeepsNobodySignedIn(t *testing.T) {
	env := sessiontest.New(t)
	b := env.Browser(do(env, func(_ *http.Request, s *beaker.Session) error { poll(s); return nil }))
	env.SignIn(b, "alice")
	for range 29 {
		env.Clock.Advance(time.Minute)
		body(t, b.Get("/"), "alice")
	}
	env.Clock.Advance(time.Minute)
	body(t, b.Get("/"), "")
}

func TestThePageKnowsWhenItsSessionEnds(t *testing.T) {
	env := sessiontest.New(t)
	b := env.Browser(env.Sessions.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := env.Sessions.Get(r.Context())
		if err != nil {
			env.Sessions.Error(w, r, err)
			return
		}
		deadlines(w, s)
	})))
	env.SignIn(b, "alice")
	want := env.Clock.Now().Add(30 * time.Minute).UTC().Format(http.TimeFormat)
	if got := b.Get("/").Header.Get("Session-Ends"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
