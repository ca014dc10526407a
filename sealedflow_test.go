package beaker_test

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/internal/leaks"
)

// twoNodes are two managers that share secrets and a store for revocations.
func twoNodes(t *testing.T, change ...func(*beaker.Config)) (one, two *app) {
	t.Helper()
	shared := secrets(t)
	store := stores["memory"](t)
	clock := &clock{now: start}
	node := func() *app {
		a := newApp(t, store, append(change, func(c *beaker.Config) {
			c.Secrets, c.Now = shared, clock.Now
			if c.Sealed == nil {
				sealed(c)
			}
		})...)
		a.clock = clock
		return a
	}
	return node(), node()
}

func signIn(t *testing.T, a *app, b *browser) {
	t.Helper()
	b.do(a.session(func(s *beaker.Session, _ *http.Request) {
		s.Set("k", 1)
		must(t, s.SetSubject("user 1"))
	}))
}

func subjectOf(a *app, b *browser) (subject string, code int, w *httptest.ResponseRecorder) {
	w = httptest.NewRecorder()
	a.session(func(s *beaker.Session, _ *http.Request) { subject = s.Subject() }).ServeHTTP(w, b.request())
	leaks.Response(b.t, w.Header(), w.Body.Bytes())
	return subject, w.Code, w
}

// handleOf returns what names a browser's session.
func handleOf(a *app, b *browser) (h beaker.Handle) {
	b.do(a.session(func(s *beaker.Session, _ *http.Request) { h = s.Handle() }))
	return h
}

// RV-1, RV-3, RV-4: a copied cookie after logout, here and on another node, and while
// the Revoker's store is down.
func TestACopiedSealedCookieIsRefusedAfterLogout(t *testing.T) {
	one, two := twoNodes(t)
	b := newBrowser(t)
	signIn(t, one, b)
	stolen := b.clone()
	if who, _, _ := subjectOf(two, stolen); who != "user 1" {
		t.Fatalf("before: %q", who)
	}
	two.store.breaks(func(string) error { return errors.New("down") })
	if who, code, w := subjectOf(two, stolen); who != "" || code != 503 || hasSession(w.Header()) {
		t.Errorf("with the Revoker down: %q %d", who, code)
	}
	two.store.breaks(nil)
	b.do(one.session(func(s *beaker.Session, r *http.Request) { must(t, s.Destroy(r.Context())) }))
	for _, later := range []time.Duration{0, 2 * time.Minute, 20 * time.Minute} {
		one.clock.Advance(later)
		for _, node := range []*app{one, two} {
			if who, _, w := subjectOf(node, stolen); who != "" || hasSession(w.Header()) {
				t.Errorf("%v after logout: %q %v", later, who, w.Header())
			}
		}
	}
	two.store.breaks(func(string) error { return errors.New("down") })
	if who, code, _ := subjectOf(two, stolen); who != "" || code != 503 {
		t.Errorf("revoked, with the Revoker down: %q %d", who, code)
	}
}

// LC-1: signing in and regenerating revoke the sid that was.
func TestANewSealedSessionRevokesTheOldOne(t *testing.T) {
	for name, change := range map[string]func(s *beaker.Session) error{
		"sign in":    func(s *beaker.Session) error { return s.SetSubject("user 1") },
		"regenerate": func(s *beaker.Session) error { return s.Regenerate() },
	} {
		one, two := twoNodes(t)
		b := newBrowser(t)
		b.do(one.session(func(s *beaker.Session, _ *http.Request) { s.Set("k", 1) }))
		planted := b.clone()
		b.do(one.session(func(s *beaker.Session, _ *http.Request) { must(t, change(s)) }))
		two.clock.Advance(2 * time.Minute)
		planted.do(two.session(func(s *beaker.Session, _ *http.Request) {
			if s.Has("k") || s.Subject() != "" {
				t.Errorf("%s: the old cookie opens %v", name, s.Keys())
			}
		}))
		// If the old one cannot be revoked, nobody is moved. LC-2.
		before := b.cookie
		one.store.breaks(func(op string) error {
			if op == "create" {
				return errors.New("down")
			}
			return nil
		})
		if w := b.do(one.session(func(s *beaker.Session, _ *http.Request) { must(t, change(s)) })); w.Code != 503 || b.cookie != before {
			t.Errorf("%s with the Revoker down: %d", name, w.Code)
		}
	}
}

