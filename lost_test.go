package beaker_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/internal/leaks"
)

// Answers that nobody gets, and what they must not do.

// gone serves a request whose client leaves while the handler runs.
func (a *app) gone(b *browser, f func(s *beaker.Session, r *http.Request)) *httptest.ResponseRecorder {
	a.t.Helper()
	ctx, leave := context.WithCancel(context.Background())
	w := httptest.NewRecorder()
	a.session(func(s *beaker.Session, r *http.Request) { leave(); f(s, r) }).ServeHTTP(w, b.request().WithContext(ctx))
	leaks.Response(a.t, w.Header(), w.Body.Bytes())
	return w
}

// alice signs in, as the handler of a form does.
func alice(t *testing.T) func(s *beaker.Session, r *http.Request) {
	return func(s *beaker.Session, _ *http.Request) { must(t, s.SetSubject("alice")) }
}

// Somebody clicks "sign in" twice. The browser drops the first request, and sends the
// second with the cookie from before.
func TestASecondClickOnSignInSignsIn(t *testing.T) {
	for kind, change := range kinds {
		t.Run(kind, func(t *testing.T) {
			a := newApp(t, stores["memory"](t), change)
			b := newBrowser(t)
			b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("cart", 3) }))
			if w := a.gone(b, alice(t)); w.Code != http.StatusServiceUnavailable || len(setCookies(w)) != 0 {
				t.Errorf("the answer that nobody gets: %d, %v", w.Code, setCookies(w))
			}
			b.do(a.session(alice(t)))
			b.do(a.session(func(s *beaker.Session, _ *http.Request) {
				if s.Subject() != "alice" || !s.Has("cart") {
					t.Errorf("subject %q, %v", s.Subject(), s.Keys())
				}
			}))
			if n := len(a.events.named(beaker.EventAuthenticate)); n != 1 {
				t.Errorf("signed in %d times", n)
			}
		})
	}
}

// The first answer was on its way already when the browser dropped it.
func TestASecondClickAfterTheFirstWasAnswered(t *testing.T) {
	for kind, change := range kinds {
		t.Run(kind, func(t *testing.T) {
			a := newApp(t, stores["memory"](t), change)
			b := newBrowser(t)
			b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("cart", 3) }))
			first := b.clone()
			first.do(a.session(alice(t)))

			// What was refused before stays refused aloud.
			w := b.clone().do(a.session(func(s *beaker.Session, _ *http.Request) {
				s.Set("seen", true)
				if err := s.SetSubject("alice"); !errors.Is(err, beaker.ErrEnded) {
					t.Errorf("SetSubject after a Set that was refused: %v", err)
				}
			}))
			if w.Code != http.StatusConflict {
				t.Errorf("a change that was refused: %d", w.Code)
			}
			// Nobody is signed out by it, and nobody else's cookie is taken away.
			if w := b.clone().do(a.session(func(s *beaker.Session, _ *http.Request) {
				if err := s.SetSubject(""); !errors.Is(err, beaker.ErrEnded) {
					t.Errorf("signing out with a replaced cookie: %v", err)
				}
			})); len(setCookies(w)) != 0 {
				t.Errorf("a cookie: %v", setCookies(w))
			}

			w = b.do(a.session(func(s *beaker.Session, _ *http.Request) {
				must(t, s.SetSubject("alice"))
				s.Set("greeted", true)
			}))
			if w.Code != http.StatusOK || len(setCookies(w)) != 1 {
				t.Errorf("the second click: %d, %v", w.Code, setCookies(w))
			}
			for who, b := range map[string]*browser{"the second": b, "the first": first} {
				b.do(a.session(func(s *beaker.Session, _ *http.Request) {
					if s.Subject() != "alice" || s.Has("cart") != (who == "the first") || s.Has("greeted") != (who == "the second") {
						t.Errorf("%s: subject %q, %v", who, s.Subject(), s.Keys())
					}
				}))
			}
		})
	}
}

// A sign-in that goes on in a session of its own cannot outrun a revocation either.
func TestASecondClickIsRevokedWithTheFirst(t *testing.T) {
	for kind, change := range kinds {
		a := newApp(t, stores["memory"](t), change)
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("cart", 3) }))
		b.clone().do(a.session(alice(t)))
		late := a.fly(b, nothing, alice(t))
		_, err := a.RevokeAll(t.Context(), "alice")
		must(t, err)
		if w := late.land(); w.Code != http.StatusConflict || len(setCookies(w)) != 0 {
			t.Errorf("%s: %d, %v", kind, w.Code, setCookies(w))
		}
	}
}

