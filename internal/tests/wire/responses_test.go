package wire_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

// CA-1, CA-3, CA-4, CA-6: however the response begins and whatever the handler says of
// caches, what carries the session's cookie is stored by none.
func TestAResponseWithTheCookieIsNotStored(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		n := w.node(beaker.NewSecret())
		content := strings.Repeat("content ", 1000)
		for desc, c := range map[string]struct {
			begin  func(w http.ResponseWriter, r *http.Request)
			status int
		}{
			"public": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Cache-Control", "public, s-maxage=600") }, 200},
			"two lines": {func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Cache-Control"] = []string{"public", "max-age=9"}
			}, 200},
			"stricter": {func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Cache-Control", "private, no-store, max-age=0")
			}, 200},
			"early hints": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Link", "x"); w.WriteHeader(103) }, 200},
			"redirect":    {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/next", http.StatusFound) }, 302},
			"an error":    {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusNotFound) }, 404},
			"no content":  {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, 204},
			"not changed": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) }, 304},
			"a part that there is not": {func(w http.ResponseWriter, r *http.Request) {
				r.Header.Set("Range", "bytes=99999-")
				w.Header().Set("Cache-Control", "public, max-age=600")
				http.ServeContent(w, r, "x.txt", time.Unix(1, 0), strings.NewReader(content)) // it deletes Cache-Control
			}, 416},
			"a file": {func(w http.ResponseWriter, r *http.Request) {
				http.ServeContent(w, r, "x.txt", time.Unix(1, 0), strings.NewReader(content))
			}, 200},
			"a flush": {func(w http.ResponseWriter, _ *http.Request) { _ = http.NewResponseController(w).Flush() }, 200}, // the response tells
		} {
			n.on("/begin", func(rw http.ResponseWriter, r *http.Request, s *beaker.Session) {
				s.Set("k", 1)
				c.begin(rw, r)
			})
			for _, method := range []string{"GET", "HEAD"} {
				got := n.ask(request{method: method, path: "/begin"})
				if got.status != c.status || len(got.cookies(usual)) != 1 || !slices.Contains(got.header["Vary"], "Cookie") {
					t.Errorf("%s %s: %d %v", method, desc, got.status, got.header)
				}
				cc := strings.Join(got.header["Cache-Control"], ", ")
				if want := map[bool]string{true: "private, no-store, max-age=0", false: "no-store"}[desc == "stricter"]; cc != want {
					t.Errorf("%s %s: Cache-Control is %q", method, desc, cc)
				}
				if method == "HEAD" && got.body != "" {
					t.Errorf("HEAD %s: a body", desc)
				}
			}
		}
	})
}

// CA-2: whatever depends on the session says so, also if it found none; what does not
// stays as cacheable as it was.
func TestVary(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		n := w.node(beaker.NewSecret())
		a := n.signIn("alice")
		n.on("/overwrites", func(rw http.ResponseWriter, _ *http.Request, s *beaker.Session) {
			rw.Header().Set("Vary", "Accept-Encoding")
			_ = s.Subject()
		})
		n.on("/304", func(rw http.ResponseWriter, _ *http.Request, _ *beaker.Session) {
			rw.WriteHeader(http.StatusNotModified)
		})
		for desc, c := range map[string]struct {
			path   string
			cookie []string
			later  time.Duration
			varies bool
		}{
			"read":                      {"/", []string{a}, 0, true},
			"touched":                   {"/", []string{a}, 2 * time.Minute, true},
			"looked for, and not found": {"/", nil, 0, true},
			"overwritten before":        {"/overwrites", []string{a}, 0, true},
			"not modified":              {"/304", []string{a}, 0, true},
			"not looked at":             {"/untouched", []string{a}, time.Hour, false},
			"not looked at, no cookie":  {"/untouched", nil, 0, false},
		} {
			n.clock.Advance(c.later)
			got := n.get(c.path, c.cookie...)
			if varies := slices.ContainsFunc(got.header["Vary"], func(l string) bool { return strings.Contains(l, "Cookie") }); varies != c.varies {
				t.Errorf("%s: Vary is %q", desc, got.header["Vary"])
			}
			if !c.varies && len(got.header["Set-Cookie"])+len(got.header["Cache-Control"]) != 0 {
				t.Errorf("%s: %v", desc, got.header)
			}
			n.clock.Advance(-c.later)
		}
	})
}

