package wire_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

// DO-1: who only looks, and who signs out without being signed in, costs no record.
func TestAnonymousRequestsCreateNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		n := w.node(beaker.NewSecret())
		n.on("/clear", func(_ http.ResponseWriter, _ *http.Request, s *beaker.Session) { s.Clear(); s.Delete("k"); s.Flashes() })
		for i := range 500 {
			path := []string{"/", "/out", "/untouched", "/clear"}[i%4]
			var cookies []string
			if i%3 == 0 {
				cookies = []string{fmt.Sprintf("%s=%0112d", usual, i)}
			}
			if got := n.get(path, cookies...); got.status != 200 || len(got.cookies(usual)) != 0 && path != "/out" {
				t.Fatalf("%s: %d %q", path, got.status, got.header["Set-Cookie"])
			}
		}
		for _, op := range []sessiontest.Op{sessiontest.OpCreate, sessiontest.OpApply, sessiontest.OpDelete, sessiontest.OpLoad} {
			if c := n.faults.Count(op); c != 0 {
				t.Errorf("%d calls of %s", c, op)
			}
		}
	})
}

// DO-2, SR-2: what is too large or too deep is an error of the handler's request; the
// session stays as it was, and the server goes on.
func TestTooLarge(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		n := w.node(beaker.NewSecret())
		a := n.signIn("alice")
		keep := func(got response) {
			if lines := got.cookies(usual); len(lines) == 1 {
				a, _, _ = strings.Cut(lines[0], ";")
			}
		}
		keep(n.get("/set", a))
		for desc, f := range map[string]func(s *beaker.Session){
			"bytes": func(s *beaker.Session) { s.Set("fill", strings.Repeat("x", 64<<10)) },
			"keys": func(s *beaker.Session) {
				for i := range 257 {
					s.Set(fmt.Sprint(i), 1)
				}
			},
			"depth": func(s *beaker.Session) {
				s.Set("deep", json.RawMessage(strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)))
			},
			"a large map": func(s *beaker.Session) {
				m := map[int]int{}
				for i := range 100_000 {
					m[i] = i
				}
				s.Set("map", m)
			},
			"flashes":      func(s *beaker.Session) { s.AddFlash(strings.Repeat("hello", 64<<10/5)) },
			"a long name":  func(s *beaker.Session) { s.Set(strings.Repeat("n", 256), 1) },
			"not encoding": func(s *beaker.Session) { s.Set("f", func() {}) },
		} {
			n.on("/grow", func(_ http.ResponseWriter, _ *http.Request, s *beaker.Session) { s.Delete("k"); f(s) })
			if got := n.get("/grow", a); got.status != 500 || len(got.header["Set-Cookie"]) != 0 {
				t.Errorf("%s: %d %q", desc, got.status, got.header["Set-Cookie"])
			}
			n.on("/keys", func(rw http.ResponseWriter, _ *http.Request, s *beaker.Session) {
				fmt.Fprint(rw, s.Subject(), s.Keys())
			})
			if got := n.get("/keys", a); got.body != "alice[k]" {
				t.Errorf("%s: afterwards there is %q", desc, got.body)
			}
		}
	})
}

// SR-3, SR-5: nothing is compressed, so what is in a sealed session shows in its length
// alone.
func TestTheLengthOfACookieTellsTheLengthOnly(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		n := w.node(beaker.NewSecret())
		lengths := map[int]string{}
		for _, text := range []string{strings.Repeat("a", 1000), strings.Repeat("ab", 500), strings.Repeat("secret=7;", 112)[:1000], fmt.Sprintf("%01000d", 7)} {
			n.on("/fill", func(_ http.ResponseWriter, _ *http.Request, s *beaker.Session) { s.Set("k", text) })
			lines := n.get("/fill").cookies(usual)
			if len(lines) != 1 {
				t.Fatal(lines)
			}
			lengths[len(lines[0])] = text[:9]
		}
		if len(lengths) != 1 {
			t.Errorf("the lengths differ: %v", lengths)
		}
	})
}
