package beaker_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/internal/bubble"
	"github.com/seed12c5fab1/beaker/internal/leaks"
)

// rounds is how often a race is run; "make soak" asks for more.
func rounds(t *testing.T, few, many int) int {
	t.Helper()
	if os.Getenv("BEAKER_SOAK") != "" {
		return many
	}
	return few
}

// Promise 1. The allocations are asserted in TestAllocations.
func TestUntouchedIsFree(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
		before, events := a.store.calls(), len(a.events.all)
		crypto := fmt.Sprint(a.secrets.Usage())
		h := a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "public")
			_, _ = w.Write([]byte("static"))
		}))
		w := b.do(h)
		if n := a.store.calls() - before; n != 0 {
			t.Errorf("%d store calls", n)
		}
		if got := fmt.Sprint(a.secrets.Usage()); got != crypto {
			t.Errorf("cookies were opened or made: %s, before %s", got, crypto)
		}
		if len(a.events.all) != events {
			t.Errorf("events: %v", a.events.all[events:])
		}
		got := w.Result().Header
		if got.Get("Vary") != "" || got.Get("Set-Cookie") != "" || got.Get("Cache-Control") != "public" {
			t.Errorf("headers were added: %v", got)
		}
	})
}

// Promise 2, CC-2: the overlap is forced, each pair loads before either saves.
func TestOverlappingChangesOfDifferentKeysBothSurvive(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		for i := range rounds(t, 500, 10_000) {
			b := newBrowser(t)
			b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("init", i) }))
			set := func(k string) func(*beaker.Session, *http.Request) {
				return func(s *beaker.Session, _ *http.Request) { s.Set(k, i) }
			}
			load := func(s *beaker.Session, _ *http.Request) { s.Get("init") }
			one, two := a.fly(b.clone(), load, set("cart")), a.fly(b.clone(), load, set("theme"))
			var wg sync.WaitGroup
			for _, f := range []*inFlight{one, two} {
				wg.Go(func() {
					if w := f.land(); w.Code != http.StatusOK {
						t.Errorf("status %d", w.Code)
					}
				})
			}
			wg.Wait()
			b.do(a.session(func(s *beaker.Session, _ *http.Request) {
				if got := fmt.Sprint(s.Keys()); got != "[cart init theme]" {
					t.Fatalf("round %d: keys are %v", i, got)
				}
			}))
		}
	})
}

// Promise 2: the same key, the later commit wins.
func TestOfOneKeyTheLaterCommitWins(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", "old") }))
		one := a.fly(b.clone(), nothing, func(s *beaker.Session, _ *http.Request) { s.Set("k", "one") })
		two := a.fly(b.clone(), nothing, func(s *beaker.Session, _ *http.Request) { s.Set("k", "two") })
		two.land()
		one.land()
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if v, _ := s.Get("k"); v != "one" {
				t.Errorf("k is %v", v)
			}
		}))
	})
}

// Promise 2: Update is atomic.
func TestUpdateCountsExactly(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		const callers = 100
		count := beaker.NewKey[int]("count")
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { count.Set(s, 0) }))
		h := a.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			err := a.Update(r.Context(), func(s *beaker.Session) error {
				n, _ := count.Get(s)
				count.Set(s, n+1)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}))
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() { b.clone().do(h) })
		}
		wg.Wait()
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if n, _ := count.Get(s); n != callers {
				t.Errorf("counted %d of %d", n, callers)
			}
		}))
	})
}

