package memcachetest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker"
)

// commands counts what a server was asked to do, by its own account.
func (p *place) commands(tb testing.TB) map[string]int {
	tb.Helper()
	out := map[string]int{}
	for _, m := range p.servers {
		stats, err := m.Stats(tb.Context(), "stats")
		if err != nil {
			tb.Fatal(err)
		}
		for _, name := range []string{
			"get_hits", "get_misses", "cmd_set", "cmd_touch", "cas_hits", "cas_misses", "cas_badval",
			"delete_hits", "delete_misses", "incr_hits", "incr_misses", "decr_hits", "decr_misses",
		} {
			n, err := strconv.Atoi(stats[name])
			if err != nil {
				tb.Fatalf("stats have no %s: %v", name, err)
			}
			out[name] += n
		}
	}
	return out
}

// counted returns what a server was asked for by f, such as "get_hits 1".
func (p *place) counted(tb testing.TB, f func()) string {
	tb.Helper()
	before := p.commands(tb)
	f()
	after := p.commands(tb)
	var out []string
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if n := after[name] - before[name]; n != 0 {
			out = append(out, fmt.Sprintf("%s %d", name, n))
		}
	}
	return strings.Join(out, ", ")
}

// What a request costs, as the server counts it. cmd_set counts add, set and cas.
func TestWhatRequestsCost(t *testing.T) {
	p := placeOn(ownServer(t), ownServer(t))
	site := newSite(t, p.store(t))
	var visitor, user *http.Cookie
	visitor = site.post(t, 0, "/n/1", nil)
	for _, step := range []struct {
		what string
		do   func()
		want string
	}{
		{"S0: a page that ignores the session", func() { site.get(t, 0, "/untouched", visitor) }, ""},
		{"a page that looks at no session", func() { site.get(t, 0, "/n", nil) }, ""},
		{"a new session", func() { user = site.post(t, 0, "/n/1", nil) }, "cmd_set 1"},
		{"S1: a page that reads", func() { site.get(t, 0, "/n", visitor) }, "get_hits 1"},
		{"S2: a page that writes", func() { site.post(t, 0, "/n/2", visitor) }, "cas_hits 1, cmd_set 1, get_hits 1"},
		{"the first sign-in of a user", func() { user = site.post(t, 0, "/login/alice", user) }, "cas_hits 1, cmd_set 2, get_hits 1, get_misses 1"},
		{"S1 of a user", func() { site.get(t, 0, "/n", user) }, "get_hits 2"},
		{"S2 of a user", func() { site.post(t, 0, "/n/2", user) }, "cas_hits 1, cmd_set 1, get_hits 2"},
		{"a second sign-in of a user", func() { visitor = site.post(t, 0, "/login/alice", visitor) }, "cas_hits 2, cmd_set 2, get_hits 2"},
		{"a logout", func() { site.post(t, 0, "/logout", visitor) }, "delete_hits 1, get_hits 2"},
		{"a sign-in without a session", func() { visitor = site.post(t, 0, "/login/bob", nil) }, "cmd_set 2, get_misses 1"},
		{"RevokeAll of two sessions, one of which is gone", func() {
			if n, err := site.mgrs[0].RevokeAll(t.Context(), "alice"); n != 1 || err != nil {
				t.Errorf("RevokeAll: %d, %v", n, err)
			}
		}, "cas_hits 2, cmd_set 2, get_hits 2, get_misses 1"},
	} {
		if got := p.counted(t, step.do); got != step.want {
			t.Errorf("%s: %q, want %q", step.what, got, step.want)
		}
	}
}

// What each call of the store sends, command by command.
func TestRoundTrips(t *testing.T) {
	p := oneServer(t)
	s, w := p.watched(t)
	ctx := t.Context()
	anonymous := newRecord(t, newMeta(), "k", "v")
	signedIn := newRecord(t, metaOf(fmt.Sprintf("user-%x", anonymous.Key())), "k", "v")
	key, subject := anonymous.Key(), signedIn.Subject()
	var base *beaker.Record
	load := func(key beaker.RecordKey) func() error {
		return func() (err error) { base, err = s.Load(ctx, key); return err }
	}
	change := func(edit func(ch *beaker.Change)) func() error {
		return func() error {
			ch := changeOf(base)
			edit(ch)
			_, err := s.Apply(ctx, base.Key(), ch)
			return err
		}
	}
	set := func(ch *beaker.Change) { ch.Set = values("k", "w") }
	for _, call := range []struct {
		what string
		do   func() error
		want string
	}{
		{"Create", func() error { return s.Create(ctx, anonymous) }, "add"},
		{"Create with a subject", func() error { return s.Create(ctx, signedIn) }, "gets add add"},
		{"Load", load(key), "gets"},
		{"Apply of a write", change(set), "cas"},
		{"Apply with a Base that is out of date", change(set), "cas gets cas"},
		{"Load again", load(key), "gets"},
		{"Apply without Base", change(func(ch *beaker.Change) { set(ch); ch.Base = nil }), "gets cas"},
		{"Apply with a Base without a hint", change(func(ch *beaker.Change) { set(ch); ch.Base = ch.Base.WithHint(nil) }), "gets cas"},
		{"Load again", load(key), "gets"},
		{"Apply of a touch", change(func(ch *beaker.Change) { ch.Touch = ch.Now }), "cas"},
		{"Load again", load(key), "gets"},
		{"Apply of a touch that is not later", change(func(ch *beaker.Change) { ch.Touch = 1 }), "gets"},
		{"Apply of a rotation", change(func(ch *beaker.Change) { ch.Rotate = &beaker.Rotation{Next: beaker.Proof{1}} }), "cas"},
		{"Load again", load(key), "gets"},
		{"Apply of a sign-in", change(func(ch *beaker.Change) {
			ch.Subject, ch.AuthenticatedAt, ch.Rotate = &subject, ch.Began, &beaker.Rotation{Next: beaker.Proof{2}}
		}), "gets cas cas"},
		{"Load of a signed-in session", load(key), "gets gets"},
		{"Apply to a signed-in session", change(set), "cas"},
		{"Apply to a signed-in session without Base", change(func(ch *beaker.Change) { set(ch); ch.Base = nil }), "gets gets cas"},
		{"Load again", load(key), "gets gets"},
		{"Apply of a longer deadline", change(func(ch *beaker.Change) { ch.Absolute = epoch + 20*hour }), "gets cas cas"},
		{"Load again", load(key), "gets gets"},
		{"Apply of the same sign-in again", change(func(ch *beaker.Change) {
			ch.Subject, ch.AuthenticatedAt, ch.Rotate = &subject, ch.Began, &beaker.Rotation{Next: beaker.Proof{3}}
		}), "gets cas"},
		{"RevokeSubject but one", func() error { _, err := s.RevokeSubject(ctx, subject, epoch, key); return err }, "gets cas gets cas"},
		{"Load of one that was revoked", func() error {
			if _, err := s.Load(ctx, signedIn.Key()); err == nil {
				return fmt.Errorf("it is there")
			}
			return nil
		}, "gets"},
		{"Delete", func() error { return s.Delete(ctx, key) }, "delete"},
		{"RevokeSubject of nobody", func() error { _, err := s.RevokeSubject(ctx, "nobody-"+subject, epoch); return err }, "gets add"},
	} {
		w.take()
		if err := call.do(); err != nil {
			t.Fatalf("%s: %v", call.what, err)
		}
		if got := strings.Join(w.verbs(), " "); got != call.want {
			t.Errorf("%s: %s, want %s", call.what, got, call.want)
		}
	}
}
