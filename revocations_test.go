package beaker_test

import (
	"errors"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/filestore"
	"github.com/seed12c5fab1/beaker/internal/leaks"
	"github.com/seed12c5fab1/beaker/memstore"
)

// TE-2, TM-1: a session that signed in on a node whose clock is ahead is revoked by a node
// whose clock is right, although its sign-in is "later".
func TestARevocationEndsSessionsOfANodeThatIsAhead(t *testing.T) {
	for kind, change := range kinds {
		shared, store := secrets(t), stores["memory"](t)
		same := func(c *beaker.Config) { c.Secrets = shared }
		ahead, here := newApp(t, store, change, same), newApp(t, store, change, same)
		ahead.clock.Advance(40 * time.Second)
		b, again := newBrowser(t), newBrowser(t)
		signIn(t, ahead, b)
		here.clock.Advance(time.Second)
		_, err := here.RevokeAll(t.Context(), "user 1")
		must(t, err)
		for range 2 {
			for name, node := range map[string]*app{"ahead": ahead, "right": here} {
				if who, _, _ := subjectOf(node, b.clone()); who != "" {
					t.Errorf("%s: on the node that is %s it opens %q", kind, name, who)
				}
			}
			ahead.clock.Advance(2 * time.Minute)
			here.clock.Advance(2 * time.Minute)
		}
		signIn(t, here, again)
		if who, _, _ := subjectOf(ahead, again); who != "user 1" {
			t.Errorf("%s: signed in afterwards, and %q", kind, who)
		}
	}
}

// A session that was spared may rotate as often as it likes: the revocation does not grow
// by it, and is not written to.
func TestASparedSessionRotatesWithoutWritingTheRevocation(t *testing.T) {
	a := newApp(t, stores["memory"](t), sealed)
	b, other := newBrowser(t), newBrowser(t)
	signIn(t, a, b)
	signIn(t, a, other)
	a.clock.Advance(time.Second)
	b.do(a.session(func(s *beaker.Session, r *http.Request) {
		_, err := a.RevokeAll(r.Context(), "user 1", s.Handle())
		must(t, err)
	}))
	before := a.store.apply.Load()
	for range 5 {
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { must(t, s.Regenerate()) }))
		a.clock.Advance(2 * time.Minute)
		if who, _, _ := subjectOf(a, b); who != "user 1" {
			t.Fatalf("spared and rotated, and %q", who)
		}
	}
	if n := a.store.apply.Load() - before; n != 0 {
		t.Errorf("the revocation was written %d times", n)
	}
	if who, _, _ := subjectOf(a, other); who != "" {
		t.Errorf("the other one opens %q", who)
	}
	_, err := a.RevokeAll(t.Context(), "user 1")
	must(t, err)
	if who, _, _ := subjectOf(a, b); who != "" {
		t.Errorf("after the second revocation, which spares nobody: %q", who)
	}
}

// What an earlier revocation ended, a later one does not bring back by sparing it.
func TestSparingDoesNotUndoAnEarlierRevocation(t *testing.T) {
	a := newApp(t, stores["memory"](t), sealed)
	b := newBrowser(t)
	signIn(t, a, b)
	var h beaker.Handle
	b.do(a.session(func(s *beaker.Session, _ *http.Request) { h = s.Handle() }))
	a.clock.Advance(time.Second)
	for i, except := range [][]beaker.Handle{nil, {h}, {h}} {
		_, err := a.RevokeAll(t.Context(), "user 1", except...)
		must(t, err)
		if who, _, _ := subjectOf(a, b.clone()); who != "" {
			t.Errorf("after %d revocations it opens %q", i+1, who)
		}
		a.clock.Advance(time.Second)
	}
}

// RV-3: what was revoked is remembered as long as it must be and no longer, by a second
// node at once, and over a restart.
func TestRevocationsAreBoundedAndDurable(t *testing.T) {
	dir := t.TempDir()
	shared := secrets(t)
	open := func() (*app, *filestore.Store) {
		s, err := filestore.Open(dir, &filestore.Options{NoSync: true})
		must(t, err)
		return newApp(t, s, sealed, func(c *beaker.Config) { c.Secrets = shared }), s
	}
	a, s := open()
	var stolen []*browser
	for range 20 {
		b := newBrowser(t)
		signIn(t, a, b)
		stolen = append(stolen, b.clone())
		b.do(a.session(func(s *beaker.Session, r *http.Request) { must(t, s.Destroy(r.Context())) }))
	}
	dead := func(a *app, when string) {
		t.Helper()
		for _, b := range stolen {
			if who, _, _ := subjectOf(a, b.clone()); who != "" {
				t.Errorf("%s: opens %q", when, who)
			}
		}
	}
	dead(a, "on this node")
	two, s2 := open()
	dead(two, "on another node")
	must(t, s.Close())
	must(t, s2.Close())
	a, s = open()
	dead(a, "after a restart")
	now := beaker.MillisOf(start)
	for _, c := range []struct {
		at   beaker.Millis
		gone int
	}{{now.Add(12 * time.Hour), 0}, {now.Add(12*time.Hour + 2*time.Minute), 20}} {
		n, err := s.Purge(t.Context(), c.at, 1000)
		must(t, err)
		if n != c.gone {
			t.Errorf("at %v %d revocations were purged, want %d", c.at.Time(), n, c.gone)
		}
	}
	must(t, s.Close())
	leaks.Dir(t, dir)
}