// The tab race: tab A is slow, tab B logs out.
func TestASlowTabDoesNotBringASealedSessionBack(t *testing.T) {
	for name, f := range map[string]struct {
		do   func(s *beaker.Session, r *http.Request)
		code int
	}{
		"reads":       {func(s *beaker.Session, _ *http.Request) { s.Get("k") }, 200},
		"writes":      {func(s *beaker.Session, _ *http.Request) { s.Set("late", 1) }, 409},
		"regenerates": {func(s *beaker.Session, _ *http.Request) { _ = s.Regenerate() }, 200},
		"signs in":    {func(s *beaker.Session, _ *http.Request) { _ = s.SetSubject("mallory") }, 409},
	} {
		for ending, end := range map[string]func(a *app, b *browser){
			"logout": func(a *app, b *browser) {
				b.do(a.session(func(s *beaker.Session, r *http.Request) { must(t, s.Destroy(r.Context())) }))
			},
			"revoke all": func(a *app, _ *browser) {
				_, err := a.RevokeAll(t.Context(), "user 1")
				must(t, err)
			},
			"sign in": func(a *app, b *browser) {
				b.do(a.session(func(s *beaker.Session, _ *http.Request) { must(t, s.SetSubject("user 2")) }))
			},
		} {
			t.Run(name+" against "+ending, func(t *testing.T) {
				one, two := twoNodes(t)
				b := newBrowser(t)
				signIn(t, one, b)
				one.clock.Advance(2 * time.Minute) // a touch is due
				stolen := b.clone()
				slow := one.fly(b.clone(), nothing, f.do)
				end(two, b)
				w := slow.land()
				if w.Code != f.code || hasSession(w.Header()) {
					t.Errorf("the slow response: %d %v", w.Code, w.Header())
				}
				one.clock.Advance(2 * time.Minute)
				if who, _, _ := subjectOf(one, stolen); who != "" {
					t.Errorf("the old cookie opens %q", who)
				}
			})
		}
	}
}

// TE-2: all sessions of a subject but one; a sign-in that is under way.
func TestRevokeAllSealedSessions(t *testing.T) {
	one, two := twoNodes(t)
	a, b, c := newBrowser(t), newBrowser(t), newBrowser(t)
	for _, x := range []*browser{a, b, c} {
		signIn(t, one, x)
	}
	var keep beaker.Handle
	b.do(one.session(func(s *beaker.Session, _ *http.Request) { keep = s.Handle() }))
	late := newBrowser(t)
	login := two.fly(late, nothing, func(s *beaker.Session, _ *http.Request) { must(t, s.SetSubject("user 1")) })
	one.clock.Advance(time.Second)
	_, err := one.RevokeAll(t.Context(), "user 1", keep)
	must(t, err)
	if w := login.land(); w.Code != 409 || hasSession(w.Header()) {
		t.Errorf("the sign-in that began before: %d", w.Code)
	}
	for _, node := range []*app{one, two} {
		for x, want := range map[*browser]string{a: "", b: "user 1", c: ""} {
			if who, _, _ := subjectOf(node, x); who != want {
				t.Errorf("%q, want %q", who, want)
			}
		}
	}
	one.clock.Advance(time.Second)
	again := newBrowser(t)
	signIn(t, two, again)
	if who, _, _ := subjectOf(one, again); who != "user 1" {
		t.Errorf("signed in afterwards: %q", who)
	}
	_, err = two.RevokeAll(t.Context(), "user 1")
	must(t, err)
	for _, x := range []*browser{b, again} {
		if who, _, _ := subjectOf(one, x); who != "" {
			t.Errorf("after the second revocation: %q", who)
		}
	}
	must(t, one.Revoke(t.Context(), keep))
}

