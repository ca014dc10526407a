package beaker_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// The numbers are those of docs/from-beaker.md.

// seal turns an app into one that keeps sessions in their cookies.
func sealed(c *beaker.Config) {
	c.Sealed = &beaker.Sealed{Revoker: c.Store}
	c.Store = nil
}

func TestBeaker02and30NothingWrittenNothingSent(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		w := newBrowser(t).do(a.session(func(s *beaker.Session, _ *http.Request) {
			s.Get("k")
			must(t, s.Regenerate()) // 30
		}))
		if hasSession(w.Header()) || a.store.calls() != 0 {
			t.Errorf("%v, %d calls", w.Header(), a.store.calls())
		}
	})
}

func TestBeaker03to06SaveAndPersist(t *testing.T) {
	explicit := func(c *beaker.Config) { c.Save = beaker.SaveExplicit }
	eachStore(t, func(t *testing.T, a *app) {
		b := newBrowser(t)
		if w := b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) })); hasSession(w.Header()) { // 3
			t.Error("saved without Save")
		}
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			s.Set("k", 1)
			s.Save()
			if a.store.create.Load() != 0 { // 4
				t.Error("Save stored at once")
			}
		}))
		if a.store.create.Load() != 1 {
			t.Error("not stored")
		}
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 2) }))
		b.do(a.session(func(s *beaker.Session, r *http.Request) {
			if v, _ := s.Get("k"); v != int64(1) {
				t.Errorf("k is %v", v)
			}
			s.Set("k", 3)
			before := a.store.apply.Load()
			must(t, s.Persist(r.Context())) // 6
			if a.store.apply.Load() != before+1 {
				t.Error("Persist did not store")
			}
		}))
		if n := a.store.apply.Load(); n != 1 {
			t.Errorf("%d writes, want the one of Persist", n)
		}
		// What ends or moves a session needs no Save.
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 4); must(t, s.SetSubject("u")) }))
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if v, _ := s.Get("k"); v != int64(3) || s.Subject() != "u" {
				t.Errorf("k is %v, subject %q", v, s.Subject())
			}
		}))
		// 5: Save on a new, empty session stores it.
		if w := newBrowser(t).do(a.session(func(s *beaker.Session, _ *http.Request) { s.Save() })); !hasSession(w.Header()) {
			t.Error("Save of an empty session stored nothing")
		}
	}, explicit)
}

func TestBeaker08CommitsOnce(t *testing.T) {
	a := newApp(t, stores["memory"](t))
	newBrowser(t).do(a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := a.Get(r.Context())
		must(t, err)
		s.Set("k", 1)
		w.WriteHeader(200)
		w.WriteHeader(500)
		_, _ = w.Write([]byte("x"))
	})))
	if n := a.store.calls(); n != 1 {
		t.Errorf("%d store calls", n)
	}
}

func TestBeaker11NoTouch(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
		a.clock.Advance(2 * time.Hour)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if !s.Has("k") || !s.AccessedAt().Equal(start) || !s.LastAccessed().Equal(start) {
				t.Errorf("accessed %v, last %v", s.AccessedAt(), s.LastAccessed())
			}
			if !s.IdleDeadline().IsZero() {
				t.Errorf("idle deadline %v", s.IdleDeadline())
			}
			must(t, s.Regenerate()) // 29
		}))
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if !s.Has("k") {
				t.Error("29: the session was lost")
			}
			if !s.LastAccessed().Equal(start.Add(2 * time.Hour)) {
				t.Errorf("last changed %v", s.LastAccessed())
			}
		}))
		if n := a.store.apply.Load(); n != 1 {
			t.Errorf("%d writes, want the one of Regenerate", n)
		}
	}, func(c *beaker.Config) { c.NoTouch, c.IdleTimeout = true, beaker.NoLimit })
}