// endings are the ways in which a session, or its old cookie, ends.
var endings = map[string]func(t *testing.T, a *app, b *browser, h beaker.Handle){
	"logout": func(t *testing.T, a *app, b *browser, _ beaker.Handle) {
		b.do(a.session(func(s *beaker.Session, r *http.Request) { must(t, s.Destroy(r.Context())) }))
	},
	"invalidate": func(t *testing.T, a *app, b *browser, _ beaker.Handle) {
		b.do(a.session(func(s *beaker.Session, r *http.Request) {
			must(t, s.Invalidate(r.Context()))
			s.Set("fresh", true)
		}))
	},
	"regenerate": func(t *testing.T, a *app, b *browser, _ beaker.Handle) {
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { must(t, s.Regenerate()) }))
	},
	"sign in": func(t *testing.T, a *app, b *browser, _ beaker.Handle) {
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { must(t, s.SetSubject("user 2")) }))
	},
	"revoke one": func(t *testing.T, a *app, _ *browser, h beaker.Handle) {
		must(t, a.Revoke(t.Context(), h))
	},
	"revoke all": func(t *testing.T, a *app, _ *browser, _ beaker.Handle) {
		n, err := a.RevokeAll(t.Context(), "user 1")
		must(t, err)
		if n < 1 {
			t.Errorf("revoked %d sessions", n)
		}
	},
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// Promise 3, CC-1, TE-1: each ending against a request in flight that does something.
func TestNothingInFlightBringsAnEndedSessionBack(t *testing.T) {
	flights := map[string]struct {
		do   func(s *beaker.Session, r *http.Request)
		code int // of the late response
	}{
		"reads":       {func(s *beaker.Session, _ *http.Request) { s.Get("k") }, 200},
		"writes":      {func(s *beaker.Session, _ *http.Request) { s.Set("late", true) }, 409},
		"regenerates": {func(s *beaker.Session, _ *http.Request) { _ = s.Regenerate() }, 200},
		"signs in":    {func(s *beaker.Session, _ *http.Request) { _ = s.SetSubject("mallory") }, 409},
		"limits":      {func(s *beaker.Session, _ *http.Request) { s.SetIdleTimeout(time.Hour) }, 409},
		"persists": {func(s *beaker.Session, r *http.Request) {
			s.Set("late", true)
			if err := s.Persist(r.Context()); !errors.Is(err, beaker.ErrEnded) {
				t.Errorf("Persist: %v", err)
			}
		}, 409},
	}
	eachStore(t, func(t *testing.T, a *app) {
		for ending, end := range endings {
			for flight, f := range flights {
				for _, touches := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s, a request %s, touch due %v", ending, flight, touches), func(t *testing.T) {
						a.clock.Advance(time.Second) // or the last round's revocation still counts
						b := newBrowser(t)
						var h beaker.Handle
						b.do(a.session(func(s *beaker.Session, _ *http.Request) {
							s.Set("k", 1)
							must(t, s.SetSubject("user 1"))
							h = s.Handle()
						}))
						stolen := b.clone()
						if touches {
							a.clock.Advance(2 * time.Minute)
						}
						late := a.fly(b.clone(), nothing, f.do)
						end(t, a, b, h)
						w := late.land()
						if w.Code != f.code {
							t.Errorf("the late response is %d, want %d", w.Code, f.code)
						}
						if c := setCookies(w); len(c) != 0 {
							t.Errorf("the late response has a session cookie: %q", c)
						}
						a.session(func(s *beaker.Session, _ *http.Request) {
							if s.Subject() != "" || s.Len() != 0 {
								t.Errorf("the old cookie opens %q with %v", s.Subject(), s.Keys())
							}
						}).ServeHTTP(httptest.NewRecorder(), stolen.request())
						b.do(a.session(func(s *beaker.Session, _ *http.Request) {
							if s.Has("late") || s.Subject() == "mallory" {
								t.Error("the late change arrived")
							}
						}))
					})
				}
			}
		}
	})
}