// A handler that revokes all and signs its own visitor in again is not caught by it.
func TestWhoeverRevokesAllMaySignInAgain(t *testing.T) {
	for kind, change := range map[string]func(*beaker.Config){"stored": func(*beaker.Config) {}, "sealed": sealed} {
		a := newApp(t, stores["memory"](t), change)
		b, other := newBrowser(t), newBrowser(t)
		signIn(t, a, b)
		signIn(t, a, other)
		a.clock.Advance(time.Second)
		w := b.do(a.session(func(s *beaker.Session, r *http.Request) {
			_, err := a.RevokeAll(r.Context(), "user 1", s.Handle())
			must(t, err)
			must(t, s.SetSubject("user 1"))
		}))
		if who, _, _ := subjectOf(a, b); w.Code != 200 || who != "user 1" {
			t.Errorf("%s: %d, %q", kind, w.Code, who)
		}
		if who, _, _ := subjectOf(a, other); who != "" {
			t.Errorf("%s: the other device is %q", kind, who)
		}
	}
}

// Without a Revoker the sentence in the documentation is what happens.
func TestAllowReplayIsWhatItSays(t *testing.T) {
	a := newApp(t, stores["memory"](t), func(c *beaker.Config) {
		c.Store, c.Sealed = nil, &beaker.Sealed{AllowReplay: true}
	})
	b := newBrowser(t)
	signIn(t, a, b)
	stolen := b.clone()
	w := b.do(a.session(func(s *beaker.Session, r *http.Request) {
		if err := s.Destroy(r.Context()); !errors.Is(err, beaker.ErrNotRevocable) {
			t.Errorf("Destroy: %v", err)
		}
	}))
	if w.Code != 200 || b.cookie != "" {
		t.Errorf("%d, the browser still has %q", w.Code, b.cookie)
	}
	if who, _, _ := subjectOf(a, stolen); who != "user 1" {
		t.Errorf("the copy opens %q: then AllowReplay says too little", who)
	}
	if _, err := a.RevokeAll(t.Context(), "user 1"); !errors.Is(err, beaker.ErrNotRevocable) {
		t.Errorf("RevokeAll: %v", err)
	}
	a.clock.Advance(12 * time.Hour)
	if who, _, _ := subjectOf(a, stolen); who != "" {
		t.Errorf("CR-6: after its deadline the copy opens %q", who)
	}
	b = newBrowser(t)
	w = b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.SetAbsoluteTimeout(25 * time.Hour) }))
	if w.Code != 500 {
		t.Errorf("more than a day without a Revoker: %d", w.Code)
	}
}

// CK-6: what fits is sent, a byte more is an error that says what is large, and the
// browser keeps its cookie.
func TestTheSizeOfASealedCookie(t *testing.T) {
	a := newApp(t, stores["memory"](t), sealed)
	b := newBrowser(t)
	fits, tooLarge := 0, 0
	for size := 2700; size < 3100; size++ {
		before := b.cookie
		var got error
		w := httptest.NewRecorder()
		a.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			s, err := a.Get(r.Context())
			must(t, err)
			s.Set("small", 1)
			s.Set("large", strings.Repeat("x", size))
			got = s.Persist(r.Context())
		})).ServeHTTP(w, b.request())
		b.keep(w)
		if got == nil {
			fits++
			if n := len("__Host-session=") + len(b.cookie); n > 4000 || tooLarge > 0 {
				t.Fatalf("size %d: a cookie of %d bytes", size, n)
			}
			continue
		}
		tooLarge++
		var e *beaker.CookieTooLargeError
		if !errors.As(got, &e) || !errors.Is(got, beaker.ErrTooLarge) || e.Bytes <= 4000 || e.Sizes[0].Name != "large" {
			t.Fatalf("size %d: %v", size, got)
		}
		if !strings.Contains(got.Error(), `"large"`) || strings.Contains(got.Error(), "xxx") {
			t.Fatalf("the error says %v", got)
		}
		if w.Code != 500 || b.cookie != before || hasSession(w.Header()) {
			t.Fatalf("size %d: %d", size, w.Code)
		}
	}
	if fits == 0 || tooLarge == 0 {
		t.Fatalf("%d fit, %d are too large: the sweep does not cross the limit", fits, tooLarge)
	}
}