// DO-3: visitors without an account begin and end sessions without end. The revocations of
// those who have one stay, and there is room for more.
func TestAnonymousLogoutsDoNotFillTheRevoker(t *testing.T) {
	store, err := memstore.New(&memstore.Options{MaxEntries: 200})
	must(t, err)
	t.Cleanup(func() { _ = store.Close() })
	a := newApp(t, store, sealed)
	user := newBrowser(t)
	signIn(t, a, user)
	stolen := user.clone()
	user.do(a.session(func(s *beaker.Session, r *http.Request) { must(t, s.Destroy(r.Context())) }))
	for i := range 1000 {
		b := newBrowser(t)
		b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.Set("n", strconv.Itoa(i)) }))
		copied := b.clone()
		b.do(a.session(func(s *beaker.Session, r *http.Request) {
			if err := s.Destroy(r.Context()); err != nil {
				t.Fatalf("logout %d: %v", i, err)
			}
		}))
		copied.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if s.Has("n") {
				t.Errorf("logout %d did not happen", i)
			}
		}))
	}
	a.clock.Advance(2 * time.Minute)
	if who, _, _ := subjectOf(a, stolen); who != "" {
		t.Errorf("the account's logout was forgotten: the copy opens %q", who)
	}
	again := newBrowser(t)
	signIn(t, a, again)
	again.do(a.session(func(s *beaker.Session, r *http.Request) { must(t, s.Destroy(r.Context())) }))
}

// HP-1: of genuine cookies of several sessions, as two paths or domains may leave them,
// the one counts whose session lives. Of two living ones none does.
func TestOfSeveralSessionsTheLivingOneCounts(t *testing.T) {
	for kind, change := range kinds {
		t.Run(kind, func(t *testing.T) {
			a := newApp(t, stores["memory"](t), change, func(c *beaker.Config) { c.Cookie.Name = "sid" })
			begin := func(subject string) *browser {
				b := newBrowser(t)
				b.name = "sid"
				r := b.request()
				w := record(a.session(func(s *beaker.Session, _ *http.Request) { must(t, s.SetSubject(subject)) }), r)
				c, err := http.ParseSetCookie(w.Header().Get("Set-Cookie"))
				must(t, err)
				b.cookie = c.Value
				return b
			}
			ended, living, another := begin("user 1"), begin("user 2"), begin("user 3")
			record(a.session(func(s *beaker.Session, r *http.Request) { must(t, s.Destroy(r.Context())) }), ended.request())
			a.clock.Advance(2 * time.Minute)
			who := func(cookies ...*browser) (subject string, code int, set bool) {
				r := newBrowser(t).request()
				for _, c := range cookies {
					r.Header.Add("Cookie", "sid="+c.cookie)
				}
				w := record(a.session(func(s *beaker.Session, _ *http.Request) { subject = s.Subject() }), r)
				return subject, w.Code, len(w.Header()["Set-Cookie"]) != 0
			}
			for _, order := range [][]*browser{{ended, living}, {living, ended}, {living, ended, living}} {
				if got, code, _ := who(order...); got != "user 2" || code != 200 {
					t.Errorf("%q %d", got, code)
				}
			}
			for _, order := range [][]*browser{{another, living}, {living, another}, {ended, living, another}, {ended}, {ended, ended}} {
				if got, _, set := who(order...); got != "" || set {
					t.Errorf("opens %q %v", got, set)
				}
			}
			// The store must be asked, and if it cannot be, nobody is taken for anybody.
			a.store.breaks(func(string) error { return errors.New("down") })
			if got, code, _ := who(ended, living); got != "" || code != 503 {
				t.Errorf("with the store down: %q %d", got, code)
			}
		})
	}
}
