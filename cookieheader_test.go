package beaker_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/internal/leaks"
)

// raw sends bytes as they are; net/http's client would tidy them up.
func raw(t *testing.T, server *httptest.Server, header string) (code int, h http.Header) {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n"+header+"\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	leaks.Response(t, resp.Header, body)
	return resp.StatusCode, resp.Header
}

// HP-1 to HP-4: raw Cookie headers, for a __Host- name and for a plain one, for stored
// and for sealed sessions.
func TestRawCookieHeaders(t *testing.T) {
	for kind, change := range map[string]func(*beaker.Config){"stored": func(*beaker.Config) {}, "sealed": sealed} {
		for _, name := range []string{"__Host-session", "sid"} {
			t.Run(kind+" "+name, func(t *testing.T) {
				a := newApp(t, stores["memory"](t), change, func(c *beaker.Config) { c.Cookie.Name = name })
				begin := func(subject string) string {
					w := httptest.NewRecorder()
					a.session(func(s *beaker.Session, _ *http.Request) { must(t, s.SetSubject(subject)) }).
						ServeHTTP(w, httptest.NewRequest(http.MethodGet, "https://example.com/", nil))
					c, err := http.ParseSetCookie(w.Header().Get("Set-Cookie"))
					if err != nil {
						t.Fatal(err)
					}
					return c.Value
				}
				v, other := begin("alice"), begin("bob")
				seen := make(chan string, 1)
				server := httptest.NewServer(a.session(func(s *beaker.Session, _ *http.Request) { seen <- s.Subject() }))
				defer server.Close()

				// of two, one is refused by its name's prefix, the other may be found out
				two := map[bool]string{true: "", false: "alice"}[strings.HasPrefix(name, "__Host-")]
				for _, c := range []struct {
					desc, header string
					want         string // whose session it opens
					code         int
				}{
					{"one cookie", "Cookie: " + name + "=" + v, "alice", 200},
					{"among others", "Cookie: a=1; " + name + "=" + v + "; b=2", "alice", 200},
					{"without spaces", "Cookie: a=1;" + name + "=" + v + ";b=2", "alice", 200},
					{"on the second line", "Cookie: a=1\r\nCookie: " + name + "=" + v, "alice", 200},
					{"with a planted one after it", "Cookie: " + name + "=" + v + "; " + name + "=planted", two, 200},
					{"with a planted one before it", "Cookie: " + name + "=planted; " + name + "=" + v, two, 200},
					{"with a planted one on a line before", "Cookie: " + name + "=planted\r\nCookie: " + name + "=" + v, two, 200},
					{"twice the same", "Cookie: " + name + "=" + v + "; " + name + "=" + v, two, 200},
					{"two genuine ones", "Cookie: " + name + "=" + v + "; " + name + "=" + other, "", 200},
					{"two genuine ones, the other way round", "Cookie: " + name + "=" + other + "; " + name + "=" + v, "", 200},
					{"five of them", "Cookie: " + strings.Repeat(name+"=x; ", 4) + name + "=" + v, "", 200},
					{"in quotes", "Cookie: " + name + `="` + v + `"`, "", 200},
					{"half quoted", "Cookie: " + name + `="` + v, "", 200},
					{"empty", "Cookie: " + name + "=", "", 200},
					{"bare", "Cookie: " + name, "", 200},
					{"no name", "Cookie: =" + name + "=" + v, "", 200},
					{"name in capitals", "Cookie: " + strings.ToUpper(name) + "=" + v, "", 200},
					{"name percent-encoded", "Cookie: %" + fmt.Sprintf("%x", name[0]) + name[1:] + "=" + v, "", 200},
					{"name after U+00A0", "Cookie: \u00a0" + name + "=" + v, "", 200},
					{"name after U+2000", "Cookie: \u2000" + name + "=" + v, "", 200},
					{"legacy version", "Cookie: $Version=1; " + name + "=" + v + "; $Path=/", "alice", 200},
					{"comma separated", "Cookie: a=1, " + name + "=" + v, "", 200},
					{"value percent-encoded", "Cookie: " + name + "=%" + fmt.Sprintf("%x", v[0]) + v[1:], "", 200},
					{"value with a space", "Cookie: " + name + "=" + v[:20] + " " + v[20:], "", 200},
					{"value with a comma", "Cookie: " + name + "=" + v + ",x", "", 200},
					{"value with a backslash", "Cookie: " + name + "=" + v + `\`, "", 200},
					{"value with a byte above 127", "Cookie: " + name + "=" + v + "\xff", "", 200},
					{"a NUL", "Cookie: " + name + "=" + v + "\x00", "", 400},
					{"other spelling of the end", "Cookie: " + name + "=" + v + "=", "", 200},
					{"in the query", "X: " + name + "=" + v, "", 200},
				} {
					code, h := raw(t, server, c.header+"\r\n")
					if code != c.code {
						t.Errorf("%s: status %d", c.desc, code)
					}
					if code != 200 {
						continue
					}
					if got := <-seen; got != c.want {
						t.Errorf("%s: opens %q, want %q", c.desc, got, c.want)
					}
					if len(h["Set-Cookie"]) != 0 {
						t.Errorf("%s: a read sent %v", c.desc, h["Set-Cookie"])
					}
				}
			})
		}
	}
}

// ID-6: not in the URL, not in a form.
func TestTheTokenIsTakenFromTheCookieOnly(t *testing.T) {
	a := newApp(t, stores["memory"](t))
	b := newBrowser(t)
	signIn(t, a, b)
	r := httptest.NewRequest(http.MethodPost, "https://example.com/?__Host-session="+b.cookie, strings.NewReader("__Host-session="+b.cookie))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", "Bearer "+b.cookie)
	a.session(func(s *beaker.Session, _ *http.Request) {
		if !s.IsNew() {
			t.Error("opened")
		}
	}).ServeHTTP(httptest.NewRecorder(), r)
}

// HP-5, DO-4: many cookies, one huge cookie: bounded work, no session.
func TestHugeCookieHeaders(t *testing.T) {
	for kind, change := range map[string]func(*beaker.Config){"stored": func(*beaker.Config) {}, "sealed": sealed} {
		a := newApp(t, stores["memory"](t), change)
		b := newBrowser(t)
		signIn(t, a, b)
		own := "__Host-session=" + b.cookie
		for desc, c := range map[string]struct{ header, want string }{
			"3000 pairs":              {strings.Repeat("a=1; ", 2999) + own, "user 1"},
			"3001 pairs":              {strings.Repeat("a=1; ", 3000) + own, ""},
			"one of 900 KB":           {"__Host-session=" + strings.Repeat("A", 900_000), ""},
			"one of 900 KB before it": {"big=" + strings.Repeat("A", 900_000) + "; " + own, "user 1"},
		} {
			h := a.session(func(s *beaker.Session, _ *http.Request) {
				if got := s.Subject(); got != c.want {
					t.Errorf("%s: %q", desc, got)
				}
			})
			r := httptest.NewRequest(http.MethodGet, "https://example.com/", nil)
			r.Header.Set("Cookie", c.header)
			var w *httptest.ResponseRecorder
			allocs := testing.AllocsPerRun(3, func() {
				w = httptest.NewRecorder()
				h.ServeHTTP(w, r)
			})
			if allocs > 100 {
				t.Errorf("%s, %s: %v allocations", kind, desc, allocs)
			}
			if hasSession(w.Header()) {
				t.Errorf("%s: %v", desc, w.Header())
			}
		}
	}
}

// HP-6: HTTP/2 sends a Cookie header in crumbs, one field for each pair.
func TestCookieCrumbs(t *testing.T) {
	a := newApp(t, stores["memory"](t))
	b := newBrowser(t)
	signIn(t, a, b)
	h := a.session(func(s *beaker.Session, r *http.Request) {
		if s.Subject() != "user 1" || r.ProtoMajor != 2 {
			t.Errorf("%q over %s", s.Subject(), r.Proto)
		}
	})
	server := httptest.NewUnstartedServer(h)
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	must(t, err)
	r.Header["Cookie"] = []string{"a=1; " + "__Host-session=" + b.cookie, "b=2"} // Go's client splits it
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	must(t, resp.Body.Close())
}

// CK-10: Secure is not guessed from the connection; hosts for development are named.
func TestSecureIsNotGuessed(t *testing.T) {
	a := newApp(t, stores["memory"](t), func(c *beaker.Config) { c.Cookie.InsecureHosts = []string{"dev.test", "::1", "192.0.2.1"} })
	for url, want := range map[string]string{
		"http://example.com/":      "__Host-session=; Path=/; Secure; HttpOnly; SameSite=Lax",
		"https://example.com/":     "__Host-session=; Path=/; Secure; HttpOnly; SameSite=Lax",
		"http://dev.test/":         "session=; Path=/; HttpOnly; SameSite=Lax",
		"http://DEV.test:8080/":    "session=; Path=/; HttpOnly; SameSite=Lax",
		"https://dev.test/":        "__Host-session=; Path=/; Secure; HttpOnly; SameSite=Lax",
		"http://dev.test.evil.io/": "__Host-session=; Path=/; Secure; HttpOnly; SameSite=Lax",
		"http://[::1]:8080/":       "session=; Path=/; HttpOnly; SameSite=Lax",
		"http://192.0.2.1/":        "session=; Path=/; HttpOnly; SameSite=Lax",
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, url, nil)
		a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }).ServeHTTP(w, r)
		line := w.Header().Get("Set-Cookie")
		name, rest, _ := strings.Cut(line, "=")
		value, attrs, _ := strings.Cut(rest, ";")
		if got := name + "=;" + attrs; got != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
		// And it is read again.
		r.Header.Set("Cookie", name+"="+value)
		a.session(func(s *beaker.Session, _ *http.Request) {
			if !s.Has("k") {
				t.Errorf("%s: the cookie does not come back", url)
			}
		}).ServeHTTP(httptest.NewRecorder(), r)
	}
	if n := len(a.events.named(beaker.EventCookie)); n != 1 {
		t.Errorf("%d warnings about a Secure cookie over plain HTTP, want one", n)
	}
}

// A cookie with two paths: both mean the session, whichever the browser sends first.
func TestTwoCookiesOfOneSession(t *testing.T) {
	for kind, change := range map[string]func(*beaker.Config){"stored": func(*beaker.Config) {}, "sealed": sealed} {
		a := newApp(t, stores["memory"](t), change, func(c *beaker.Config) { c.Cookie.Name = "sid" })
		b := newBrowser(t)
		b.name = "sid"
		do := func(f func(s *beaker.Session, _ *http.Request), cookie string) string {
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodGet, "https://example.com/", nil)
			r.Header.Set("Cookie", cookie)
			a.session(f).ServeHTTP(w, r)
			if c, err := http.ParseSetCookie(w.Header().Get("Set-Cookie")); err == nil {
				return "sid=" + c.Value
			}
			return ""
		}
		old := do(func(s *beaker.Session, _ *http.Request) { s.Set("k", "old") }, "x=1")
		change := func(s *beaker.Session, _ *http.Request) {
			s.Set("k", "new")
			if kind == "stored" {
				must(t, s.Regenerate())
			}
		}
		fresh := do(change, old)
		a.clock.Advance(5 * time.Second)
		for _, cookie := range []string{old + "; " + fresh, fresh + "; " + old} {
			do(func(s *beaker.Session, _ *http.Request) {
				if v, _ := s.Get("k"); v != "new" {
					t.Errorf("%s: k is %v", kind, v)
				}
			}, cookie)
		}
	}
}