// What a sealed session cannot do is refused, not done half.
func TestWhatASealedSessionCannotDo(t *testing.T) {
	a := newApp(t, stores["memory"](t), sealed)
	b := newBrowser(t)
	signIn(t, a, b)
	b.do(a.session(func(s *beaker.Session, r *http.Request) {
		unsupported := func(what string, err error) {
			if !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("%s: %v", what, err)
			}
		}
		_, _, err := a.Take(r.Context(), "k")
		unsupported("Take", err)
		_, _, err = beaker.NewKey[int]("k").Take(r.Context(), a.Manager)
		unsupported("Key.Take", err)
		_, err = a.Lookup(r.Context(), s.Handle())
		unsupported("Lookup", err)
		unsupported("RevokeOwn", a.RevokeOwn(r.Context(), "user 1", s.Handle()))
		unsupported("a grace", s.Regenerate(beaker.Grace(time.Second)))
		for _, err := range a.List(r.Context(), "user 1") {
			unsupported("List", err)
		}
	}))
}

// CR-10: whatever is wrong with a cookie, the answer is the same to the last byte, and
// one event has the true reason.
func TestAllRefusalsLookTheSame(t *testing.T) {
	type refused struct {
		cookie string
		why    beaker.Reason
	}
	for kind, change := range map[string]func(*beaker.Config){"stored": func(*beaker.Config) {}, "sealed": sealed} {
		t.Run(kind, func(t *testing.T) {
			a := newApp(t, stores["memory"](t), change)
			fresh := func() string {
				b := newBrowser(t)
				signIn(t, a, b)
				return b.cookie
			}
			gone := newBrowser(t)
			signIn(t, a, gone)
			copied := gone.cookie
			gone.do(a.session(func(s *beaker.Session, r *http.Request) { must(t, s.Destroy(r.Context())) }))
			expired := fresh()
			a.clock.Advance(time.Hour)
			ended := beaker.ReasonUnknown
			if kind == "sealed" {
				ended = beaker.ReasonRevoked
			}
			foreign := newApp(t, stores["memory"](t), change)
			fb := newBrowser(t)
			signIn(t, foreign, fb)
			good := fresh()
			cases := []refused{
				{expired, beaker.ReasonExpired},
				{fb.cookie, beaker.ReasonUnknownSecret},
				{"x", beaker.ReasonMalformed},
				{good[:60] + flip(good[60:61]) + good[61:], beaker.ReasonForged},
				{good + ";" + "__Host-session=" + good, beaker.ReasonAmbiguous},
			}
			if kind == "stored" {
				cases = append(cases, refused{copied, ended})
			}
			var first string
			for i, c := range cases {
				for _, write := range []bool{false, true} {
					events := len(a.events.named(beaker.EventReject))
					w := httptest.NewRecorder()
					b := newBrowser(t)
					b.cookie = c.cookie
					a.session(func(s *beaker.Session, _ *http.Request) {
						if !s.IsNew() {
							t.Errorf("%s: opened", c.why)
						}
						if write {
							s.Set("k", 1)
						}
					}).ServeHTTP(w, b.request())
					if got := a.events.named(beaker.EventReject)[events:]; len(got) != 1 || got[0].Reason != c.why {
						t.Errorf("want %s, events %v", c.why, got)
					}
					header := w.Result().Header
					if write {
						if len(setCookies(w)) != 1 {
							t.Errorf("%s: %v", c.why, header)
						}
						continue
					}
					var wire bytes.Buffer
					fmt.Fprintln(&wire, w.Code)
					must(t, header.Write(&wire))
					wire.Write(w.Body.Bytes())
					if i == 0 {
						first = wire.String()
					} else if wire.String() != first {
						t.Errorf("%s answers\n%s\nand not\n%s", c.why, &wire, first)
					}
				}
			}
		})
	}
}