// CA-5: what is saved goes out with the first byte; what is too late is refused aloud; a
// panic and a timeout save nothing and send no cookie.
func TestTheCommit(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		n := w.node(beaker.NewSecret())
		a := n.signIn("alice")
		n.on("/stream", func(rw http.ResponseWriter, _ *http.Request, s *beaker.Session) {
			n.must(s.Regenerate())
			for i := range 3 {
				fmt.Fprintf(rw, "data: %d\n\n", i)
				n.must(http.NewResponseController(rw).Flush())
			}
			if err := s.Regenerate(); !errors.Is(err, beaker.ErrCommitted) {
				t.Errorf("after the headers: %v", err)
			}
			if err := s.SetSubject("mallory"); !errors.Is(err, beaker.ErrCommitted) {
				t.Errorf("after the headers: %v", err)
			}
		})
		got := n.get("/stream", a)
		if got.status != 200 || got.body != "data: 0\n\ndata: 1\n\ndata: 2\n\n" || len(got.cookies(usual)) != 1 {
			t.Errorf("a stream: %d %q %v", got.status, got.body, got.header)
		}
		a, _, _ = strings.Cut(got.cookies(usual)[0], ";")
		if who := n.get("/", a).body; who != "alice" {
			t.Errorf("after a stream: %q", who)
		}

		n.on("/panic", func(_ http.ResponseWriter, _ *http.Request, s *beaker.Session) {
			n.must(s.SetSubject("mallory"))
			panic(http.ErrAbortHandler)
		})
		if got := n.get("/panic", a); got.status != 0 {
			t.Errorf("a panic: %d %v", got.status, got.header)
		}
		n.on("/late-panic", func(rw http.ResponseWriter, _ *http.Request, s *beaker.Session) {
			_, _ = io.WriteString(rw, "x") // the client sees
			n.must(http.NewResponseController(rw).Flush())
			s.Set("late", 1)
			panic(http.ErrAbortHandler)
		})
		if got := n.get("/late-panic", a); !got.broken || len(got.header["Set-Cookie"]) != 0 {
			t.Errorf("a late panic: %+v", got)
		}
		n.on("/timeout", func(rw http.ResponseWriter, r *http.Request, s *beaker.Session) {
			http.TimeoutHandler(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				inner, err := n.Get(r.Context())
				n.must(err)
				n.must(inner.SetSubject("mallory"))
				<-r.Context().Done()
			}), time.Millisecond, "timeout").ServeHTTP(rw, r)
		})
		if got := n.get("/timeout", a); got.status != 503 || len(got.header["Set-Cookie"]) != 0 {
			t.Errorf("a timeout: %d %v", got.status, got.header)
		}
		if who := n.get("/", a).body; who != "alice" {
			t.Errorf("afterwards: %q", who)
		}
	})
}

// OU-1, OU-2, RV-4: with the store down nobody is a stranger and nobody is signed in: 503,
// and no cookie of any kind.
func TestTheStoreIsDown(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		n := w.node(beaker.NewSecret())
		a := n.signIn("alice")
		n.faults.Down(nil)
		for _, path := range []string{"/", "/set", "/in?who=bob", "/out"} {
			got := n.get(path, a)
			if got.status != 503 || got.header.Get("Retry-After") == "" || len(got.header["Set-Cookie"]) != 0 {
				t.Errorf("%s: %d %v", path, got.status, got.header)
			}
		}
		n.faults.Up()
		n.faults.Fail(sessiontest.OpCreate, sessiontest.Every, errors.New("down"))
		if got := n.get("/in?who=bob"); w.kind == "stored" && (got.status != 503 || len(got.header["Set-Cookie"]) != 0) {
			t.Errorf("a sign-in that could not be stored: %d %v", got.status, got.header)
		}
		n.faults.Clear()
		if who := n.get("/", a).body; who != "alice" {
			t.Errorf("afterwards: %q", who)
		}
	})
}