// Promise 3: two tabs regenerate at once. One wins, and both tabs go on.
func TestTwoTabsThatRegenerateAtOnceAreBothStillSignedIn(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		for _, grace := range []time.Duration{0, 10 * time.Second} {
			b := newBrowser(t) // the tabs share its cookie jar
			b.do(a.session(func(s *beaker.Session, _ *http.Request) { must(t, s.SetSubject("user 1")) }))
			regenerate := func(s *beaker.Session, _ *http.Request) { must(t, s.Regenerate(beaker.Grace(grace))) }
			one, two := a.fly(b, nothing, regenerate), a.fly(b, nothing, regenerate)
			w1, w2 := one.land(), two.land()
			if w1.Code != 200 || w2.Code != 200 {
				t.Fatalf("statuses %d and %d", w1.Code, w2.Code)
			}
			if n := len(setCookies(w1)) + len(setCookies(w2)); n != 1 {
				t.Errorf("%d cookies were sent, want 1", n)
			}
			b.do(a.session(func(s *beaker.Session, _ *http.Request) {
				if s.Subject() != "user 1" {
					t.Errorf("grace %v: the browser is signed in as %q", grace, s.Subject())
				}
			}))
		}
	})
}

// LC-3: in its grace the replaced cookie reads and writes, gets no cookie, and does not
// rotate; after it, it is dead.
func TestTheReplacedCookieInItsGrace(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
		old := b.clone()
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { must(t, s.Regenerate(beaker.Grace(30*time.Second))) }))
		for range 3 {
			w := httptest.NewRecorder()
			a.session(func(s *beaker.Session, _ *http.Request) {
				if v, _ := s.Get("k"); v != int64(1) {
					t.Errorf("in its grace the old cookie reads %v", v)
				}
				s.Set("late", "yes")
				must(t, s.Regenerate())
			}).ServeHTTP(w, old.request())
			if w.Code != 200 || len(setCookies(w)) != 0 {
				t.Errorf("in its grace: %d %v", w.Code, setCookies(w))
			}
		}
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if v, _ := s.Get("late"); v != "yes" {
				t.Errorf("what was written in the grace is %v", v)
			}
		}))
		a.clock.Advance(30 * time.Second)
		w := httptest.NewRecorder()
		a.session(func(s *beaker.Session, _ *http.Request) {
			if s.Has("k") {
				t.Error("after its grace the old cookie still reads")
			}
			s.Set("too", "late")
		}).ServeHTTP(w, old.request())
		if w.Code != http.StatusConflict || len(setCookies(w)) != 0 {
			t.Errorf("after its grace: %d %v", w.Code, setCookies(w))
		}
	})
}

// Promise 3: an anonymous request is slow, the visitor signs in meanwhile.
func TestASlowAnonymousRequestDoesNotSignAnybodyOut(t *testing.T) {
	for name, slow := range map[string]func(*beaker.Session, *http.Request){
		"that reads":  func(s *beaker.Session, _ *http.Request) { s.Get("k") },
		"that writes": func(s *beaker.Session, _ *http.Request) { s.Set("slow", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			eachStore(t, func(t *testing.T, a *app) {
				b := newBrowser(t)
				b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
				a.clock.Advance(5 * time.Minute) // a touch is due
				for _, early := range []bool{true, false} {
					var late *inFlight
					before := b.clone() // its request leaves the browser before the sign-in
					if early {          // and is loaded before it
						late = a.fly(before, slow, nothing)
					}
					b.do(a.session(func(s *beaker.Session, _ *http.Request) { must(t, s.SetSubject("user 1")) }))
					if !early { // or after it
						late = a.fly(before, slow, nothing)
					}
					if w := late.land(); len(setCookies(w)) != 0 {
						t.Errorf("the slow response would overwrite the cookie of the sign-in: %v", setCookies(w))
					}
					b.do(a.session(func(s *beaker.Session, _ *http.Request) {
						if s.Subject() != "user 1" {
							t.Errorf("signed in as %q", s.Subject())
						}
					}))
				}
			})
		})
	}
}