// TM-1: clocks of nodes that differ by a little are no matter; a session from the
// future is refused.
func TestSealedSessionsFromTheFuture(t *testing.T) {
	for skew, want := range map[time.Duration]string{50 * time.Second: "user 1", -50 * time.Second: "user 1", 2 * time.Minute: ""} {
		shared, store := secrets(t), stores["memory"](t)
		ahead := newApp(t, store, sealed, func(c *beaker.Config) { c.Secrets = shared })
		ahead.clock.Advance(skew)
		here := newApp(t, store, sealed, func(c *beaker.Config) { c.Secrets = shared })
		b := newBrowser(t)
		signIn(t, ahead, b)
		if who, _, _ := subjectOf(here, b); who != want {
			t.Errorf("a node that is ahead by %v: %q", skew, who)
		}
	}
}

// CR-7: the stages of a rotation, on stored and on sealed sessions.
func TestRotatingSecrets(t *testing.T) {
	for kind, change := range map[string]func(*beaker.Config){"stored": func(*beaker.Config) {}, "sealed": sealed} {
		t.Run(kind, func(t *testing.T) {
			older, newer := beaker.NewSecret(), beaker.NewSecret()
			store := stores["memory"](t)
			node := func(text string) *app {
				s, err := beaker.ParseSecrets(text)
				must(t, err)
				return newApp(t, store, func(c *beaker.Config) { c.Secrets = s }, change)
			}
			first := node(older)
			accepting := node(newer + " accept\n" + older)
			rotated := node(newer + "\n" + older)
			retired := node(newer + "\n" + older + " retire=2026-03-01T08:00:00Z")
			dropped := node(newer)

			b := newBrowser(t)
			signIn(t, first, b)
			before := b.clone()
			if w := b.do(accepting.session(nothing)); hasSession(w.Header()) {
				t.Error("a node that only accepts the new secret re-issued the cookie")
			}
			w := b.do(rotated.session(nothing))
			if !hasSession(w.Header()) || b.cookie == before.cookie {
				t.Error("a cookie under the old secret was not re-issued")
			}
			if len(rotated.events.named(beaker.EventOldSecret)) != 1 {
				t.Error("no event for the old secret")
			}
			if w := b.do(rotated.session(nothing)); hasSession(w.Header()) {
				t.Error("re-issued twice")
			}
			// Two nodes out of step do not take turns in replacing each other's cookies.
			for range 3 {
				for name, node := range map[string]*app{"accepting": accepting, "rotated": rotated} {
					if w := b.do(node.session(nothing)); hasSession(w.Header()) {
						t.Errorf("the node that is %s replaced the newest cookie", name)
					}
				}
			}
			if n := len(accepting.events.named(beaker.EventOldSecret)); n != 0 {
				t.Errorf("the node that only accepts the new secret calls it old, %d times", n)
			}
			for name, node := range map[string]*app{"accepting": accepting, "rotated": rotated, "dropped": dropped} {
				if who, _, _ := subjectOf(node, b); who != "user 1" {
					t.Errorf("the new cookie on a node that is %s: %q", name, who)
				}
			}
			for name, node := range map[string]*app{"retired": retired, "dropped": dropped} {
				if who, _, _ := subjectOf(node, before); who != "" {
					t.Errorf("the old cookie on a node that has %s the secret: %q", name, who)
				}
			}
		})
	}
}

