package beaker_test

import (
	"net/http"
	"testing"

	"github.com/seed12c5fab1/beaker"
)

// What Update saves in a request that signs in is the new subject's: it is not open to
// the cookie that is about to be replaced, and does not go with what was another's.
func TestUpdateAfterSetSubject(t *testing.T) {
	for kind, change := range map[string]func(*beaker.Config){"stored": func(*beaker.Config) {}, "sealed": sealed} {
		for _, was := range []string{"", "alice"} {
			t.Run(kind+" after "+was, func(t *testing.T) {
				a := newApp(t, stores["memory"](t), change)
				b := newBrowser(t)
				b.do(a.session(func(s *beaker.Session, _ *http.Request) {
					must(t, s.SetSubject(was))
					s.Set("before", 1)
				}))
				old, other := b.clone(), b.clone()
				runs := 0
				b.do(a.session(func(s *beaker.Session, r *http.Request) {
					must(t, s.SetSubject("bob"))
					must(t, a.Update(r.Context(), func(u *beaker.Session) error {
						if runs++; runs == 1 {
							other.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("meanwhile", 1) }))
						}
						if u.Has("before") != (was == "") {
							t.Errorf("the view has %v", u.Keys())
						}
						u.Set("his", 1)
						return nil
					}))
					old.do(a.session(func(s *beaker.Session, _ *http.Request) {
						if s.Has("his") {
							t.Error("the cookie from before the sign-in opens what came with it")
						}
					}))
				}))
				want := 2
				if kind == "sealed" {
					want = 1 // nobody else has this copy
				}
				if runs != want {
					t.Errorf("fn was run %d times", runs)
				}
				b.do(a.session(func(s *beaker.Session, _ *http.Request) {
					if s.Subject() != "bob" || !s.Has("his") || s.Has("before") != (was == "") || s.Has("meanwhile") != (was == "" && kind == "stored") {
						t.Errorf("the session of %q has %v", s.Subject(), s.Keys())
					}
				}))
			})
		}
	}
}

// A panic of fn that somebody recovers from loses nothing that the request has set.
func TestAPanicInsideOfUpdate(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("stored", 1) }))
		b.do(a.session(func(s *beaker.Session, r *http.Request) {
			s.Set("pending", 1)
			func() {
				defer func() { _ = recover() }()
				_ = a.Update(r.Context(), func(u *beaker.Session) error { u.Set("half", 1); panic("boom") })
			}()
			must(t, a.Update(r.Context(), func(*beaker.Session) error { return nil })) // it is nobody's turn
		}))
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if !s.Has("pending") || s.Has("half") {
				t.Errorf("saved: %v", s.Keys())
			}
		}))
	})
}

// Flashes that are added inside of Update keep their place among the request's.
func TestFlashesOfAnUpdateKeepTheirPlace(t *testing.T) {
	a := newApp(t, stores["memory"](t))
	for range 20 { // by chance, the wrong order is the right one
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, r *http.Request) {
			s.AddFlash("1")
			must(t, a.Update(r.Context(), func(u *beaker.Session) error { u.AddFlash("2"); return nil }))
			s.AddFlash("3")
		}))
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if f := s.Flashes(); len(f) != 3 || f[0] != "1" || f[1] != "2" || f[2] != "3" {
				t.Error(f)
			}
		}))
	}
}