// Promise 4, ID-3, ID-4: nothing that a client makes up becomes an id.
func TestAnIDThatWasNotIssuedIsNeverUsed(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		b := newBrowser(t)
		write := a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) })
		b.do(write)
		genuine := b.cookie
		b.do(a.session(func(s *beaker.Session, r *http.Request) { must(t, s.Destroy(r.Context())) }))
		for desc, cookie := range map[string]string{
			"destroyed":    genuine,
			"empty":        "",
			"one letter":   "x",
			"plausible":    strings.Repeat("A", len(genuine)),
			"changed":      genuine[:50] + flip(genuine[50:51]) + genuine[51:],
			"cut":          genuine[:len(genuine)-1],
			"with a tail":  genuine + "A",
			"traversal":    "../../../etc/passwd",
			"wildcard":     "*",
			"very long":    strings.Repeat("A", 100_000),
			"other escape": strings.Replace(genuine, genuine[:1], "%41", 1),
		} {
			client := newBrowser(t)
			client.cookie = cookie
			loads := a.store.load.Load()
			w := client.do(write)
			if w.Code != 200 || len(setCookies(w)) != 1 || client.cookie == cookie || client.cookie == "" {
				t.Errorf("%s: %d %v", desc, w.Code, setCookies(w))
			}
			// The id is the part of the token that stays: 16 bytes after version and tag.
			if len(cookie) == len(genuine) && client.cookie[6:26] == cookie[6:26] {
				t.Errorf("%s: the new session has the id that the client sent", desc)
			}
			if n := a.store.load.Load() - loads; n != 0 && desc != "destroyed" {
				t.Errorf("%s: what is not genuine reached the store", desc)
			}
		}
		reasons := map[beaker.Reason]int{}
		for _, e := range a.events.named(beaker.EventReject) {
			reasons[e.Reason]++
		}
		if reasons[beaker.ReasonUnknown] != 1 || reasons[beaker.ReasonForged] != 1 || reasons[beaker.ReasonMalformed] < 5 {
			t.Errorf("reasons: %v", reasons)
		}
	})
}

func flip(c string) string {
	if c == "A" {
		return "B"
	}
	return "A"
}

// Promise 5, OU-1.
func TestAStoreThatFailsIsNotAnAnonymousVisitor(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { must(t, s.SetSubject("user 1")) }))
		cookie := b.cookie
		down := errors.New("connection refused")
		a.store.breaks(func(string) error { return down })

		var got error
		w := b.do(a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, err := a.Get(r.Context())
			if s2, err2 := a.Get(r.Context()); s2 != s || !errors.Is(err2, down) {
				t.Error("the second Get differs")
			}
			got = err
			s.Set("k", 1)
			if !errors.Is(s.Err(), beaker.ErrInert) || !errors.Is(s.Err(), down) {
				t.Errorf("Err is %v", s.Err())
			}
			a.Error(w, r, err)
		})))
		if !errors.Is(got, down) {
			t.Errorf("Get returned %v", got)
		}
		if w.Code != 503 || w.Header().Get("Retry-After") == "" || len(setCookies(w)) != 0 || strings.Contains(w.Body.String(), "refused") {
			t.Errorf("the answer: %d %v %q", w.Code, w.Header(), w.Body)
		}
		if w := b.do(a.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the handler ran") }))); w.Code != 503 {
			t.Errorf("Require: %d", w.Code)
		}
		if w := b.do(a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))); w.Code != 204 {
			t.Errorf("an untouched page: %d", w.Code)
		}
		a.store.breaks(nil)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if s.Subject() != "user 1" {
				t.Errorf("after the recovery: %q", s.Subject())
			}
		}))
		if b.cookie != cookie {
			t.Error("the cookie was changed")
		}
		if len(a.events.named(beaker.EventStoreError)) == 0 {
			t.Error("no event")
		}
	})
}

