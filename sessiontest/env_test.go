package sessiontest_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/internal/bubble"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

func TestClockMovesOnlyByHand(t *testing.T) {
	clock := sessiontest.NewClock(time.Time{})
	start := time.Date(2026, time.January, 2, 15, 4, 5, 678e6, time.UTC)
	for range 2 {
		if got := clock.Now(); !got.Equal(start) {
			t.Errorf("start = %v", got)
		}
	}
	clock.Advance(time.Hour)
	clock.Advance(-time.Minute)
	if got := clock.Now().Sub(start); got != 59*time.Minute {
		t.Errorf("after Advance: %v", got)
	}
	there := time.Date(2030, time.March, 1, 0, 0, 0, 0, time.UTC)
	clock.Set(there)
	if !clock.Now().Equal(there) || !sessiontest.NewClock(there).Now().Equal(there) {
		t.Errorf("after Set: %v", clock.Now())
	}
}

func TestEventsAreFoundByName(t *testing.T) {
	env := sessiontest.New(t)
	b := env.Browser(app(env.Sessions))
	env.SignIn(b, "fred")
	b.Get("/")
	e := env.Events
	if e.Count(beaker.EventCreate) != 1 || e.Count(beaker.EventLoad) != 1 || e.Count(beaker.EventCreate, beaker.EventLoad) != 2 || e.Count() < 3 {
		t.Errorf("events:\n%s", e)
	}
	if last, ok := e.Last(beaker.EventLoad); !ok || last.Subject != "fred" {
		t.Errorf("last = %+v, %v", last, ok)
	}
	if strings.Contains(e.String(), "fred") || !strings.Contains(e.String(), "session.load") {
		t.Errorf("String = %q", e)
	}
	e.Reset()
	if _, ok := e.Last(beaker.EventLoad); ok || e.Count() != 0 {
		t.Errorf("after Reset: %v", e)
	}
}

// A change that came too late, a value of another type: the test of a handler that does
// this must fail, though the response looks well.
func TestMistakesOfTheApplicationFailItsTest(t *testing.T) {
	rows := []struct {
		desc string
		name beaker.EventName
		h    func(m *beaker.Manager) http.HandlerFunc
	}{
		{"a change after the response", beaker.EventLate, func(m *beaker.Manager) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				s, _ := m.Get(r.Context())
				w.WriteHeader(http.StatusOK)
				s.Set("late", true)
			}
		}},
		{"a value that does not encode", beaker.EventMisuse, func(m *beaker.Manager) http.HandlerFunc {
			return func(_ http.ResponseWriter, r *http.Request) {
				s, _ := m.Get(r.Context())
				s.Set("f", func() {})
			}
		}},
		{"a value of another type", beaker.EventBadValue, func(m *beaker.Manager) http.HandlerFunc {
			return func(_ http.ResponseWriter, r *http.Request) {
				s, _ := m.Get(r.Context())
				s.Set("n", "text")
				beaker.NewKey[int]("n").Get(s)
			}
		}},
	}
	for _, row := range rows {
		t.Run(row.desc, func(t *testing.T) {
			for _, allowed := range []bool{false, true} {
				failing := &fakeT{}
				failures := failing.run(func() {
					env := sessiontest.New(failing)
					if allowed {
						env.Events.Allow(row.name)
					}
					env.Browser(env.Sessions.Wrap(row.h(env.Sessions))).Get("/")
				})
				if allowed && len(failures) > 0 {
					t.Errorf("allowed: %q", failures)
				} else if !allowed {
					wantFailure(t, failures, string(row.name))
				}
			}
		})
	}
}

func TestEnvironmentCanBeChanged(t *testing.T) {
	other := &sessiontest.Events{}
	store := newStore(t)
	env := sessiontest.New(t, func(cfg *beaker.Config) {
		cfg.Store, cfg.Observer = store, other
		cfg.Cookie.Path = "/app"
	})
	b := sessiontest.NewBrowser(env.Sessions.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})), "https://www.shop.example/app/").UseClock(env.Clock)
	env.SignIn(b, "fred")
	if c, ok := b.Cookie("__Secure-session"); !ok || c.Path != "/app" {
		t.Errorf("cookie = %+v", c)
	}
	if env.Events.Count(beaker.EventCreate) != 1 || other.Count(beaker.EventCreate) != 1 || env.Faults.Count(sessiontest.OpCreate) != 1 {
		t.Error("the store or an observer was not told")
	}
	if stats := store.Stats(); stats.Sessions != 1 {
		t.Errorf("the store has %d sessions", stats.Sessions)
	}
}