// Without a cookie that would reach nobody, what the client has asked for is done.
func TestANewSecretWaitsForAClient(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
		before := b.cookie
		a.gone(b, func(s *beaker.Session, _ *http.Request) {
			s.Set("k", 2)
			must(t, s.Regenerate())
		})
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if v, _ := s.Get("k"); v != int64(2) || b.cookie != before {
				t.Errorf("k is %v", v)
			}
		}))
		creations := len(a.events.named(beaker.EventCreate))
		a.gone(newBrowser(t), func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) })
		a.gone(newBrowser(t), func(s *beaker.Session, r *http.Request) {
			s.Set("k", 1)
			if err := s.Persist(r.Context()); !errors.Is(err, context.Canceled) {
				t.Errorf("Persist of a new session: %v", err)
			}
			s.Revert()
		})
		a.gone(b, func(s *beaker.Session, r *http.Request) {
			must(t, s.SetSubject("u"))
			if err := s.Persist(r.Context()); !errors.Is(err, context.Canceled) {
				t.Errorf("Persist of a sign-in: %v", err)
			}
		})
		if n := len(a.events.named(beaker.EventCreate)); n != creations {
			t.Errorf("%d sessions were made that nobody can open", n-creations)
		}
		if who, code, _ := subjectOf(a, b); who != "" || code != http.StatusOK {
			t.Errorf("%q, %d", who, code)
		}
	})
}

// The client leaves, and http.TimeoutHandler answers while the handler is at work.
func TestAClientThatLeavesATimeoutHandler(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("balance", 100) }))
		half, goOn, over := make(chan struct{}), make(chan struct{}), make(chan struct{})
		h := a.Wrap(http.TimeoutHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			defer close(over)
			s, err := a.Get(r.Context())
			must(t, err)
			s.Set("balance", 0)
			close(half)
			<-goOn
			s.Set("order", "paid")
		}), 1<<40, ""))
		ctx, leave := context.WithCancel(t.Context())
		answered := make(chan int, 1)
		go func() {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, b.request().WithContext(ctx))
			answered <- w.Code
		}()
		<-half
		leave()
		if code := <-answered; code != http.StatusServiceUnavailable {
			t.Errorf("status %d", code)
		}
		close(goOn)
		<-over
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if v, _ := s.Get("balance"); v != int64(100) || s.Has("order") {
				t.Errorf("half of it was saved: balance %v, %v", v, s.Keys())
			}
		}))
	})
}

// The time that Update is given is not the request's.
func TestTheDeadlineOfAnUpdateIsItsOwn(t *testing.T) {
	for desc, first := range map[string]bool{"Update is the first": true, "after Get": false} {
		a := newApp(t, stores["memory"](t))
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("n", 0) }))
		w := b.do(a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !first {
				_, _ = a.Get(r.Context())
			}
			ctx, cancel := context.WithTimeout(r.Context(), 1<<40)
			defer cancel()
			must(t, a.Update(ctx, func(s *beaker.Session) error { s.Set("n", 1); return nil }))
			_, ok, err := a.Take(ctx, "n")
			if err != nil || !ok {
				t.Errorf("Take: %v %v", ok, err)
			}
			ended, end := context.WithDeadline(r.Context(), a.clock.Now().AddDate(-60, 0, 0))
			defer end()
			_ = a.Update(ended, func(*beaker.Session) error { return nil })
			s, err := a.Get(r.Context())
			must(t, err)
			s.Set("order", "paid")
			fmt.Fprintln(w, "paid")
		})))
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if w.Code != http.StatusOK || !s.Has("order") {
				t.Errorf("%s: %d, saved %v", desc, w.Code, s.Keys())
			}
		}))
	}
}

// A handler panics after Persist or Destroy, and a middleware around Wrap answers.
func TestAPanicAfterPersistBringsTheCookie(t *testing.T) {
	a := newApp(t, stores["memory"](t))
	recoverer := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
				http.Error(w, "sorry", http.StatusInternalServerError)
			}()
			next.ServeHTTP(w, r)
		})
	}
	b := newBrowser(t)
	w := b.do(recoverer(a.session(func(s *beaker.Session, r *http.Request) {
		must(t, s.SetSubject("alice"))
		must(t, s.Persist(r.Context()))
		s.Set("half", 1)
		panic("boom")
	})))
	if w.Code != http.StatusInternalServerError {
		t.Errorf("status %d", w.Code)
	}
	b.do(a.session(func(s *beaker.Session, _ *http.Request) {
		if s.Subject() != "alice" || s.Has("half") {
			t.Errorf("subject %q, %v", s.Subject(), s.Keys())
		}
	}))
	b.do(recoverer(a.session(func(s *beaker.Session, r *http.Request) {
		must(t, s.Destroy(r.Context()))
		panic("boom")
	})))
	if b.cookie != "" {
		t.Error("the browser keeps the cookie of a session that has ended")
	}
	if w := b.do(recoverer(a.session(func(*beaker.Session, *http.Request) { panic("boom") }))); len(setCookies(w)) != 0 {
		t.Errorf("a cookie: %v", setCookies(w))
	}
}