// Promise 6, OU-2: what cannot be stored is not acknowledged, whatever was sent.
func TestNothingIsAcknowledgedBeforeItIsStored(t *testing.T) {
	handlers := map[string]http.HandlerFunc{
		"a body": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "20")
			w.Header().Set("ETag", `"1"`)
			if n, err := w.Write([]byte(`{"secret account":1}`)); n != 0 || err == nil {
				panic(fmt.Sprint("Write: ", n, err))
			}
		},
		"a redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/welcome", http.StatusSeeOther) },
		"a status":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) },
		"nothing":    func(http.ResponseWriter, *http.Request) {},
		"a flush": func(w http.ResponseWriter, _ *http.Request) {
			if err := http.NewResponseController(w).Flush(); err == nil {
				panic("Flush succeeded")
			}
		},
		"a cookie of its own": func(w http.ResponseWriter, _ *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "cart", Value: "1"})
			w.Header().Set("Strict-Transport-Security", "max-age=1")
		},
	}
	operations := map[string]func(s *beaker.Session, r *http.Request){
		"create":     func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) },
		"sign in":    func(s *beaker.Session, _ *http.Request) { _ = s.SetSubject("u") },
		"apply":      func(s *beaker.Session, _ *http.Request) { s.Set("k", 2) },
		"regenerate": func(s *beaker.Session, _ *http.Request) { _ = s.Regenerate() },
		"logout": func(s *beaker.Session, r *http.Request) {
			if s.Destroy(r.Context()) == nil {
				panic("Destroy succeeded")
			}
		},
	}
	eachStore(t, func(t *testing.T, a *app) {
		for op, change := range operations {
			for desc, answer := range handlers {
				t.Run(op+" then "+desc, func(t *testing.T) {
					a.store.breaks(nil)
					b := newBrowser(t)
					if op != "create" {
						b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
					}
					cookie := b.cookie
					a.store.breaks(func(op string) error {
						if op == "load" {
							return nil
						}
						return errors.New("disk full")
					})
					w := b.do(a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						s, err := a.Get(r.Context())
						must(t, err)
						change(s, r)
						answer(w, r)
					})))
					if w.Code != 503 || w.Header().Get("Retry-After") == "" {
						t.Errorf("status %d", w.Code)
					}
					if w.Body.String() != "Service Unavailable\n" {
						t.Errorf("body %q", w.Body)
					}
					for _, h := range []string{"Location", "Content-Length", "Etag", "Set-Cookie"} {
						if v := w.Result().Header.Get(h); v != "" {
							t.Errorf("%s: %s was left over", h, v)
						}
					}
					if desc == "a cookie of its own" && w.Header().Get("Strict-Transport-Security") == "" {
						t.Error("a header that does not describe the representation was removed")
					}
					if b.cookie != cookie {
						t.Error("the cookie was changed")
					}
				})
			}
		}
	})
}

// Promise 7, TO-5, CC-3.
func TestAReadIsNotAWrite(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", "old") }))
		read := a.session(func(s *beaker.Session, _ *http.Request) { s.Get("k") })
		before := a.store.apply.Load()
		for range 60 {
			b.do(read)
			a.clock.Advance(time.Second)
		}
		if n := a.store.apply.Load() - before; n != 0 {
			t.Errorf("%d writes for reads within the touch interval", n)
		}
		for range 60 {
			b.do(read)
			a.clock.Advance(time.Second)
		}
		if n := a.store.apply.Load() - before; n != 1 {
			t.Errorf("%d touches in the second interval, want 1", n)
		}
		// A slow reader does not undo a write.
		a.clock.Advance(2 * time.Minute)
		slow := a.fly(b.clone(), func(s *beaker.Session, _ *http.Request) { s.Get("k") }, nothing)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", "new") }))
		slow.land()
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if v, _ := s.Get("k"); v != "new" {
				t.Errorf("a read has undone a write: %v", v)
			}
		}))
	})
}

// Promise 7: the last use is never put back.
func TestATouchNeverGoesBack(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
		a.clock.Advance(5 * time.Minute)
		slow := a.fly(b.clone(), nothing, nothing)
		a.clock.Advance(10 * time.Minute)
		b.do(a.session(nothing))
		slow.land()
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if got := s.LastAccessed(); !got.Equal(start.Add(15 * time.Minute)) {
				t.Errorf("last accessed %v", got)
			}
		}))
	})
}

