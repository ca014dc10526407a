package beaker_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// forgetful are the methods that return an error, called by somebody who does not look at it.
var forgetful = map[string]func(ctx context.Context, s *beaker.Session){
	"SetSubject":          func(_ context.Context, s *beaker.Session) { _ = s.SetSubject("alice") },
	"Regenerate":          func(_ context.Context, s *beaker.Session) { _ = s.Regenerate() },
	"SetCookieAttributes": func(_ context.Context, s *beaker.Session) { _ = s.SetCookieAttributes(s.CookieAttributes()) },
	"Destroy":             func(ctx context.Context, s *beaker.Session) { _ = s.Destroy(ctx) },
	"Invalidate":          func(ctx context.Context, s *beaker.Session) { _ = s.Invalidate(ctx) },
	"Persist":             func(ctx context.Context, s *beaker.Session) { _ = s.Persist(ctx) },
	"MarshalText":         func(_ context.Context, s *beaker.Session) { _, _ = s.MarshalText() }, // never fails
}

// outcome is what becomes of a request whose handler answers 200 all the same.
type outcome struct {
	status int
	event  beaker.EventName // which tells the programmer or the operator; none: all is well
}

// forgets runs f in a request that says 200.
func (a *app) forgets(b *browser, f func(w http.ResponseWriter, r *http.Request, s *beaker.Session)) int {
	return b.do(a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := a.Get(r.Context())
		f(w, r, s)
		_, _ = io.WriteString(w, "welcome")
	}))).Code
}

func (a *app) expect(status int, want outcome) {
	a.t.Helper()
	if status != want.status {
		a.t.Errorf("%d, want %d", status, want.status)
	}
	for _, name := range []beaker.EventName{beaker.EventMisuse, beaker.EventLate, beaker.EventStoreError} {
		if n := len(a.events.named(name)); (n > 0) != (name == want.event) {
			a.t.Errorf("%s %d times, want %q: %v", name, n, want.event, a.events.all)
		}
	}
}

