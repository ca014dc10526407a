package beaker_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker"
)

// Who makes a mistake sees "Internal Server Error" in the browser, since errors are not
// for visitors. So the log must say what it was, without an Observer too.
func TestAMistakeOfTheApplicationIsLogged(t *testing.T) {
	for _, c := range []struct {
		desc   string
		change func(a *app, s *beaker.Session, w http.ResponseWriter, r *http.Request)
		status int
		want   string
	}{
		{"a value that does not encode", func(_ *app, s *beaker.Session, _ http.ResponseWriter, _ *http.Request) {
			s.Set("user", func() {})
		}, 500, `value \"user\" does not encode: json: unsupported type: func()`},
		{"a struct of which nothing would be kept", func(_ *app, s *beaker.Session, _ http.ResponseWriter, _ *http.Request) {
			type user struct{ name string }
			s.Set("user", user{"fred"})
		}, 500, `value \"user\" does not encode: beaker_test.user has no exported field, so that nothing of it would be kept`},
		{"a name that is not one", func(_ *app, s *beaker.Session, _ http.ResponseWriter, _ *http.Request) {
			s.Set("\xff", 1)
		}, 500, "invalid value name"},
		{"too much", func(_ *app, s *beaker.Session, _ http.ResponseWriter, _ *http.Request) {
			s.Set("photo", strings.Repeat("x", 100_000))
		}, 500, "session too large: "},
		{"a change after Destroy", func(_ *app, s *beaker.Session, _ http.ResponseWriter, r *http.Request) {
			_ = s.Destroy(r.Context())
			s.AddFlash("good bye")
		}, 500, "session destroyed (use Invalidate to go on with a new one)"},
		{"a timeout that no session can have", func(_ *app, s *beaker.Session, _ http.ResponseWriter, _ *http.Request) {
			s.SetIdleTimeout(30)
		}, 500, "invalid timeout: idle 30ns"},
		{"a subject that is none, passed to Error", func(a *app, s *beaker.Session, w http.ResponseWriter, r *http.Request) {
			a.Error(w, r, s.SetSubject(strings.Repeat("u", 256)))
		}, 500, "invalid subject"},
		{"a change after the first write", func(_ *app, s *beaker.Session, w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "hello")
			s.Set("cart", 1)
		}, 200, `level=WARN msg=session.late cookie=__Host-session detail=cart error="beaker: the response headers are out: change the session before`},
	} {
		t.Run(c.desc, func(t *testing.T) {
			logged := logging(t)
			a := newApp(t, stores["memory"](t), func(cfg *beaker.Config) { cfg.Observer = nil })
			h := a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s, err := a.Get(r.Context())
				must(t, err)
				c.change(a, s, w, r)
			}))
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			if w.Code != c.status || !strings.Contains(logged.String(), c.want) || strings.Count(logged.String(), "\n") != 1 {
				t.Errorf("%d; the log is\n%s", w.Code, logged)
			}
			if c.status == 500 && !strings.Contains(logged.String(), "level=WARN msg=session.misuse") {
				t.Errorf("the log is\n%s", logged)
			}
		})
	}
}

func TestAMissingMiddlewareIsLogged(t *testing.T) {
	for _, c := range []struct {
		desc   string
		status int
		h      func(a *app) http.HandlerFunc
	}{
		{"the error is answered", 500, func(a *app) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				_, err := a.Get(r.Context())
				a.Error(w, r, err)
			}
		}},
		{"the error is ignored", 200, func(a *app) http.HandlerFunc {
			return func(_ http.ResponseWriter, r *http.Request) {
				s, _ := a.Get(r.Context())
				s.Set("k", 1)
			}
		}},
	} {
		t.Run(c.desc, func(t *testing.T) {
			logged := logging(t)
			a := newApp(t, stores["memory"](t), func(cfg *beaker.Config) { cfg.Observer = nil })
			w := httptest.NewRecorder()
			c.h(a)(w, httptest.NewRequest("GET", "/", nil))
			if w.Code != c.status || !strings.Contains(logged.String(), "not wrapped by this Manager's Wrap") || strings.Count(logged.String(), "\n") != 1 {
				t.Errorf("%d; the log is\n%s", w.Code, logged)
			}
		})
	}
}

// Both managers would take the other's cookie for their own.
func TestNestedManagersWithOneCookieAreLogged(t *testing.T) {
	outer, inner := newApp(t, stores["memory"](t)), newApp(t, stores["memory"](t))
	other := newApp(t, stores["memory"](t), func(cfg *beaker.Config) { cfg.Cookie.Name = "__Host-other" })
	h := outer.Wrap(other.Wrap(inner.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for _, a := range []*app{outer, other, inner} {
			_, err := a.Get(r.Context())
			must(t, err)
		}
	}))))
	for range 2 {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	}
	told := inner.events.named(beaker.EventMisuse)
	if len(told) != 1 || !strings.Contains(told[0].Err.Error(), "same cookie") {
		t.Errorf("the inner manager told %v", told)
	}
	if n := len(outer.events.named(beaker.EventMisuse)) + len(other.events.named(beaker.EventMisuse)); n != 0 {
		t.Errorf("the others told %d events", n)
	}
}

// A stranger must not be able to fill the log, nor an outage to look like a mistake.
func TestWhatClientsAndStoresCauseIsNoMistake(t *testing.T) {
	a := newApp(t, stores["memory"](t))
	b := newBrowser(t)
	b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
	f := a.fly(b, nothing, func(s *beaker.Session, _ *http.Request) { s.Set("k", 2) })
	b.do(a.session(func(s *beaker.Session, r *http.Request) { must(t, s.Destroy(r.Context())) }))
	if w := f.land(); w.Code != http.StatusConflict {
		t.Errorf("a session that ended: %d", w.Code)
	}
	a.store.breaks(func(string) error { return errors.New("down") })
	if w := b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) })); w.Code != http.StatusServiceUnavailable {
		t.Errorf("a store that is down: %d", w.Code)
	}
	a.Error(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), beaker.ErrNotFound)
	if n := len(a.events.named(beaker.EventMisuse)); n != 0 {
		t.Errorf("%d events, want none: %v", n, a.events.all)
	}
}

// logging catches what goes to the default logger.
func logging(t *testing.T) *bytes.Buffer {
	t.Helper()
	var logged bytes.Buffer
	old := slog.Default()
	t.Cleanup(func() { slog.SetDefault(old) })
	slog.SetDefault(slog.New(slog.NewTextHandler(&logged, nil)))
	return &logged
}

func TestWrapOfANilManagerSaysWhy(t *testing.T) {
	defer func() {
		if p := fmt.Sprint(recover()); !strings.Contains(p, "look at the error that came with it from New") {
			t.Errorf("the panic is %q", p)
		}
	}()
	var none *beaker.Manager
	none.Wrap(http.NotFoundHandler())
}