// Promise 8, TO-1, TO-2, TM-3: the manager's clock decides, to the millisecond. The
// stores here keep the record; nothing but the deadlines can end it.
func TestDeadlinesAreOurs(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		b := newBrowser(t)
		alive := func() (yes bool) {
			a.session(func(s *beaker.Session, _ *http.Request) { yes = s.Has("k") }).ServeHTTP(httptest.NewRecorder(), b.request())
			return yes
		}
		begin := func() {
			b.cookie = ""
			b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
		}
		begin()
		a.clock.Advance(30*time.Minute - time.Millisecond)
		if !alive() {
			t.Error("ended before its idle timeout")
		}
		a.clock.Advance(30 * time.Minute)
		if alive() {
			t.Error("alive after its idle timeout")
		}
		begin()
		for range 12*60/29 + 1 {
			if !alive() {
				break
			}
			a.clock.Advance(29 * time.Minute)
		}
		begun := a.clock.Now()
		begin()
		for a.clock.Now().Before(begun.Add(12*time.Hour - 29*time.Minute)) {
			a.clock.Advance(20 * time.Minute)
			if a.clock.Now().Before(begun.Add(12*time.Hour)) && !alive() {
				t.Fatalf("in use, ended after %v", a.clock.Now().Sub(begun))
			}
		}
		a.clock.Advance(begun.Add(12*time.Hour).Sub(a.clock.Now()) - time.Millisecond)
		if !alive() {
			t.Error("in use, ended before its absolute deadline")
		}
		a.clock.Advance(time.Millisecond)
		if alive() {
			t.Error("in use, alive at its absolute deadline")
		}
	})
}

// Promise 9, ST-1, LG-1, H8: what opens a session is in no store, event, body or error.
func TestTheStoreIsNotAKeyRing(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		b := newBrowser(t)
		steps := []func(s *beaker.Session, r *http.Request){
			func(s *beaker.Session, _ *http.Request) { s.Set("k", "the value 4711") },
			func(s *beaker.Session, _ *http.Request) { must(t, s.SetSubject("user 1")) },
			func(s *beaker.Session, _ *http.Request) { must(t, s.Regenerate()) },
			func(s *beaker.Session, _ *http.Request) { s.Set("bad", func() {}) },
			func(s *beaker.Session, _ *http.Request) { s.Set("k", strings.Repeat("the value 4711", 10_000)) },
		}
		for _, step := range steps {
			b.do(a.session(step)) // which checks the response
		}
		for info, err := range a.List(t.Context(), "user 1") {
			must(t, err)
			leaks.Check(t, "the listing", fmt.Appendf(nil, "%v %+v %s", info, info, info.Handle()))
			rec, err := a.store.inner.Load(t.Context(), beaker.RecordKey(info.Handle()))
			must(t, err)
			dump, err := rec.AppendBinary(nil)
			must(t, err)
			leaks.Check(t, "the stored record", dump)
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
				leaks.Check(t, "the printed record", fmt.Appendf(nil, verb, rec))
			}
			// What is stored opens nothing.
			for _, stolen := range []string{info.Handle().String(), fmt.Sprintf("%x", dump)} {
				thief := newBrowser(t)
				thief.cookie = stolen
				thief.do(a.session(func(s *beaker.Session, _ *http.Request) {
					if !s.IsNew() {
						t.Error("what lies in the store opens a session")
					}
				}))
			}
		}
		for _, e := range a.events.all {
			leaks.Check(t, "an event", fmt.Appendf(nil, "%+v", e))
			if strings.Contains(fmt.Sprintf("%+v", e), "4711") {
				t.Errorf("a value is in an event: %+v", e)
			}
		}
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
				text := fmt.Sprintf(verb+" "+verb, s, a.Manager)
				leaks.Check(t, "the printed session", []byte(text))
				if strings.Contains(text, "4711") {
					t.Errorf("%s prints a value: %s", verb, text)
				}
			}
		}))
	})
}