func TestEveryMethodThatReturnsAnErrorMayBeForgotten(t *testing.T) {
	session, failing := reflect.TypeFor[*beaker.Session](), reflect.TypeFor[error]()
	for i := range session.NumMethod() {
		m := session.Method(i)
		if n := m.Type.NumOut(); n > 0 && m.Type.Out(n-1) == failing && m.Name != "Err" && forgetful[m.Name] == nil {
			t.Errorf("nobody says here what a forgotten error of %s does", m.Name)
		}
	}

	down := func(string) error { return errors.New("down") }
	misuse, late, failed := outcome{500, beaker.EventMisuse}, outcome{200, beaker.EventLate}, outcome{503, beaker.EventStoreError}
	type calls = func(t *testing.T, a *app, b *browser, forget func(ctx context.Context, s *beaker.Session)) int
	for way, c := range map[string]struct {
		calls calls
		want  map[string]outcome // those that are not here are answered 200, and nothing is lost
	}{
		"after Destroy": {func(t *testing.T, a *app, b *browser, forget func(context.Context, *beaker.Session)) int {
			return a.forgets(b, func(_ http.ResponseWriter, r *http.Request, s *beaker.Session) {
				must(t, s.Destroy(r.Context()))
				forget(r.Context(), s)
			})
		}, map[string]outcome{"SetSubject": misuse, "Regenerate": misuse, "SetCookieAttributes": misuse}},

		// SetSubject signs in, in a new session; Regenerate: the old cookie opens nothing as it is.
		"with a cookie that was replaced a moment ago": {func(t *testing.T, a *app, b *browser, forget func(context.Context, *beaker.Session)) int {
			old := b.clone()
			b.do(a.session(func(s *beaker.Session, _ *http.Request) { must(t, s.Regenerate()) }))
			return a.forgets(old, func(_ http.ResponseWriter, r *http.Request, s *beaker.Session) { forget(r.Context(), s) })
		}, map[string]outcome{"SetCookieAttributes": {status: 409}, "Destroy": {status: 409}, "Invalidate": {status: 409}}},

		"when the store is down, which Get has said": {func(_ *testing.T, a *app, b *browser, forget func(context.Context, *beaker.Session)) int {
			a.store.breaks(down)
			return a.forgets(b, func(_ http.ResponseWriter, r *http.Request, s *beaker.Session) { forget(r.Context(), s) })
		}, map[string]outcome{
			"SetSubject": failed, "Regenerate": failed, "SetCookieAttributes": failed, "Destroy": failed, "Invalidate": failed,
			"Persist": {200, beaker.EventStoreError}, "MarshalText": {200, beaker.EventStoreError}, // nothing is lost
		}},

		"when the store fails after Get": {func(_ *testing.T, a *app, b *browser, forget func(context.Context, *beaker.Session)) int {
			return a.forgets(b, func(_ http.ResponseWriter, r *http.Request, s *beaker.Session) {
				a.store.breaks(down)
				s.Set("k", 2)
				forget(r.Context(), s)
			})
		}, map[string]outcome{
			"SetSubject": failed, "Regenerate": failed, "SetCookieAttributes": failed, "Destroy": failed, "Invalidate": failed,
			"Persist": failed, "MarshalText": failed, // which k needs
		}},

		// The end of the request tries once more.
		"when the store fails once": {func(_ *testing.T, a *app, b *browser, forget func(context.Context, *beaker.Session)) int {
			return a.forgets(b, func(_ http.ResponseWriter, r *http.Request, s *beaker.Session) {
				a.store.breaks(down)
				s.Set("k", 2)
				forget(r.Context(), s)
				a.store.breaks(nil)
			})
		}, map[string]outcome{
			"Destroy": {200, beaker.EventStoreError}, "Invalidate": {200, beaker.EventStoreError}, "Persist": {200, beaker.EventStoreError},
		}},

		// What needs no cookie is done, and what else is changed is saved.
		"after the headers": {func(t *testing.T, a *app, b *browser, forget func(context.Context, *beaker.Session)) int {
			var ended bool
			status := a.forgets(b, func(w http.ResponseWriter, r *http.Request, s *beaker.Session) {
				_, _ = io.WriteString(w, "welcome")
				s.Set("late", 1)
				forget(r.Context(), s)
				ended = !s.Has("late")
			})
			b.do(a.session(func(s *beaker.Session, _ *http.Request) {
				if s.Has("late") == ended {
					t.Errorf("ended %v, keys %v", ended, s.Keys())
				}
			}))
			return status
		}, map[string]outcome{"SetSubject": late, "Regenerate": late, "SetCookieAttributes": late}},
	} {
		for method, forget := range forgetful {
			t.Run(method+" "+way, func(t *testing.T) {
				a, b := newApp(t, stores["memory"](t)), newBrowser(t)
				b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
				want, ok := c.want[method]
				if !ok {
					want.status = http.StatusOK
				}
				a.t = t
				a.expect(c.calls(t, a, b, forget), want)
			})
		}
	}
}

// A logout after the headers, in a stream: no answer can tell that it failed, so it is
// tried once more.
func TestALogoutAfterTheHeadersIsTriedOnceMore(t *testing.T) {
	for _, method := range []string{"Destroy", "Invalidate"} {
		for desc, left := range map[string]bool{"the store is back": false, "the store is still down": true} {
			t.Run(method+", "+desc, func(t *testing.T) {
				a, b := newApp(t, stores["memory"](t)), newBrowser(t)
				signIn(t, a, b)
				status := a.forgets(b, func(w http.ResponseWriter, r *http.Request, s *beaker.Session) {
					_, _ = io.WriteString(w, "welcome")
					a.store.breaks(func(string) error { return errors.New("down") })
					forgetful[method](r.Context(), s)
					if !left {
						a.store.breaks(nil)
					}
				})
				a.expect(status, outcome{200, beaker.EventStoreError})
				a.store.breaks(nil)
				if subject, _, _ := subjectOf(a, b); (subject != "") != left {
					t.Errorf("signed in as %q", subject)
				}
			})
		}
	}
}

// Inside Update it is Update that says so, and saves nothing.
func TestWhatUpdateRefusesMayBeForgotten(t *testing.T) {
	for method, forget := range forgetful {
		if method == "MarshalText" {
			continue // it is possible
		}
		t.Run(method, func(t *testing.T) {
			a, b := newApp(t, stores["memory"](t)), newBrowser(t)
			signIn(t, a, b)
			b.do(a.session(func(s *beaker.Session, r *http.Request) {
				if err := a.Update(r.Context(), func(u *beaker.Session) error {
					u.Set("k", 2)
					forget(r.Context(), u)
					return nil
				}); !errors.Is(err, beaker.ErrInUpdate) {
					t.Errorf("Update: %v", err)
				}
			}))
			b.do(a.session(func(s *beaker.Session, _ *http.Request) {
				if v, _ := s.Get("k"); v != int64(1) || s.Subject() != "user 1" {
					t.Errorf("k is %v, subject %q", v, s.Subject())
				}
			}))
		})
	}
}