func TestBeaker12and15NestedValuesAreCopies(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		b := newBrowser(t)
		list := []any{"a"}
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			s.Set("list", list)
			list[0] = "changed after Set"
		}))
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			v, _ := s.Get("list")
			v.([]any)[0] = "changed in place"
			s.Revert()
			if v, _ := s.Get("list"); v.([]any)[0] != "a" {
				t.Errorf("list is %v", v)
			}
		}))
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if v, _ := s.Get("list"); v.([]any)[0] != "a" {
				t.Errorf("list is %v", v)
			}
		}))
	})
}

func TestBeaker14Revert(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
		writes := a.store.apply.Load()
		w := b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			s.Set("k", 2)
			s.Set("bad", make(chan int))
			s.Delete("k")
			must(t, s.SetSubject("u"))
			s.Revert()
			if v, _ := s.Get("k"); v != int64(1) || s.Err() != nil || s.Subject() != "" {
				t.Errorf("k is %v, err %v, subject %q", v, s.Err(), s.Subject())
			}
		}))
		if a.store.apply.Load() != writes || hasSession(w.Header()) || w.Code != 200 {
			t.Error("something was saved")
		}
		// What is done stays done.
		b.do(a.session(func(s *beaker.Session, r *http.Request) {
			s.Set("k", 3)
			must(t, s.Persist(r.Context()))
			s.Set("k", 4)
			s.Revert()
			if v, _ := s.Get("k"); v != int64(3) {
				t.Errorf("k is %v", v)
			}
		}))
	})
}

func TestBeaker16Times(t *testing.T) {
	for _, change := range []func(*beaker.Config){func(*beaker.Config) {}, sealed} {
		a := newApp(t, stores["memory"](t), change)
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if !s.IsNew() || !s.LastAccessed().IsZero() || !s.CreatedAt().Equal(start) || !s.AccessedAt().Equal(start) {
				t.Error("new: ", s.LastAccessed(), s.CreatedAt(), s.AccessedAt())
			}
			s.Set("k", 1)
		}))
		a.clock.Advance(5 * time.Minute)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			now := start.Add(5 * time.Minute)
			if s.IsNew() || !s.LastAccessed().Equal(start) || !s.CreatedAt().Equal(start) || !s.AccessedAt().Equal(now) {
				t.Error("then: ", s.LastAccessed(), s.CreatedAt(), s.AccessedAt())
			}
			if !s.IdleDeadline().Equal(now.Add(30*time.Minute)) || !s.AbsoluteDeadline().Equal(start.Add(12*time.Hour)) {
				t.Error("deadlines: ", s.IdleDeadline(), s.AbsoluteDeadline())
			}
		}))
	}
}

func TestBeaker17TheStatusDoesNotMatter(t *testing.T) {
	a := newApp(t, stores["memory"](t))
	for _, code := range []int{404, 500, 302} {
		w := newBrowser(t).do(a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, err := a.Get(r.Context())
			must(t, err)
			s.Set("k", 1)
			w.WriteHeader(code)
		})))
		if w.Code != code || !hasSession(w.Header()) {
			t.Errorf("%d: %d %v", code, w.Code, w.Header())
		}
	}
}

