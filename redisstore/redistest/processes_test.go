package redistest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/redisstore"
)

// pairs races a call of this process with one of another process until as many of them
// as wanted did overlap. judge looks at what came out. before, if there is one, is run
// with each record's key ahead of its race, and what it returns after it.
func pairs(t *testing.T, s *redisstore.Store, c *peer, mine, theirs string, want int, before func(beaker.RecordKey) (after func()),
	judge func(s *redisstore.Store, key beaker.RecordKey, mine, theirs string),
) {
	t.Helper()
	overlapped, n := 0, 0
	// Both are through in a moment, and so often miss each other.
	for ; overlapped < want && n < 40*want; n++ {
		rec := created(t, s, newMeta(), "k", "v")
		key := rec.Key()
		call, err := callOf(s, mine, key)
		if err != nil {
			t.Fatal(err)
		}
		c.tell(theirs, 0, key)
		if got := c.answer(); got != "prepared" {
			t.Fatalf("the child says %q", got)
		}
		after := func() {}
		if before != nil {
			after = before(key)
		}
		moment := time.Now().Add(300 * time.Microsecond).UnixNano()
		c.tell("at", moment, key)
		how, ran := at(moment, call)
		howTheirs, ranTheirs := c.result()
		after()
		if ran.overlaps(ranTheirs) {
			overlapped++
		}
		judge(s, key, how, howTheirs)
		if err := s.Delete(t.Context(), key); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("report: %s and %s: %d of %d pairs overlapped", mine, theirs, overlapped, n)
	if overlapped < want {
		t.Errorf("%s and %s: only %d of %d pairs overlapped, want %d", mine, theirs, overlapped, n, want)
	}
}

// raceSet is what two processes race over one Redis.
func raceSet(t *testing.T, p *place, many, some int, before func(beaker.RecordKey) (after func())) {
	s, c := p.store(t), p.peer(t)
	t.Run("no update is lost", func(t *testing.T) {
		pairs(t, s, c, "mine", "theirs", many, before, func(s *redisstore.Store, key beaker.RecordKey, mine, theirs string) {
			rec := loaded(t, s, key)
			_, a := rec.Lookup("mine")
			_, b := rec.Lookup("theirs")
			if mine != "ok" || theirs != "ok" || !a || !b || rec.Version() != 3 {
				t.Errorf("%s and %s: mine there %t, theirs there %t, version %d", mine, theirs, a, b, rec.Version())
			}
		})
	})
	t.Run("a touch takes no update along", func(t *testing.T) {
		pairs(t, s, c, "mine", "touch", some, before, func(s *redisstore.Store, key beaker.RecordKey, mine, theirs string) {
			rec := loaded(t, s, key)
			if _, a := rec.Lookup("mine"); mine != "ok" || theirs != "ok" || !a || rec.Version() != 2 || rec.Touched() != epoch+1000 {
				t.Errorf("%s and %s: mine there %t, version %d, touched %d", mine, theirs, a, rec.Version(), rec.Touched()-epoch)
			}
		})
	})
	t.Run("nothing comes back after Delete", func(t *testing.T) {
		pairs(t, s, c, "mine", "delete", some, before, func(s *redisstore.Store, key beaker.RecordKey, mine, theirs string) {
			if mine != "ok" && mine != "ErrNotFound" || theirs != "ok" {
				t.Errorf("Apply: %s; Delete: %s", mine, theirs)
			}
			wantGone(t, s, key, "after Delete and an Apply that is "+mine)
		})
	})
	t.Run("one of two rotations wins", func(t *testing.T) {
		pairs(t, s, c, "rotate", "rotate", some, before, func(s *redisstore.Store, key beaker.RecordKey, mine, theirs string) {
			if mine == theirs || mine != "ok" && mine != "ErrNotFound" || theirs != "ok" && theirs != "ErrNotFound" {
				t.Errorf("rotations: %s and %s", mine, theirs)
			}
			if rec := loaded(t, s, key); rec.Version() != 2 {
				t.Errorf("version %d after two rotations that race, want 2", rec.Version())
			}
		})
	})
	t.Run("a late login does not survive a revocation", func(t *testing.T) {
		pairs(t, s, c, "login", "revoke", some, before, func(s *redisstore.Store, key beaker.RecordKey, mine, theirs string) {
			if mine != "ok" && mine != "ErrRevoked" && mine != "ErrNotFound" || theirs != "ok" {
				t.Errorf("login: %s; RevokeSubject: %s", mine, theirs)
			}
			wantGone(t, s, key, "after RevokeSubject and a login that is "+mine)
			if page, _, err := s.List(t.Context(), beaker.ListQuery{Subject: subjectOf(key)}); err != nil || len(page) != 0 {
				t.Errorf("%d sessions are listed after RevokeSubject: %v", len(page), err)
			}
		})
	})
}

func rounds() (many, some int) {
	if soak() {
		return 10_000, 3_000
	}
	return 500, 100
}

func TestTwoProcesses(t *testing.T) {
	many, some := rounds()
	for _, get := range []func(testing.TB) *site{single, cluster} {
		s := get(t)
		t.Run(s.name, func(t *testing.T) { raceSet(t, newPlace(t, s), many, some, nil) })
	}
}

// tally counts what became of writes.
type tally struct{ acked, uncertain, failed int }

func (y *tally) add(_ int, err error) {
	switch {
	case err == nil:
		y.acked++
	case errors.Is(err, beaker.ErrUncertain):
		y.uncertain++
	default:
		y.failed++
	}
}

// The counter is exact with writers in two processes.
func TestCounterIsExactOverProcesses(t *testing.T) {
	for _, get := range []func(testing.TB) *site{single, cluster} {
		s := get(t)
		t.Run(s.name, func(t *testing.T) {
			p := newPlace(t, s)
			store := p.store(t)
			rec := created(t, store, newMeta())
			writers, each := 4, 25
			if soak() {
				each = 1000
			}
			peers := []*peer{p.peer(t), p.peer(t)}
			for _, c := range peers {
				c.tell("count", writers*each, rec.Key())
			}
			tallies := make([]tally, writers)
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					for range each {
						tallies[w].add(increment(t.Context(), store, rec.Key(), "n"))
					}
				})
			}
			wg.Wait()
			want := 0
			for _, c := range peers {
				var y tally
				if _, err := fmt.Sscan(c.answer(), &y.acked, &y.uncertain, &y.failed); err != nil {
					t.Fatal(err)
				}
				tallies = append(tallies, y)
			}
			for _, y := range tallies {
				if want += y.acked; y.uncertain+y.failed > 0 {
					t.Errorf("with nothing broken, %d writes are uncertain and %d failed", y.uncertain, y.failed)
				}
			}
			if n := number(loaded(t, store, rec.Key()), "n"); n != want || want != 3*writers*each {
				t.Errorf("counted %d, acknowledged %d, want %d", n, want, 3*writers*each)
			}
		})
	}
}

// sessionKey is the name that a session's key has in the server.
func (p *place) sessionKey(key beaker.RecordKey) string { return p.opts.Prefix + key.String() }

// indexKey is the name of the index of a subject's sessions.
func (p *place) indexKey(subject string) string {
	sum := sha256.Sum256([]byte(subject))
	return fmt.Sprintf("%ssubject:%x", p.opts.Prefix, sum[:16])
}

// TestNamesOfKeys sees that the other tests look at the right keys.
func TestNamesOfKeys(t *testing.T) {
	p := newPlace(t, single(t))
	s := p.store(t)
	rec := created(t, s, metaOf("fred"), "k", "v")
	want := []string{p.sessionKey(rec.Key()), p.indexKey("fred")}
	got := p.keys(t)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the server holds %q, want %q", got, want)
	}
}