func TestUsageTellsWhenASecretCanGo(t *testing.T) {
	older, newer := beaker.NewSecret(), beaker.NewSecret()
	s, err := beaker.ParseSecrets(older)
	must(t, err)
	store := stores["memory"](t)
	one := newApp(t, store, func(c *beaker.Config) { c.Secrets = s })
	b := newBrowser(t)
	signIn(t, one, b)
	both, err := beaker.ParseSecrets(newer + "," + older)
	must(t, err)
	two := newApp(t, store, func(c *beaker.Config) { c.Secrets = both })
	for range 3 {
		b.do(two.session(nothing))
	}
	u := both.Usage()
	if len(u) != 2 || !u[0].Active || u[1].Active || u[0].Opened != 2 || u[1].Opened != 1 || u[0].Issued != 1 || u[1].Issued != 0 {
		t.Errorf("%+v", u)
	}
}

// Cookies that were allowed to be larger stay good when the bound is lowered: they are
// used and may shrink, and do not grow.
func TestASmallerBoundOfSealedCookies(t *testing.T) {
	one, _ := twoNodes(t)
	b := newBrowser(t)
	b.do(one.session(func(s *beaker.Session, _ *http.Request) {
		s.Set("large", strings.Repeat("x", 1500))
		s.Set("small", 1)
	}))
	two := newApp(t, one.store.inner, func(c *beaker.Config) {
		c.Secrets, c.Now = one.secrets, one.clock.Now
		sealed(c)
		c.Sealed.MaxBytes = 1000
	})
	two.clock = one.clock
	for range 5 {
		two.clock.Advance(10 * time.Minute) // a touch is due, and more than the idle timeout passes in all
		if w := b.do(two.session(nothing)); w.Code != http.StatusOK || len(setCookies(w)) != 1 {
			t.Fatalf("a touch: %d, %v", w.Code, setCookies(w))
		}
	}
	if w := b.do(two.session(func(s *beaker.Session, _ *http.Request) { s.Set("more", 1) })); w.Code != http.StatusInternalServerError {
		t.Errorf("a cookie that is too large already has grown: %d", w.Code)
	}
	if w := b.do(two.session(func(s *beaker.Session, _ *http.Request) { s.Delete("small") })); w.Code != http.StatusOK {
		t.Errorf("it may not shrink: %d %s", w.Code, w.Body)
	}
	b.do(two.session(func(s *beaker.Session, _ *http.Request) {
		if !s.Has("large") || s.Len() != 1 {
			t.Errorf("%v", s.Keys())
		}
	}))
}

func TestRejectIssuedBefore(t *testing.T) {
	for kind, change := range map[string]func(*beaker.Config){"stored": func(*beaker.Config) {}, "sealed": sealed} {
		shared := secrets(t)
		a := newApp(t, stores["memory"](t), func(c *beaker.Config) { c.Secrets = shared }, change)
		b, later := newBrowser(t), newBrowser(t)
		signIn(t, a, b)
		old := handleOf(a, b)
		a.clock.Advance(time.Minute)
		leak := a.clock.Now()
		signIn(t, a, later)
		young := handleOf(a, later)
		shared.RejectIssuedBefore(leak)
		if who, _, _ := subjectOf(a, b); who != "" {
			t.Errorf("%s: issued before: %q", kind, who)
		}
		if who, _, _ := subjectOf(a, later); who != "user 1" {
			t.Errorf("%s: issued then: %q", kind, who)
		}
		if kind == "sealed" {
			continue // nobody can list those
		}
		// A list of devices shows those that can still be used; operators see all, and can
		// clear away what is refused.
		listed := func(all iter.Seq2[beaker.Info, error]) (handles []beaker.Handle) {
			for info, err := range all {
				must(t, err)
				handles = append(handles, info.Handle())
			}
			return handles
		}
		if got := listed(a.List(t.Context(), "user 1")); !slices.Equal(got, []beaker.Handle{young}) {
			t.Errorf("List: %v, want only %v", got, young)
		}
		if got := listed(a.ListAll(t.Context())); len(got) != 2 || !slices.Contains(got, old) {
			t.Errorf("ListAll: %v, want %v and %v", got, old, young)
		}
		if _, err := a.Lookup(t.Context(), old); !errors.Is(err, beaker.ErrNotFound) {
			t.Errorf("Lookup of a session that is refused: %v", err)
		}
		must(t, a.Revoke(t.Context(), old))
	}
}
