package wire_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// TE-1, RV-1, RV-4: copy the cookie, sign out, replay: refused, on a second node too, and
// 503 while that cannot be known.
func TestReplayAfterLogout(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		secrets := beaker.NewSecret()
		one, two := w.node(secrets), w.node(secrets)
		a, b := one.signIn("alice"), one.signIn("alice")
		if got := one.get("/out", a); got.status != 200 || len(got.cookies(usual)) != 1 {
			t.Fatalf("signed out: %d %q", got.status, got.header["Set-Cookie"])
		}
		two.faults.Down(nil)
		if got := two.get("/", a); got.status != 503 || len(got.header["Set-Cookie"]) != 0 {
			t.Errorf("with the store down: %d %q", got.status, got.header["Set-Cookie"])
		}
		two.faults.Up()
		for _, later := range []time.Duration{0, 2 * time.Minute, 20 * time.Minute} {
			for name, n := range map[string]*node{"one": one, "two": two} {
				n.clock.Advance(later)
				for _, path := range []string{"/", "/set", "/in?who=mallory"} {
					got := n.get(path, a)
					if got.body == "alice" {
						t.Errorf("node %s, %v later, %s: it opens", name, later, path)
					}
				}
				if who := n.get("/", b).body; who != "alice" {
					t.Errorf("node %s: the other session opens %q", name, who)
				}
			}
		}
	})
}

// TE-2: all sessions of a subject but one, on both nodes.
func TestRevokeAll(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		secrets := beaker.NewSecret()
		one, two := w.node(secrets), w.node(secrets)
		a, b, c, d := one.signIn("alice"), two.signIn("alice"), one.signIn("alice"), one.signIn("bob")
		one.clock.Advance(time.Second)
		two.clock.Advance(time.Second)
		one.on("/others", func(_ http.ResponseWriter, r *http.Request, s *beaker.Session) {
			_, err := one.RevokeAll(r.Context(), "alice", s.Handle())
			one.must(err)
		})
		if got := one.get("/others", b); got.status != 200 {
			t.Fatal(got.status)
		}
		for name, n := range map[string]*node{"one": one, "two": two} {
			for cookie, want := range map[string]string{a: "", b: "alice", c: "", d: "bob"} {
				if who := n.get("/", cookie).body; who != want {
					t.Errorf("node %s: %q, want %q", name, who, want)
				}
			}
		}
		_, err := two.RevokeAll(context.Background(), "alice")
		two.must(err)
		if who := one.get("/", b).body; who != "" {
			t.Errorf("after the second revocation: %q", who)
		}
	})
}

// CC-1, the tab race: tab A is slow, tab B signs out. Nothing comes back.
func TestASlowTab(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		secrets := beaker.NewSecret()
		slow, fast := w.node(secrets), w.node(secrets)
		for _, end := range []string{"/out", "/in?who=alice"} {
			for desc, do := range map[string]func(s *beaker.Session){
				"reads":   func(*beaker.Session) {},
				"writes":  func(s *beaker.Session) { s.Set("late", 1) },
				"rotates": func(s *beaker.Session) { _ = s.Regenerate() },
				"signs":   func(s *beaker.Session) { _ = s.SetSubject("mallory") },
			} {
				a := slow.signIn("alice")
				slow.clock.Advance(2 * time.Minute) // a touch is due
				fast.clock.Set(slow.clock.Now())
				inside, leave := make(chan struct{}), make(chan struct{})
				slow.on("/slow", func(_ http.ResponseWriter, _ *http.Request, s *beaker.Session) {
					close(inside)
					<-leave
					do(s)
				})
				done := make(chan response)
				go func() { done <- slow.get("/slow", a) }()
				<-inside
				if got := fast.get(end, a); got.status != 200 {
					t.Fatalf("%s: %d", end, got.status)
				}
				close(leave)
				got := <-done
				if len(got.header["Set-Cookie"]) != 0 || got.status != 200 && got.status != 409 || desc == "writes" && got.status != 409 {
					t.Errorf("%s against %s: %d %q", desc, end, got.status, got.header["Set-Cookie"])
				}
				slow.clock.Advance(2 * time.Minute)
				if who := slow.get("/", a).body; who != "" {
					t.Errorf("%s against %s: the old cookie opens %q", desc, end, who)
				}
			}
		}
	})
}

// RV-1, RV-2: without a Revoker a copied cookie works until its deadline, as AllowReplay
// says, and not longer; with one, an older state of a session that lives can still be
// shown: what must not go back does not belong into a sealed session.
func TestWhatASealedSessionCannotPrevent(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		if w.kind == "stored" {
			return
		}
		n := w.node(beaker.NewSecret(), func(c *beaker.Config) { c.Sealed.Revoker, c.Sealed.AllowReplay = nil, true })
		n.on("/out", func(_ http.ResponseWriter, r *http.Request, s *beaker.Session) {
			if err := s.Destroy(r.Context()); !errors.Is(err, beaker.ErrNotRevocable) {
				t.Errorf("Destroy: %v", err)
			}
		})
		a := n.signIn("alice")
		if got := n.get("/out", a); got.status != 200 || len(got.cookies(usual)) != 1 {
			t.Errorf("signed out: %d %v", got.status, got.header)
		}
		if who := n.get("/", a).body; who != "alice" {
			t.Errorf("the copy opens %q: then the documentation says too little", who)
		}
		n.clock.Advance(12 * time.Hour)
		if who := n.get("/", a).body; who != "" {
			t.Errorf("after its deadline the copy opens %q", who)
		}

		n = w.node(beaker.NewSecret())
		count := func(_ http.ResponseWriter, _ *http.Request, s *beaker.Session) {
			v, _ := beaker.NewKey[int]("tries").Get(s)
			s.Set("tries", v+1)
		}
		n.on("/try", count)
		n.on("/tries", func(rw http.ResponseWriter, _ *http.Request, s *beaker.Session) {
			v, _ := beaker.NewKey[int]("tries").Get(s)
			_, _ = rw.Write([]byte(strings.Repeat("x", v))) // the client sees
		})
		before := n.signIn("alice")
		after, _, _ := strings.Cut(n.get("/try", before).cookies(usual)[0], ";")
		if got := n.get("/tries", after).body; got != "x" {
			t.Fatalf("%q", got)
		}
		if got := n.get("/tries", before); got.status != 200 || got.body != "" {
			t.Errorf("the older state: %d %q: then the documentation says too much", got.status, got.body)
		}
		// What a sign-in changed does not go back: the older cookie is another session's.
		bob := n.signIn("bob", after)
		n.clock.Advance(2 * time.Minute)
		for _, old := range []string{before, after} {
			if who := n.get("/", old).body; who != "" {
				t.Errorf("after the sign-in the older cookie opens %q", who)
			}
		}
		if who := n.get("/", bob).body; who != "bob" {
			t.Errorf("%q", who)
		}
	})
}

// TM-1: clocks that differ by less than a minute are no matter; a sealed session from the
// future is refused.
func TestClocksOfNodes(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for skew, want := range map[time.Duration]string{50 * time.Second: "alice", -50 * time.Second: "alice", 2 * time.Minute: ""} {
			secrets := beaker.NewSecret()
			here, there := w.node(secrets), w.node(secrets)
			there.clock.Advance(skew)
			a := there.signIn("alice")
			if w.kind == "stored" {
				want = "alice"
			}
			if who := here.get("/", a).body; who != want {
				t.Errorf("a node that is ahead by %v: %q", skew, who)
			}
		}
	})
}