// invalid are calls that no session grants.
var invalid = map[string]func(s *beaker.Session) error{
	"a subject that is none":          func(s *beaker.Session) error { return s.SetSubject("\n") },
	"a grace of an hour":              func(s *beaker.Session) error { return s.Regenerate(beaker.Grace(time.Hour)) },
	"attributes that browsers refuse": func(s *beaker.Session) error { return s.SetCookieAttributes(beaker.CookieAttributes{Path: "x"}) },
}

// Who forgets to look is told, and what was meant for the new subject is not given to the
// one before. Who looks says what the answer is.
func TestARefusalThatIsForgottenAndOneThatIsNot(t *testing.T) {
	redirects := func(c *beaker.Config) {
		c.ErrorHandler = func(w http.ResponseWriter, r *http.Request, _ error) {
			http.Redirect(w, r, "/oops", http.StatusSeeOther)
		}
	}
	type handler = func(a *app, w http.ResponseWriter, r *http.Request, s *beaker.Session, err error)
	for way, c := range map[string]struct {
		do             handler
		status, misuse int
		saved          bool
	}{
		"forgotten": {func(_ *app, _ http.ResponseWriter, _ *http.Request, s *beaker.Session, err error) {
			if !errors.Is(s.Err(), err) {
				t.Errorf("Err is %v, not %v", s.Err(), err)
			}
		}, http.StatusSeeOther, 1, false},
		"passed to Error": {func(a *app, w http.ResponseWriter, r *http.Request, _ *beaker.Session, err error) {
			a.Error(w, r, err)
		}, http.StatusSeeOther, 1, true},
		"answered": {func(_ *app, w http.ResponseWriter, _ *http.Request, _ *beaker.Session, _ error) {
			w.WriteHeader(http.StatusBadRequest)
		}, http.StatusBadRequest, 0, true},
		"reverted": {func(_ *app, _ http.ResponseWriter, _ *http.Request, s *beaker.Session, _ error) {
			s.Revert()
			s.Set("role", "admin")
		}, http.StatusOK, 0, true},
		"answered, with a value that was refused too": {func(_ *app, w http.ResponseWriter, _ *http.Request, s *beaker.Session, _ error) {
			s.Set("f", func() {})
			w.WriteHeader(http.StatusBadRequest)
		}, http.StatusSeeOther, 1, false},
	} {
		for what, refused := range invalid {
			for kind, change := range kinds {
				t.Run(what+", "+way+", "+kind, func(t *testing.T) {
					a, b := newApp(t, stores["memory"](t), change, redirects), newBrowser(t)
					b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
					status := a.forgets(b, func(w http.ResponseWriter, r *http.Request, s *beaker.Session) {
						err := refused(s)
						if err == nil {
							t.Error("accepted")
						}
						s.Set("role", "admin")
						c.do(a, w, r, s, err)
					})
					if n := len(a.events.named(beaker.EventMisuse)); status != c.status || n != c.misuse {
						t.Errorf("%d, want %d; told %d times, want %d", status, c.status, n, c.misuse)
					}
					b.do(a.session(func(s *beaker.Session, _ *http.Request) {
						if s.Has("role") != c.saved || !s.Has("k") || s.Subject() != "" {
							t.Errorf("subject %q, %v", s.Subject(), s.Keys())
						}
					}))
				})
			}
		}
	}
}

// A session from Lookup has no response: Persist says what was refused before.
func TestPersistAfterWhatALookupRefuses(t *testing.T) {
	a, b := newApp(t, stores["memory"](t)), newBrowser(t)
	signIn(t, a, b)
	h := handleOf(a, b)
	for method, forget := range forgetful {
		if method == "Destroy" || method == "Persist" || method == "MarshalText" {
			continue // these are possible
		}
		s, err := a.Lookup(t.Context(), h)
		must(t, err)
		forget(t.Context(), s)
		s.Set("note", method)
		if err := s.Persist(t.Context()); err == nil || !errors.Is(s.Err(), err) {
			t.Errorf("%s: Persist %v, Err %v", method, err, s.Err())
		}
	}
}