func TestBeaker18Dictionary(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			for _, k := range []string{"c", "a", "b", "", "ü"} {
				s.Set(k, k)
			}
			s.AddFlash("not a value")
		}))
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			s.Set("d", 1)
			s.Delete("a")
			if got := strings.Join(s.Keys(), ","); got != ",b,c,d,ü" || s.Len() != 5 {
				t.Errorf("keys %q, len %d", got, s.Len())
			}
			var all []string
			for k, v := range s.All() {
				if k != "d" && v != k {
					t.Errorf("%q is %v", k, v)
				}
				all = append(all, k)
			}
			if strings.Join(all, ",") != ",b,c,d,ü" {
				t.Errorf("All: %q", all)
			}
			if v, ok := s.Pop("b"); !ok || v != "b" || s.Has("b") {
				t.Error("Pop")
			}
			if _, ok := s.Pop("b"); ok {
				t.Error("Pop of nothing")
			}
			if f := s.Flashes(); len(f) != 1 || f[0] != "not a value" {
				t.Errorf("flashes %v", f)
			}
			s.Clear()
			if s.Len() != 0 || len(s.Flashes()) != 0 {
				t.Error("Clear")
			}
			s.Set("last", 1)
		}))
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if got := strings.Join(s.Keys(), ","); got != "last" {
				t.Errorf("keys %q", got)
			}
		}))
		// LC-4: the package's own names are out of reach.
		for _, name := range []string{"\x00f", "\xff", strings.Repeat("x", 256)} {
			w := newBrowser(t).do(a.session(func(s *beaker.Session, _ *http.Request) {
				s.Set(name, 1)
				if !errors.Is(s.Err(), beaker.ErrInvalidName) {
					t.Errorf("Set(%.10q): %v", name, s.Err())
				}
			}))
			if w.Code != 500 {
				t.Errorf("status %d", w.Code)
			}
		}
	})
}

func TestBeaker19to23AfterDestroy(t *testing.T) {
	for kind, change := range map[string]func(*beaker.Config){"stored": func(*beaker.Config) {}, "sealed": sealed} {
		t.Run(kind, func(t *testing.T) {
			a := newApp(t, stores["memory"](t), change)
			b := newBrowser(t)
			var h beaker.Handle
			b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1); h = s.Handle() }))
			copied := b.clone()
			w := b.do(a.session(func(s *beaker.Session, r *http.Request) {
				must(t, s.Destroy(r.Context()))
				must(t, s.Destroy(r.Context()))
				if s.Len() != 0 || s.Handle() != h { // 56
					t.Errorf("after Destroy: %v %v", s.Keys(), s.Handle())
				}
			}))
			if w.Code != 200 || b.cookie != "" {
				t.Errorf("%d, cookie %q", w.Code, b.cookie)
			}
			if kind == "stored" { // 19
				if _, err := a.store.inner.Load(t.Context(), beaker.RecordKey(h)); !errors.Is(err, beaker.ErrNotFound) {
					t.Errorf("the record is still there: %v", err)
				}
			}
			a.clock.Advance(2 * time.Minute)
			copied.do(a.session(func(s *beaker.Session, _ *http.Request) { // 20, 57
				if !s.IsNew() || s.Len() != 0 || s.CreatedAt().IsZero() {
					t.Error("the copied cookie opens something")
				}
			}))
			created := a.store.create.Load()
			newBrowser(t).do(a.session(func(s *beaker.Session, r *http.Request) { must(t, s.Destroy(r.Context())) })) // 22
			if a.store.create.Load() != created {
				t.Error("22: Destroy of a new session stored something")
			}
			b = newBrowser(t)
			b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
			w = b.do(a.session(func(s *beaker.Session, r *http.Request) { // 23
				must(t, s.Destroy(r.Context()))
				s.Set("k", 2)
				if !errors.Is(s.Err(), beaker.ErrDestroyed) {
					t.Errorf("23: %v", s.Err())
				}
			}))
			if w.Code != 500 {
				t.Errorf("23: status %d", w.Code)
			}
		})
	}
}