// Promise 10, SR-6: one value, then one record, that does not decode.
func TestOneBadValueDoesNotLockAUserOut(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		b := newBrowser(t)
		n := beaker.NewKey[int]("n")
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("n", "not a number"); s.Set("k", 1) }))
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if v, ok := n.Get(s); ok || v != 0 {
				t.Errorf("Get: %v %v", v, ok)
			}
			var de *beaker.DecodeError
			if _, err := n.Lookup(s); !errors.As(err, &de) {
				t.Errorf("Lookup: %v", err)
			}
			if _, err := beaker.NewKey[int]("absent").Lookup(s); !errors.Is(err, beaker.ErrNoValue) {
				t.Errorf("Lookup of an absent value: %v", err)
			}
			if v, _ := s.Get("k"); v != int64(1) {
				t.Error("another value suffers")
			}
			if _, ok := n.Pop(s); ok || !s.Has("n") {
				t.Error("Pop removed what it could not read")
			}
		}))
		if len(a.events.named(beaker.EventBadValue)) == 0 {
			t.Error("no event for the value")
		}
		a.store.breaks(func(op string) error {
			if op == "load" {
				return fmt.Errorf("%w: torn", beaker.ErrCorrupt)
			}
			return nil
		})
		w := b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if !s.IsNew() || s.Len() != 0 {
				t.Error("a corrupt record was used")
			}
			s.Set("again", 1)
		}))
		if w.Code != 200 || len(setCookies(w)) != 1 {
			t.Errorf("%d %v", w.Code, setCookies(w))
		}
		if len(a.events.named(beaker.EventCorrupt)) != 1 {
			t.Error("no event for the record")
		}
		if a.store.delete.Load() != 0 {
			t.Error("the corrupt record was removed")
		}
		a.store.breaks(func(string) error { return beaker.ErrNewerFormat })
		if w := b.do(a.session(nothing)); w.Code != 503 || len(setCookies(w)) != 0 {
			t.Errorf("a record of a newer release: %d %v", w.Code, setCookies(w))
		}
	})
}

// Promise 11, DO-1.
func TestAnonymousVisitorsCreateNothing(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		for i := range 1000 {
			w := newBrowser(t).do(a.session(func(s *beaker.Session, r *http.Request) {
				s.Get("k")
				s.Delete("k")
				s.Flashes()
				s.Clear()
				_ = s.Handle()
				must(t, s.Regenerate())
				s.SetIdleTimeout(time.Hour)
				if i%2 == 0 {
					must(t, s.Destroy(r.Context()))
				} else if i%3 == 0 {
					must(t, s.Invalidate(r.Context()))
				}
			}))
			if len(setCookies(w)) != 0 {
				t.Fatal(setCookies(w))
			}
		}
		if n := a.store.calls(); n != 0 {
			t.Errorf("%d store calls", n)
		}
	})
}

// Promise 11: the janitor ends with Close, and purges what is expired.
func TestTheJanitorPurgesAndEndsOnClose(t *testing.T) {
	purged := make(chan int, 100)
	observer := beaker.ObserverFunc(func(_ context.Context, e beaker.Event) {
		if e.Name == beaker.EventPurge {
			purged <- e.Count
		}
	})
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, open(t), func(c *beaker.Config) { c.PurgeInterval = time.Millisecond; c.Observer = observer })
			b := newBrowser(t)
			b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
			a.clock.Advance(time.Hour)
			for n := 0; n == 0; {
				n = <-purged // the test's own time limit guards it
			}
			must(t, a.Close())
			for len(purged) > 0 {
				<-purged
			}
			must(t, a.Close())
			select {
			case <-purged:
				t.Error("the janitor works after Close")
			default:
			}
		})
	}
}

