package memcachetest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker"
)

// A server that is far too small drops sessions. Who had one is signed out: nobody has
// another one's session, and what was dropped does not come back, not by a request that
// had loaded it either.
func TestFullServerSignsOutAndRevivesNothing(t *testing.T) {
	m := ownServer(t, "--memory-limit=2")
	p := placeOn(m)
	s := p.store(t)
	n := 4000
	if soak() {
		n = 40_000
	}
	ballast := strings.Repeat("x", 1500)
	type visitor struct {
		rec  *beaker.Record
		base *beaker.Record // as a request under way has it
	}
	visitors := make([]visitor, n)
	for i := range visitors {
		m := newMeta()
		if i%2 == 1 {
			m = metaOf(fmt.Sprintf("user-%d", i))
		}
		rec := created(t, s, m, "who", strconv.Itoa(i), "ballast", ballast)
		base, err := s.Load(t.Context(), rec.Key())
		if err != nil && !errors.Is(err, beaker.ErrNotFound) {
			t.Fatal(err)
		}
		visitors[i] = visitor{rec, base}
	}

	left, gone := map[int]bool{}, 0
	for i, v := range visitors {
		got, err := s.Load(t.Context(), v.rec.Key())
		switch {
		case errors.Is(err, beaker.ErrNotFound):
			gone++
		case err != nil:
			t.Fatalf("visitor %d: %v", i, err)
		case value(got, "who") != strconv.Itoa(i) || got.Subject() != v.rec.Subject():
			t.Fatalf("visitor %d has the session of %s, subject %q", i, value(got, "who"), got.Subject())
		default:
			left[i] = true
		}
	}
	stats, err := m.Stats(t.Context(), "stats")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("report: of %d sessions %d are left; the server says that it evicted %s", n, len(left), stats["evictions"])
	if gone == 0 || len(left) == 0 {
		t.Fatalf("%d are gone, %d are left: this has shown nothing", gone, len(left))
	}

	// Requests that were under way write now: to what is gone, and not to so much of it
	// that it would be dropped again.
	late := 0
	for i, v := range visitors {
		if v.base == nil || left[i] || late == 100 {
			continue
		}
		late++
		if _, err := s.Apply(t.Context(), v.rec.Key(), setting(v.base, "late", "1")); !errors.Is(err, beaker.ErrNotFound) {
			t.Errorf("visitor %d: Apply: %v, want ErrNotFound", i, err)
		}
	}
	revived := 0
	for i, v := range visitors {
		_, err := s.Load(t.Context(), v.rec.Key())
		switch {
		case err == nil && !left[i]:
			t.Errorf("visitor %d was gone and is back", i)
			revived++
		case err != nil && !errors.Is(err, beaker.ErrNotFound):
			t.Fatal(err)
		}
	}
	t.Logf("report: %d writes came after the eviction, %d sessions were revived", late, revived)
}

// What is dropped is one item. A session of a subject whose roster is gone is over,
// although it is there, and stays so when the subject signs in anew.
func TestEvictedRosterSignsOut(t *testing.T) {
	p := oneServer(t)
	s := p.storeLike(t)
	rec := created(t, s, metaOf("user"), "k", "v")
	base := loaded(t, s, rec.Key())
	p.evict(t, p.rosterKey("user"))
	absent(t, s, rec.Key(), "after its roster was evicted")

	again := created(t, s, metaOf("user"), "k", "new")
	loaded(t, s, again.Key())
	absent(t, s, rec.Key(), "after the subject has signed in anew")

	// Who had loaded it can write to it, which nobody sees, but make nothing of it that
	// counts.
	nobody, other, user := "", "other", "user"
	for name, edit := range map[string]func(ch *beaker.Change){
		"leave":              func(ch *beaker.Change) { ch.Subject = &nobody },
		"become another's":   func(ch *beaker.Change) { ch.Subject = &other },
		"sign in again":      func(ch *beaker.Change) { ch.Subject = &user },
		"live longer":        func(ch *beaker.Change) { ch.Absolute = epoch + 100*hour },
		"write without Base": func(ch *beaker.Change) { ch.Base, ch.Set = nil, values("k", "w") },
	} {
		ch := changeOf(base)
		ch.AuthenticatedAt = ch.Began
		edit(ch)
		if _, err := s.Apply(t.Context(), rec.Key(), ch); !errors.Is(err, beaker.ErrNotFound) {
			t.Errorf("a session that is over can %s: %v", name, err)
		}
	}
	if _, err := s.Apply(t.Context(), rec.Key(), setting(base, "k", "w")); err != nil && !errors.Is(err, beaker.ErrNotFound) {
		t.Errorf("Apply: %v", err)
	}
	absent(t, s, rec.Key(), "after all of that")
	if n, err := revoke(t, s, "user", epoch+minute); err != nil || n != 1 {
		t.Errorf("RevokeSubject: %d, %v; want the one session that counts", n, err)
	}
	absent(t, s, again.Key(), "after the revocation")
}

// A revocation that was forgotten lets nobody in who has been waiting for that: a sign-in
// may rely on memcached's memory for a minute only.
func TestForgottenRevocationDoesNotLetASlowSignInPass(t *testing.T) {
	p := oneServer(t)
	s := p.storeLike(t)
	signIn := func(began, now beaker.Millis) error {
		long := newMeta()
		long.Idle, long.Absolute = beaker.NoLimit, epoch+1000*hour
		rec := created(t, s, long, "k", "v")
		ch := signingIn(loaded(t, s, rec.Key()), "user")
		ch.Began, ch.AuthenticatedAt, ch.Now = began, began, now
		_, err := s.Apply(t.Context(), rec.Key(), ch)
		if err != nil {
			absent(t, s, rec.Key(), "after a refused sign-in")
		}
		m := metaOf("user")
		m.AuthenticatedAt, m.Touched = began, now
		if cerr := s.Create(t.Context(), newRecord(t, m)); (err == nil) != (cerr == nil) || err != nil && !errors.Is(cerr, beaker.ErrRevoked) {
			t.Errorf("Apply: %v, but Create: %v", err, cerr)
		}
		return err
	}
	for _, known := range []bool{false, true} {
		if _, err := revoke(t, s, "user", epoch); err != nil {
			t.Fatal(err)
		}
		p.evict(t, p.rosterKey("user"))
		if known { // somebody else has signed in as the user since
			created(t, s, func() beaker.Meta {
				m := metaOf("user")
				m.Touched = epoch + hour
				m.AuthenticatedAt = epoch + hour
				return m
			}())
		}
		if err := signIn(epoch-1, epoch+hour+minute); !errors.Is(err, beaker.ErrRevoked) {
			t.Errorf("known %t: a sign-in that took an hour: %v, want ErrRevoked", known, err)
		}
		if err := signIn(epoch+hour, epoch+hour+minute); err != nil {
			t.Errorf("known %t: a sign-in that took a minute: %v", known, err)
		}
		p.evict(t, p.rosterKey("user"))
	}
	// One that began after the roster was made may take as long as it likes.
	created(t, s, metaOf("user"))
	if err := signIn(epoch, epoch+24*hour-1000); err != nil {
		t.Errorf("a slow sign-in that the roster knows all about: %v", err)
	}
}