func TestBeaker24to26and54Invalidate(t *testing.T) {
	for kind, change := range map[string]func(*beaker.Config){"stored": func(*beaker.Config) {}, "sealed": sealed} {
		t.Run(kind, func(t *testing.T) {
			a := newApp(t, stores["memory"](t), change, func(c *beaker.Config) { c.Cookie.Name = "__Secure-session" })
			b := newBrowser(t)
			b.name = "__Secure-session"
			cookie := func(h http.Header) *http.Cookie {
				for _, l := range h["Set-Cookie"] {
					if c, err := http.ParseSetCookie(l); err == nil && c.Name == b.name {
						return c
					}
				}
				return nil
			}
			begin := func() *http.Cookie {
				b.cookie = ""
				w := b.do(a.session(func(s *beaker.Session, _ *http.Request) {
					attrs := s.CookieAttributes()
					attrs.Path, attrs.Domain = "/admin", "example.com"
					must(t, s.SetCookieAttributes(attrs))
					s.Set("k", 1)
				}))
				c := cookie(w.Header())
				b.cookie = c.Value
				return c
			}
			old := begin()
			if old.Path != "/admin" || old.Domain != "example.com" {
				t.Errorf("attributes of its own: %v", old)
			}
			w := b.do(a.session(func(s *beaker.Session, r *http.Request) { // 25, 54
				must(t, s.Invalidate(r.Context()))
				if !s.IsNew() || s.Len() != 0 { // 31
					t.Error("not a new session")
				}
			}))
			if c := cookie(w.Header()); c == nil || c.MaxAge >= 0 || c.Path != "/admin" || c.Domain != "example.com" {
				t.Errorf("25: %v", c)
			}
			begin()
			stolen := b.clone()
			w = b.do(a.session(func(s *beaker.Session, r *http.Request) {
				must(t, s.Invalidate(r.Context()))
				s.Set("fresh", 1)
			}))
			if c := cookie(w.Header()); c == nil || c.Path != "/admin" || c.Domain != "example.com" || c.Value == stolen.cookie { // 26
				t.Errorf("26: %v", c)
			}
			a.clock.Advance(2 * time.Minute)
			stolen.do(a.session(func(s *beaker.Session, _ *http.Request) { // 24
				if s.Has("k") || s.Has("fresh") {
					t.Error("24: the old cookie still works")
				}
			}))
		})
	}
}

func TestBeaker27and28and55Regenerate(t *testing.T) {
	for kind, change := range map[string]func(*beaker.Config){"stored": func(*beaker.Config) {}, "sealed": sealed} {
		t.Run(kind, func(t *testing.T) {
			a := newApp(t, stores["memory"](t), change)
			b := newBrowser(t)
			var h beaker.Handle
			b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1); h = s.Handle() }))
			old := b.clone()
			b.do(a.session(func(s *beaker.Session, _ *http.Request) { must(t, s.Regenerate()) }))
			if b.cookie == old.cookie {
				t.Fatal("the cookie is the same")
			}
			b.do(a.session(func(s *beaker.Session, _ *http.Request) {
				if !s.Has("k") || s.IsNew() {
					t.Error("28: the data were lost")
				}
				if kind == "stored" && s.Handle() != h {
					t.Error("the handle changed")
				}
			}))
			old.do(a.session(func(s *beaker.Session, _ *http.Request) {
				if s.Has("k") {
					t.Error("27: the old cookie still works")
				}
			}))
		})
	}
}

func TestBeaker37TheSignatureCoversNameAndApplication(t *testing.T) {
	shared := secrets(t)
	one := newApp(t, stores["memory"](t), func(c *beaker.Config) { c.Secrets = shared; c.App = "one" })
	b := newBrowser(t)
	b.do(one.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
	for desc, change := range map[string]func(*beaker.Config){
		"another application": func(c *beaker.Config) { c.App = "two" },
		"another name":        func(c *beaker.Config) { c.App = "one"; c.Cookie.Name = "__Host-other" },
	} {
		other := newApp(t, one.store.inner, func(c *beaker.Config) { c.Secrets = shared; change(c) })
		swapped := b.clone()
		if desc == "another name" {
			swapped.name = "__Host-other"
		}
		loads := other.store.load.Load()
		swapped.do(other.session(func(s *beaker.Session, _ *http.Request) {
			if !s.IsNew() {
				t.Errorf("%s: accepted", desc)
			}
		}))
		if other.store.load.Load() != loads {
			t.Errorf("%s: reached the store", desc)
		}
	}
}

func TestBeaker39Lookup(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		b := newBrowser(t)
		var h beaker.Handle
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1); h = s.Handle() }))
		a.clock.Advance(20 * time.Minute)
		s, err := a.Lookup(t.Context(), h)
		must(t, err)
		if v, _ := s.Get("k"); v != int64(1) {
			t.Errorf("k is %v", v)
		}
		s.Set("note", "from support")
		must(t, s.Persist(t.Context()))
		if err := s.Regenerate(); err == nil {
			t.Error("a session without a response was given a new secret")
		}
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if !s.Has("note") {
				t.Error("the change did not arrive")
			}
			if !s.LastAccessed().Equal(start) {
				t.Error("a lookup counted as a use")
			}
		}))
		s, err = a.Lookup(t.Context(), h)
		must(t, err)
		must(t, s.Destroy(t.Context()))
		if _, err := a.Lookup(t.Context(), h); !errors.Is(err, beaker.ErrNotFound) {
			t.Errorf("after Destroy: %v", err)
		}
		b = newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1); h = s.Handle() }))
		a.clock.Advance(time.Hour)
		if _, err := a.Lookup(t.Context(), h); !errors.Is(err, beaker.ErrNotFound) {
			t.Errorf("after its timeout: %v", err)
		}
	})
}

