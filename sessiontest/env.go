package sessiontest

import (
	"net/http"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/memstore"
)

// Env is a manager for a test, and what the test holds it by.
type Env struct {
	Sessions *beaker.Manager
	Config   beaker.Config // what Sessions was made of; a second node is beaker.New(env.Config)
	Faults   *Faults       // of the store; nil if there is none
	Clock    *Clock
	Events   *Events

	t testing.TB
}

// New returns a manager on a store in memory, with random secrets, no janitor, and a
// clock that stands still at the time that [NewClock] says. The changes are made to
// its configuration first; a store that they set is used, also wrapped by
// [NewFaultStore], and an observer that they set is told beside Events. The manager is
// closed when the test ends, and the test fails then if Events.Check finds a mistake.
func New(t testing.TB, changes ...func(*beaker.Config)) *Env {
	t.Helper()
	secrets, err := beaker.ParseSecrets(beaker.NewSecret())
	if err != nil {
		t.Fatalf("sessiontest: %v", err)
	}
	env := &Env{Clock: NewClock(time.Time{}), Events: &Events{}, t: t}
	cfg := beaker.Config{Secrets: secrets, Now: env.Clock.Now, PurgeInterval: -1}
	for _, change := range changes {
		change(&cfg)
	}
	if cfg.Store == nil && cfg.Sealed == nil {
		store, err := memstore.New(nil)
		if err != nil {
			t.Fatalf("sessiontest: %v", err)
		}
		t.Cleanup(func() {
			if err := store.Close(); err != nil {
				t.Errorf("sessiontest: close the store: %v", err)
			}
		})
		cfg.Store = store
	}
	if cfg.Store != nil {
		cfg.Store, env.Faults = NewFaultStore(cfg.Store)
	}
	if cfg.Observer == nil {
		cfg.Observer = env.Events
	} else {
		cfg.Observer = beaker.Observers(env.Events, cfg.Observer)
	}
	env.Config = cfg
	env.Sessions, err = beaker.New(cfg)
	if err != nil {
		t.Fatalf("sessiontest: %v", err)
	}
	t.Cleanup(func() {
		if err := env.Sessions.Close(); err != nil {
			t.Errorf("sessiontest: close the manager: %v", err)
		}
		env.Events.Check(t)
	})
	return env
}

// Browser returns a strict browser for the handler, at https://app.example, that goes
// by the environment's clock. The handler is what the application serves, already
// wrapped by Sessions.Wrap.
func (e *Env) Browser(h http.Handler) *Browser {
	return NewBrowser(h, "https://app.example").UseClock(e.Clock).Strict(e.t, e.cookieNames()...)
}

// cookieNames returns the names that the manager's cookie may have.
func (e *Env) cookieNames() []string {
	c := &e.Config.Cookie
	name := c.Name
	switch {
	case name != "":
	case c.Domain != "" || c.Path != "" && c.Path != "/":
		name = "__Secure-session"
	default:
		name = "__Host-session"
	}
	names := []string{name}
	for _, prefix := range []string{"__Host-Http-", "__Host-", "__Http-", "__Secure-"} {
		if hasPrefixFold(name, prefix) {
			return append(names, name[len(prefix):]) // on Cookie.InsecureHosts
		}
	}
	return names
}

// SignIn gives the browser a session of the subject, without the application's own
// sign-in: for tests of what lies behind it.
func (e *Env) SignIn(b *Browser, subject string) {
	e.t.Helper()
	InSession(e.t, e.Sessions, b, func(s *beaker.Session) {
		if err := s.SetSubject(subject); err != nil {
			e.t.Errorf("sessiontest: sign in: %v", err)
		}
	})
}

// InSession runs f with the browser's session, as a handler at the browser's origin
// would: what f changes is saved, and the browser gets the cookie. Use it to prepare
// what a handler is to find, and to look at what it left. It ends the test if the
// session cannot be loaded or saved.
func InSession(t testing.TB, m *beaker.Manager, b *Browser, f func(s *beaker.Session)) {
	t.Helper()
	var failed error
	h := m.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := m.Get(r.Context())
		if err != nil {
			failed = err
			return
		}
		f(s)
		w.WriteHeader(http.StatusNoContent)
		failed = s.Err()
	}))
	resp := b.through(handlerTransport{h}).Get("")
	switch {
	case failed != nil:
		t.Fatalf("sessiontest: in session: %v", failed)
	case resp.Status != http.StatusNoContent:
		t.Fatalf("sessiontest: in session: it was not saved: %v", resp)
	}
}
