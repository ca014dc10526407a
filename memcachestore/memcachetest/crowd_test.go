package memcachetest

import (
	"errors"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker"
)

// crowd returns stores whose rosters have room for 12 sessions.
func crowd(t *testing.T) *place {
	p := oneServer(t)
	p.opts.MaxItemBytes = 1 << 10
	return p
}

const room = 12

// A program that signs in and out all day ends nobody's session by it, though the roster
// has many more names by then than it has room for.
func TestSignInsThatAreOverEndNobodysSession(t *testing.T) {
	s := crowd(t).storeLike(t)
	var stay []*beaker.Record
	for range room / 2 {
		stay = append(stay, created(t, s, metaOf("fred")))
	}
	for i := range 5 * room {
		m := metaOf("fred")
		m.Absolute += beaker.Millis(i)
		if err := s.Delete(t.Context(), created(t, s, m).Key()); err != nil {
			t.Fatal(err)
		}
	}
	for i, rec := range stay {
		if _, err := s.Load(t.Context(), rec.Key()); err != nil {
			t.Errorf("session %d of those that nobody has ended: %v", i, err)
		}
	}
	if n, err := revoke(t, s, "fred", epoch+minute); err != nil || n != len(stay) {
		t.Errorf("RevokeSubject: %d, %v; want %d", n, err, len(stay))
	}
}

// Where all go on, it is the one that would end first whose time is over; no other, also if
// it cannot be said which of them go on.
func TestTooManySessionsEndTheFirstToEnd(t *testing.T) {
	for _, silent := range []bool{false, true} {
		s, w := crowd(t).watched(t)
		var all []*beaker.Record
		for i := range room {
			m := metaOf("fred")
			m.Absolute += beaker.Millis((i*5 + 1) % room) // the eighth is the first to end
			all = append(all, created(t, s, m))
		}
		if silent {
			w.on(func(command string) fate {
				if strings.HasPrefix(command, "gets ") && strings.Count(command, " ") > 1 {
					return neverSent
				}
				return goes
			})
		}
		last := created(t, s, metaOf("fred"))
		w.on(nil)
		for i, rec := range append(all, last) {
			_, err := s.Load(t.Context(), rec.Key())
			if over := rec.Meta().Absolute == epoch+12*hour && rec != last; over != errors.Is(err, beaker.ErrNotFound) || !over && err != nil {
				t.Errorf("silent %t: session %d: %v, want it over: %t", silent, i, err, over)
			}
		}
	}
}

// An end whose outcome stays unknown is given up in the end, also where nothing else says
// that it is enough.
func TestEndOfALateSignInIsGivenUp(t *testing.T) {
	s, w := oneServer(t).watched(t)
	rec := created(t, s, newMeta(), "k", "v")
	base := loaded(t, s, rec.Key())
	if _, err := revoke(t, s, "fred", epoch+minute); err != nil {
		t.Fatal(err)
	}
	tries := 0
	w.on(func(command string) fate {
		if !strings.HasPrefix(command, "cas ") {
			return goes
		}
		if tries++; tries > 100 {
			return goes // so that it ends
		}
		return neverSent
	})
	if _, err := s.Apply(t.Context(), rec.Key(), signingIn(base, "fred")); !errors.Is(err, beaker.ErrUncertain) {
		t.Errorf("Apply: %v after %d tries, want ErrUncertain", err, tries)
	}
}