// A second node has the same store and the same secrets.
func TestSecondNode(t *testing.T) {
	env := sessiontest.New(t)
	node, err := beaker.New(env.Config)
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	b := env.Browser(app(node))
	env.SignIn(b, "fred")
	if got := b.Get("/").Body; got != `Hello, "fred"` {
		t.Errorf("the other node says %q", got)
	}
}

func TestStrictBrowserOfTheEnvironmentKnowsTheCookie(t *testing.T) {
	rows := []struct {
		desc   string
		change func(*beaker.Config)
		name   string
	}{
		{"the default name", func(*beaker.Config) {}, "__Host-session"},
		{"the default name with a domain", func(c *beaker.Config) { c.Cookie.Domain = "example.org" }, "__Secure-session"},
		{"a name of one's own", func(c *beaker.Config) { c.Cookie.Name = "__Host-Http-id" }, "__Host-Http-id"},
		{"a name for insecure hosts", func(c *beaker.Config) { c.Cookie.InsecureHosts = []string{"app.example"} }, "session"},
	}
	for _, row := range rows {
		t.Run(row.desc, func(t *testing.T) {
			failing := &fakeT{}
			failures := failing.run(func() {
				env := sessiontest.New(failing, row.change)
				env.Browser(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Add("Set-Cookie", row.name+"=1; Path=/; Secure; HttpOnly")
					w.Header().Set("Vary", "Cookie")
					w.Header().Add("Set-Cookie", "other=1; SameSite=None")
				})).Get("/")
			})
			wantFailure(t, failures, "no-store")
		})
	}
}

// In a bubble of testing/synctest even the timeouts of store operations take no time.
func TestStoreThatHangsIsAnsweredFor(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		env := sessiontest.New(t)
		b := env.Browser(app(env.Sessions))
		env.SignIn(b, "fred")
		env.Faults.Hang(sessiontest.OpLoad, sessiontest.Next)
		if got := b.Get("/").Status; got != http.StatusServiceUnavailable {
			t.Errorf("status = %d, want 503", got)
		}
		if n := env.Faults.Pending(); n != 0 {
			t.Error("nothing hung")
		}
	})
}

func TestSealedSessionsNeedNoStore(t *testing.T) {
	env := sessiontest.New(t, func(cfg *beaker.Config) { cfg.Sealed = &beaker.Sealed{AllowReplay: true} })
	b := env.Browser(app(env.Sessions))
	env.SignIn(b, "fred")
	if got := b.Get("/").Body; got != `Hello, "fred"` || env.Faults != nil {
		t.Errorf("body = %q, faults = %v", got, env.Faults)
	}
}

func TestInSessionSeesAndSaves(t *testing.T) {
	env := sessiontest.New(t)
	b := env.Browser(app(env.Sessions))
	sessiontest.InSession(t, env.Sessions, b, func(s *beaker.Session) { s.Set("color", "green") })
	var got any
	sessiontest.InSession(t, env.Sessions, b, func(s *beaker.Session) { got, _ = s.Get("color") })
	if got != "green" {
		t.Errorf("color = %v", got)
	}
}

func TestInSessionFailsIfTheSessionCannotBeLoadedOrSaved(t *testing.T) {
	rows := []struct {
		desc string
		op   sessiontest.Op
		f    func(s *beaker.Session)
		want string
	}{
		{"load", sessiontest.OpLoad, func(*beaker.Session) {}, "load"},
		{"save", sessiontest.OpApply, func(s *beaker.Session) { s.Set("n", 1) }, "not saved"},
		{"a value that does not encode", sessiontest.OpAny, func(s *beaker.Session) { s.Set("n", make(chan int)) }, "encode"},
	}
	for _, row := range rows {
		t.Run(row.desc, func(t *testing.T) {
			failing := &fakeT{}
			wantFailure(t, failing.run(func() {
				env := sessiontest.New(failing)
				env.Events.Allow(beaker.EventMisuse) // it would be told twice
				b := env.Browser(app(env.Sessions))
				env.SignIn(b, "fred")
				if row.op != sessiontest.OpAny {
					env.Faults.Fail(row.op, sessiontest.Next, errors.New("broken"))
				}
				sessiontest.InSession(failing, env.Sessions, b, row.f)
			}), row.want)
		})
	}
}
