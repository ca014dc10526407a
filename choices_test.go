package beaker_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// A page that asks by itself does not keep an empty room signed in, and may write.
func TestNoTouchOfOneRequest(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
		applied := a.store.apply.Load()
		for range 5 {
			a.clock.Advance(5 * time.Minute)
			b.do(a.session(func(s *beaker.Session, _ *http.Request) {
				if v, ok := s.Get("k"); !ok || v != int64(1) {
					t.Fatal("the session is gone", v)
				}
				s.NoTouch()
			}))
		}
		if n := a.store.apply.Load() - applied; n != 0 {
			t.Errorf("polling wrote %d times", n)
		}
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			s.NoTouch()
			s.Set("polled", true)
		}))
		b.do(a.session(func(s *beaker.Session, r *http.Request) {
			s.NoTouch()
			must(t, a.Update(r.Context(), func(s *beaker.Session) error { s.Set("updated", true); return nil }))
		}))
		a.clock.Advance(6 * time.Minute) // 31 since the last use
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if !s.IsNew() {
				t.Errorf("polling kept the session alive: last used %v", s.LastAccessed())
			}
		}))
	})
}

// What one user did on a machine is not for the next one to see.
func TestAnotherSubjectFindsNothing(t *testing.T) {
	for name, save := range map[string]beaker.SavePolicy{"on change": beaker.SaveOnChange, "explicit": beaker.SaveExplicit} {
		t.Run(name, func(t *testing.T) {
			eachStore(t, func(t *testing.T, a *app) {
				b := newBrowser(t)
				keys := func() (keys []string) {
					b.do(a.session(func(s *beaker.Session, _ *http.Request) { keys = s.Keys() }))
					return keys
				}
				visit := func(f func(s *beaker.Session)) {
					b.do(a.session(func(s *beaker.Session, _ *http.Request) { f(s) }))
				}
				visit(func(s *beaker.Session) { s.Set("cart", 1); s.Save() })
				visit(func(s *beaker.Session) { must(t, s.SetSubject("alice")) })
				visit(func(s *beaker.Session) { s.Set("address", "here"); s.AddFlash("for alice"); s.Save() })
				if got := keys(); !slices.Equal(got, []string{"address", "cart"}) {
					t.Fatalf("alice has %v", got)
				}
				visit(func(s *beaker.Session) { must(t, s.SetSubject("alice")) }) // her rights have changed
				if got := keys(); !slices.Equal(got, []string{"address", "cart"}) {
					t.Fatalf("alice, again, has %v", got)
				}
				visit(func(s *beaker.Session) {
					s.Set("too early", 1)
					must(t, s.SetSubject("bob"))
					if got := s.Keys(); len(got) != 0 {
						t.Errorf("at once bob sees %v", got)
					}
					s.Set("his", 1)
					s.Save()
				})
				if got := keys(); !slices.Equal(got, []string{"his"}) {
					t.Errorf("bob has %v", got)
				}
				visit(func(s *beaker.Session) {
					if got := s.Flashes(); len(got) != 0 {
						t.Errorf("bob reads %v", got)
					}
					must(t, s.SetSubject("")) // and nothing is saved with SaveExplicit
				})
				if got := keys(); len(got) != 0 {
					t.Errorf("after bob: %v", got)
				}
			}, func(c *beaker.Config) { c.Save = save })
		})
	}
}

func TestRevertTakesBackTheWipe(t *testing.T) {
	a := newApp(t, stores["memory"](t))
	b := newBrowser(t)
	b.do(a.session(func(s *beaker.Session, _ *http.Request) { must(t, s.SetSubject("alice")); s.Set("k", 1) }))
	b.do(a.session(func(s *beaker.Session, _ *http.Request) { must(t, s.SetSubject("bob")); s.Revert() }))
	b.do(a.session(func(s *beaker.Session, _ *http.Request) {
		if s.Subject() != "alice" || !s.Has("k") {
			t.Errorf("%q, %v", s.Subject(), s.Keys())
		}
	}))
}

type notice struct{ Level, Text string }

func TestFlashesOfOneType(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			s.AddFlash(notice{"info", "one"})
			s.AddFlash("text")
			s.AddFlash(notice{"warning", "two"})
		}))
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if got := beaker.FlashesOf[notice](s); !slices.Equal(got, []notice{{"info", "one"}, {"warning", "two"}}) {
				t.Errorf("%v", got)
			}
			if got := beaker.FlashesOf[notice](s); len(got) != 0 {
				t.Errorf("again: %v", got)
			}
		}))
		if events := a.events.named(beaker.EventBadValue); len(events) != 2 || events[0].Detail != "flash" {
			t.Errorf("the text was no event: %v", events)
		}
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if got := s.Flashes(); len(got) != 1 || got[0] != "text" {
				t.Errorf("what is of another type did not stay: %v", got)
			}
		}))
	})
}

// A struct without exported fields would come back empty.
func TestAValueThatWouldLoseItselfIsRefused(t *testing.T) {
	type hidden struct{ name string }
	type half struct {
		Name string
		age  int
	}
	type embedding struct{ half }
	for name, c := range map[string]struct {
		v  any
		ok bool
	}{
		"hidden fields":           {hidden{"fred"}, false},
		"a pointer to them":       {&hidden{"fred"}, false},
		"some exported":           {half{"fred", 7}, true},
		"an embedded struct":      {embedding{half{"fred", 7}}, true},
		"an empty struct":         {struct{}{}, true},
		"a time":                  {start, true},
		"a pointer to a time":     {&start, true},
		"nil":                     {nil, true},
		"a nil pointer to hidden": {(*hidden)(nil), false},
		"an error":                {http.ErrNoCookie, false},
	} {
		_, err := beaker.JSON{}.Encode(c.v)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && !strings.Contains(err.Error(), "exported field") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSecretsAreMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "secrets")
	ids := make([]string, 8)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			s, err := beaker.OpenSecrets(path)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = s.IDs()[0]
		})
	}
	all.Wait()
	if slices.Sort(ids); len(slices.Compact(ids)) != 1 {
		t.Errorf("processes that started at once have several secrets: %v", ids)
	}
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(files) != 1 {
		t.Errorf("what is left: %v, %v", files, err)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(path, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := beaker.OpenSecrets(path); err == nil {
		t.Error("a damaged file was replaced, and everybody signed out")
	}
	if _, err := beaker.OpenSecrets(filepath.Join(path, "below-a-file")); err == nil {
		t.Error("no error where no file can be made")
	}
	if _, err := beaker.SecretsFromFile(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("SecretsFromFile makes none: %v", err)
	}
}

func TestNoValueIsNoOutage(t *testing.T) {
	if got := beaker.StatusOf(beaker.ErrNoValue); got != http.StatusInternalServerError {
		t.Errorf("status %d", got)
	}
}