func TestBeaker42and46TimedOut(t *testing.T) {
	for kind, change := range map[string]func(*beaker.Config){"stored": func(*beaker.Config) {}, "sealed": sealed} {
		a := newApp(t, stores["memory"](t), change)
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
		old := b.cookie
		a.clock.Advance(time.Hour)
		w := b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if !s.IsNew() || s.Len() != 0 {
				t.Errorf("%s: not new", kind)
			}
		}))
		if hasSession(w.Header()) {
			t.Errorf("%s: a cookie for a read", kind)
		}
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 2) }))
		if b.cookie == old {
			t.Errorf("%s: the old id is used again", kind)
		}
	}
}

func TestBeaker48and49Corrupt(t *testing.T) {
	a := newApp(t, stores["memory"](t), func(c *beaker.Config) { c.OnCorrupt = beaker.CorruptFails })
	b := newBrowser(t)
	b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
	for err, code := range map[error]int{errors.New("hiccup"): 503, beaker.ErrCorrupt: 500} {
		a.store.breaks(func(string) error { return err })
		if w := b.do(a.session(nothing)); w.Code != code || hasSession(w.Header()) {
			t.Errorf("%v: %d", err, w.Code)
		}
	}
}

func TestBeaker51AValueThatDoesNotEncode(t *testing.T) {
	for kind, change := range map[string]func(*beaker.Config){"stored": func(*beaker.Config) {}, "sealed": sealed} {
		a := newApp(t, stores["memory"](t), change)
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", "kept"); s.Set("other", 1) }))
		w := b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			s.Set("other", 2)
			s.Set("k", make(chan int))
			var ee *beaker.EncodeError
			if !errors.As(s.Err(), &ee) || ee.Name != "k" {
				t.Errorf("Err: %v", s.Err())
			}
			if v, _ := s.Get("k"); v != "kept" {
				t.Errorf("k is %v", v)
			}
		}))
		if w.Code != 500 {
			t.Errorf("%s: status %d", kind, w.Code)
		}
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if v, _ := s.Get("k"); v != "kept" {
				t.Errorf("%s: k is %v", kind, v)
			}
			if v, _ := s.Get("other"); v != int64(1) {
				t.Errorf("%s: other is %v: half of the request was saved", kind, v)
			}
		}))
	}
}

func TestBeaker58AnUnchangedSealedSessionIsNotSentAgain(t *testing.T) {
	a := newApp(t, stores["memory"](t), sealed)
	b := newBrowser(t)
	b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
	sent := 0
	for range 180 {
		a.clock.Advance(time.Second)
		if w := b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Get("k") })); hasSession(w.Header()) {
			sent++
		}
	}
	if sent != 3 {
		t.Errorf("sent %d times in three touch intervals", sent)
	}
}