// An observer panics while the response begins. The cookie is decided by then.
func TestAPanicOfTheObserverLosesNoCookie(t *testing.T) {
	var once bool
	a := newApp(t, stores["memory"](t), func(c *beaker.Config) {
		c.Observer = beaker.ObserverFunc(func(_ context.Context, e beaker.Event) {
			if e.Name == beaker.EventRegenerate && !once {
				once = true
				panic("observer")
			}
		})
	})
	b := newBrowser(t)
	b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
	b.do(a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := a.Get(r.Context())
		must(t, err)
		must(t, s.SetSubject("alice"))
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
			http.Error(w, "sorry", http.StatusInternalServerError)
		}()
		fmt.Fprintln(w, "welcome")
	})))
	if who, _, _ := subjectOf(a, b); who != "alice" {
		t.Errorf("subject %q", who)
	}
}

// A store panics while the session is saved: nobody knows whether it was, so nobody is
// told that it was.
func TestAPanicOfTheStoreIsNotASave(t *testing.T) {
	a := newApp(t, stores["memory"](t))
	b := newBrowser(t)
	b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
	a.store.breaks(func(op string) error {
		if op == "apply" {
			panic("driver")
		}
		return nil
	})
	w := b.do(a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := a.Get(r.Context())
		must(t, err)
		s.Set("k", 2)
		func() {
			defer func() { _ = recover() }()
			fmt.Fprintln(w, "saved")
		}()
		w.Header().Set("ETag", "x")
		for range 2 {
			if _, err := io.WriteString(w, "saved"); !errors.Is(err, beaker.ErrUncertain) {
				t.Errorf("Write: %v", err)
			}
		}
	})))
	if w.Code != http.StatusServiceUnavailable || bytes.Contains(w.Body.Bytes(), []byte("saved")) || w.Header().Get("ETag") != "" {
		t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
	}
}

// stays is a ResponseWriter whose connection cannot be taken over after all.
type stays struct{ http.ResponseWriter }

func (stays) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, errHijacked }

// A handler that could not take over the connection answers as any other.
func TestAHijackThatFailsLosesNothing(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		b := newBrowser(t)
		w := httptest.NewRecorder()
		a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, err := a.Get(r.Context())
			must(t, err)
			if _, _, err := w.(http.Hijacker).Hijack(); !errors.Is(err, errHijacked) {
				t.Errorf("Hijack: %v", err)
			}
			s.Set("poll", true)
			must(t, s.SetSubject("alice"))
			fmt.Fprintln(w, "saved")
		})).ServeHTTP(stays{w}, b.request())
		b.keep(w)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if s.Subject() != "alice" || !s.Has("poll") {
				t.Errorf("subject %q, %v", s.Subject(), s.Keys())
			}
		}))
	})
}

// What net/http and the middleware around Wrap look for on their request is there: the
// files of an upload, which somebody must remove, and the pattern.
func TestTheRequestAroundWrapKnowsWhatWasParsed(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	a := newApp(t, stores["memory"](t))
	mux := http.NewServeMux()
	mux.HandleFunc("POST /upload/{id}", func(_ http.ResponseWriter, r *http.Request) {
		must(t, r.ParseMultipartForm(1))
		if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
			t.Errorf("the upload is not in a file: %v %v", files, err)
		}
	})
	h := a.Wrap(a.Wrap(mux))
	pattern := make(chan string, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r)
		pattern <- r.Pattern
	}))
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("f", "f")
	must(t, err)
	_, err = part.Write(make([]byte, 11<<20)) // what is smaller stays in memory
	must(t, err)
	must(t, form.Close())
	resp, err := srv.Client().Post(srv.URL+"/upload/1", form.FormDataContentType(), &body)
	must(t, err)
	must(t, resp.Body.Close())
	if got := <-pattern; got != "POST /upload/{id}" {
		t.Errorf("pattern %q", got)
	}
	srv.Close() // waits for the request to end
	files, err := os.ReadDir(dir)
	must(t, err)
	if len(files) != 0 {
		t.Errorf("left behind: %v", files)
	}
}