// The exact costs. The bare handler allocates nothing.
func TestAllocations(t *testing.T) {
	defer leaks.Pause()()
	a := newApp(t, stores["memory"](t))
	a.Manager.Close()
	b := newBrowser(t)
	uid, n := beaker.NewKey[string]("uid"), beaker.NewKey[int]("n")
	fill := func(s *beaker.Session, _ *http.Request) {
		uid.Set(s, "5f0c9a3e-7d0b-4b53-9d0a-0c6bb8b6f7de")
		n.Set(s, 1)
		s.Set("data", strings.Repeat("x", 140))
	}
	b.do(a.session(fill))
	big := newBrowser(t)
	big.do(a.session(func(s *beaker.Session, r *http.Request) {
		fill(s, r)
		for i := range 17 {
			s.Set("key"+strconv.Itoa(i), strings.Repeat("y", 100))
		}
	}))
	measure := func(b *browser, f func(s *beaker.Session)) (allocs float64) {
		h := a.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if f == nil {
				return
			}
			s, err := a.Get(r.Context())
			if err != nil {
				panic(err)
			}
			f(s)
		}))
		w, r := &bareWriter{http.Header{}}, b.request()
		return testing.AllocsPerRun(200, func() {
			clear(w.h)
			h.ServeHTTP(w, r)
		})
	}
	read := func(s *beaker.Session) {
		if v, ok := uid.Get(s); !ok || len(v) != 36 {
			panic(v)
		}
	}
	quiet := raceDetector // it allocates of its own
	for _, c := range []struct {
		what string
		got  float64
		most float64
	}{
		{"untouched", measure(b, nil), 2},
		{"read one key of 3", measure(b, read), 3},
		{"read one key of 20", measure(big, read), 3},
		{"read and write one key of 3", measure(b, func(s *beaker.Session) { v, _ := n.Get(s); n.Set(s, v+1) }), 8},
	} {
		t.Logf("%s: %v allocations", c.what, c.got)
		if c.got > c.most && !quiet {
			t.Errorf("%s: %v allocations, at most %v", c.what, c.got, c.most)
		}
	}
	if three, twenty := measure(b, read), measure(big, read); three != twenty && !quiet {
		t.Errorf("a read costs %v allocations among 3 keys and %v among 20", three, twenty)
	}
}

// The bytes of an untouched request, read off the benchmark's own counter.
func TestUntouchedBytes(t *testing.T) {
	if raceDetector {
		return // it allocates of its own; "make test" also runs this without it
	}
	a := newApp(t, stores["memory"](t))
	h := a.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	w, r := &bareWriter{http.Header{}}, newBrowser(t).request()
	result := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			h.ServeHTTP(w, r)
		}
	})
	if got := result.AllocedBytesPerOp(); got > 448 {
		t.Errorf("an untouched request takes %d bytes, at most 448", got)
	}
}

type bareWriter struct{ h http.Header }

func (w *bareWriter) Header() http.Header         { return w.h }
func (w *bareWriter) Write(b []byte) (int, error) { return len(b), nil }
func (w *bareWriter) WriteHeader(int)             {}

// Promise 11: in virtual time nothing hides; the bubble cannot end while the janitor runs.
func TestTheJanitorIsGoneAfterClose(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		a := newApp(t, stores["memory"](t), func(c *beaker.Config) { c.PurgeInterval = time.Minute })
		time.Sleep(10 * time.Minute)
		must(t, a.Close())
		before := len(a.events.named(beaker.EventPurge))
		time.Sleep(time.Hour)
		if after := len(a.events.named(beaker.EventPurge)); before == 0 || after != before {
			t.Fatalf("%d purges before Close, %d after it", before, after-before)
		}
	})
}

// slowPurger looks at its records for as long as it may.
type slowPurger struct {
	beaker.Store
	took chan time.Duration
}

func (s slowPurger) Purge(ctx context.Context, _ beaker.Millis, _ int) (int, error) {
	began := time.Now()
	<-ctx.Done()
	s.took <- time.Since(began)
	return 0, ctx.Err()
}

// Nobody waits for a purge, so that it has more time than what a request waits for.
func TestAPurgeHasTimeOfItsOwn(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := slowPurger{stores["memory"](t), make(chan time.Duration, 100)}
		m, err := beaker.New(beaker.Config{
			Store: store, Secrets: secrets(t), PurgeInterval: 20 * time.Minute, StoreTimeout: time.Second,
			Observer: beaker.ObserverFunc(func(context.Context, beaker.Event) {}),
		})
		must(t, err)
		defer m.Close()
		if took := <-store.took; took != 5*time.Minute {
			t.Errorf("it had %v", took)
		}
	})
}