func TestBeaker60CookieExpiry(t *testing.T) {
	at := start.Add(48 * time.Hour)
	for _, c := range []struct {
		expires beaker.Expiry
		maxAge  int
		slides  bool
	}{
		{beaker.ExpiresWithBrowser, 0, false},
		{beaker.ExpiresWithSession, 30 * 60, true},
		{beaker.ExpiresAfter(time.Hour), 3600, false},
		{beaker.ExpiresAt(at), 48 * 3600, false},
	} {
		for kind, change := range map[string]func(*beaker.Config){"stored": func(*beaker.Config) {}, "sealed": sealed} {
			a := newApp(t, stores["memory"](t), change, func(cfg *beaker.Config) { cfg.Cookie.Expires = c.expires })
			b := newBrowser(t)
			w := b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
			got, err := http.ParseSetCookie(setCookies(w)[0])
			must(t, err)
			if got.MaxAge != c.maxAge {
				t.Errorf("%s, %v: Max-Age %d", kind, c.expires, got.MaxAge)
			}
			if c.maxAge > 0 && !got.Expires.Equal(start.Add(time.Duration(c.maxAge)*time.Second)) {
				t.Errorf("%s, %v: Expires %v", kind, c.expires, got.Expires)
			}
			a.clock.Advance(2 * time.Minute)
			w = b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Get("k") }))
			if kind == "stored" && (len(setCookies(w)) > 0) != c.slides {
				t.Errorf("%v: slides %v", c.expires, len(setCookies(w)) > 0)
			}
		}
	}
	// TO-3: near its end the cookie does not outlive the session.
	a := newApp(t, stores["memory"](t), func(cfg *beaker.Config) {
		cfg.Cookie.Expires = beaker.ExpiresWithSession
		cfg.AbsoluteTimeout = time.Hour
	})
	b := newBrowser(t)
	b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
	a.clock.Advance(29 * time.Minute)
	b.do(a.session(nothing))
	a.clock.Advance(29*time.Minute + 500*time.Millisecond)
	w := b.do(a.session(nothing))
	got, err := http.ParseSetCookie(setCookies(w)[0])
	must(t, err)
	if got.MaxAge != 120 {
		t.Errorf("Max-Age %d two minutes before the end", got.MaxAge)
	}
}

func TestBeaker66AttributesAreChecked(t *testing.T) {
	a := newApp(t, stores["memory"](t), func(c *beaker.Config) { c.Cookie.Name = "__Secure-session" })
	for desc, bad := range map[string]beaker.CookieAttributes{
		"a header in the path":   {Path: "/\r\nSet-Cookie: x=y"},
		"an attribute in it":     {Path: "/; Domain=evil.example"},
		"a relative path":        {Path: "admin"},
		"an attribute in domain": {Domain: "example.com; Secure"},
		"no domain":              {Domain: "com"},
		"an address":             {Domain: "127.0.0.1"},
		"an unknown SameSite":    {SameSite: 17},
		"Partitioned and Lax":    {Partitioned: true},
		"two years":              {Expires: beaker.ExpiresAfter(2 * 365 * 24 * time.Hour)},
	} {
		w := httptest.NewRecorder()
		a.session(func(s *beaker.Session, _ *http.Request) {
			if err := s.SetCookieAttributes(bad); err == nil {
				t.Errorf("%s: accepted", desc)
			}
			s.Revert() // or the answer says that it was refused
			s.Set("k", 1)
		}).ServeHTTP(w, newBrowser(t).request())
		if got := w.Header()["Set-Cookie"]; len(got) != 1 || !strings.HasSuffix(got[0], "; Path=/; Secure; HttpOnly; SameSite=Lax") {
			t.Errorf("%s: %v", desc, got)
		}
	}
	host := newApp(t, stores["memory"](t))
	host.session(func(s *beaker.Session, _ *http.Request) {
		if err := s.SetCookieAttributes(beaker.CookieAttributes{Path: "/admin"}); err == nil {
			t.Error("a __Host- cookie with a path was accepted")
		}
	}).ServeHTTP(httptest.NewRecorder(), newBrowser(t).request())
}