// The page that is sent in place of the handler's may use the session.
func TestTheErrorHandlerGetsTheSession(t *testing.T) {
	var m *beaker.Manager
	var who string
	a := newApp(t, stores["memory"](t), func(c *beaker.Config) {
		c.ErrorHandler = func(w http.ResponseWriter, r *http.Request, err error) {
			s, gerr := m.Get(r.Context())
			if gerr != nil {
				t.Errorf("Get: %v", gerr)
			}
			who = s.Subject()
			http.Error(w, "sorry", beaker.StatusOf(err))
		}
	})
	m = a.Manager
	b := newBrowser(t)
	signIn(t, a, b)
	a.store.breaks(func(op string) error {
		if op == "apply" {
			return errors.New("down")
		}
		return nil
	})
	if w := b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) })); w.Code != http.StatusServiceUnavailable || who != "user 1" {
		t.Errorf("%d, %q", w.Code, who)
	}
	if e := a.events.named(beaker.EventMisuse); len(e) != 0 {
		t.Errorf("%v", e)
	}
}

// An ErrorHandler may leave what it does not answer itself to the default.
func TestTheErrorHandlerMayFallBack(t *testing.T) {
	var m *beaker.Manager
	a := newApp(t, stores["memory"](t), func(c *beaker.Config) {
		c.ErrorHandler = func(w http.ResponseWriter, r *http.Request, err error) {
			if errors.Is(err, beaker.ErrEnded) {
				http.Error(w, "sign in", http.StatusUnauthorized)
				return
			}
			m.Error(w, r, err)
		}
	})
	m = a.Manager
	b := newBrowser(t)
	signIn(t, a, b)
	a.store.breaks(func(string) error { return errors.New("down") })
	for desc, h := range map[string]http.Handler{
		"Require":  a.Require(http.NotFoundHandler()),
		"a commit": a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }),
		"Error, outside of Wrap": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			a.Error(w, r, errors.New("down"))
		}),
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, b.request())
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || w.Body.String() != "Service Unavailable\n" {
			t.Errorf("%s: %d %v %q", desc, w.Code, w.Header(), w.Body)
		}
	}
	w := httptest.NewRecorder()
	a.Error(w, b.request(), beaker.ErrInvalidName)
	if e := a.events.named(beaker.EventMisuse); w.Code != http.StatusInternalServerError || len(e) != 1 {
		t.Errorf("%d, told %d times", w.Code, len(e))
	}
}

// An observer that reads a value which does not decode is told of it once, and not of
// its own question again and again.
func TestAnObserverMayReadWhatDoesNotDecode(t *testing.T) {
	var m *beaker.Manager
	told := 0
	number := beaker.NewKey[int]("text")
	a := newApp(t, stores["memory"](t), func(c *beaker.Config) {
		c.Observer = beaker.ObserverFunc(func(ctx context.Context, e beaker.Event) {
			if e.Name != beaker.EventBadValue || m == nil {
				return
			}
			if told++; told > 50 {
				panic("it goes on for ever")
			}
			if s, err := m.Get(ctx); err == nil {
				number.Get(s)
			}
			if s, err := m.Lookup(ctx, e.Handle); err == nil {
				number.Get(s)
			}
			for info, err := range m.ListAll(ctx) {
				if err == nil {
					number.Get(info)
				}
			}
		})
	})
	b := newBrowser(t)
	b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("text", "x") }))
	m = a.Manager
	b.do(a.session(func(s *beaker.Session, _ *http.Request) { number.Get(s) }))
	if told != 1 {
		t.Errorf("told %d times", told)
	}
}

// A browser keeps a partitioned cookie beside one that is not.
func TestCookiesThatAreToBePartitioned(t *testing.T) {
	none := func(c *beaker.Config) { c.Cookie.SameSite = http.SameSiteNoneMode }
	before := newApp(t, stores["memory"](t), none)
	after := newApp(t, before.store.inner, none, func(c *beaker.Config) {
		c.Cookie.Partitioned, c.Secrets = true, before.secrets
	})
	b := newBrowser(t)
	b.do(before.session(func(s *beaker.Session, _ *http.Request) {
		s.Set("cart", 3)
		a := s.CookieAttributes()
		a.Partitioned = true
		var bad *beaker.ConfigError
		if err := s.SetCookieAttributes(a); !errors.As(err, &bad) || bad.Field != "Cookie.Partitioned" {
			t.Errorf("one cookie more of the same name was accepted: %v", err)
		}
	}))
	both := func(first, second string) *http.Request {
		r := httptest.NewRequest(http.MethodGet, "https://example.com/", nil)
		r.Header.Set("Cookie", b.name+"="+first+"; "+b.name+"="+second)
		return r
	}
	old := b.cookie
	b.do(after.session(alice(t)))
	for range 2 {
		for _, r := range []*http.Request{both(old, b.cookie), both(b.cookie, old)} {
			record(after.session(func(s *beaker.Session, _ *http.Request) {
				if s.Subject() != "alice" {
					t.Errorf("subject %q", s.Subject())
				}
			}), r)
		}
		b.do(after.session(func(s *beaker.Session, r *http.Request) {
			must(t, s.Invalidate(r.Context()))
			must(t, s.SetSubject("alice"))
		}))
	}
}
