package sqltest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

func soak() bool { return os.Getenv("BEAKER_SOAK") == "1" }

// pairs races a call of this process with one of another process, on many sessions. In
// each pair both calls have begun, and neither has written, when both are let go. judge
// looks at what came out.
func pairs(t *testing.T, p *place, mine, theirs string, n int, judge func(s *sqlstore.Store, key beaker.RecordKey, mine, theirs string)) {
	t.Helper()
	db, spy := p.spied(t)
	s, c := p.storeOn(t, db), p.child(t, "race")
	met := 0
	g := gate{reached: func() (int64, error) {
		if got := c.answer(); got != "there" {
			return 0, fmt.Errorf("the child says %q", got)
		}
		// In turn one of them is a little earlier: they are most often less apart than a
		// statement takes, and both orders happen.
		lead := int64(met%41-20) * 5_000
		moment := time.Now().UnixNano() + 150_000
		c.tell(moment + lead)
		met++
		return moment, nil
	}}
	spy.hook(g.hook, nil)
	outcomes, statements := map[string]int{}, map[int]int{}
	for i := range n {
		rec := created(t, s, newMeta(), "k", "v")
		call, err := callOf(s, mine, rec.Key())
		if err != nil {
			t.Fatal(err)
		}
		c.tell(theirs, rec.Key())
		spy.take()
		g.armed.Store(true)
		how := outcome(call())
		if met != i+1 {
			t.Fatalf("%s and %s: the calls of pair %d did not meet", mine, theirs, i)
		}
		howTheirs := c.answer()
		outcomes[how+" and "+howTheirs]++
		statements[len(spy.take())]++
		judge(s, rec.Key(), how, howTheirs)
		if t.Failed() {
			return
		}
	}
	t.Logf("report: %s and %s: %d pairs, all of them overlapping: %v; statements that the first one took: %v", mine, theirs, met, outcomes, statements)
}

func TestTwoProcesses(t *testing.T) {
	n := 500
	if soak() {
		n = 10_000
	}
	each(t, func(t *testing.T, e engine) {
		t.Run("no update is lost", func(t *testing.T) {
			pairs(t, newPlace(t, e), "mine", "theirs", n, func(s *sqlstore.Store, key beaker.RecordKey, mine, theirs string) {
				rec := loaded(t, s, key)
				_, a := rec.Lookup("mine")
				_, b := rec.Lookup("theirs")
				if mine != "ok" || theirs != "ok" || !a || !b || rec.Version() != 3 {
					t.Errorf("%s and %s: mine there %t, theirs there %t, version %d", mine, theirs, a, b, rec.Version())
				}
			})
		})
		t.Run("nothing comes back after Delete", func(t *testing.T) {
			pairs(t, newPlace(t, e), "mine", "delete", n, func(s *sqlstore.Store, key beaker.RecordKey, mine, theirs string) {
				if mine != "ok" && mine != "ErrNotFound" || theirs != "ok" {
					t.Errorf("Apply: %s; Delete: %s", mine, theirs)
				}
				if _, err := s.Load(t.Context(), key); !errors.Is(err, beaker.ErrNotFound) {
					t.Errorf("Load after Delete and an Apply (%s): %v", mine, err)
				}
			})
		})
		t.Run("TE-2: a late login does not survive a revocation", func(t *testing.T) {
			pairs(t, newPlace(t, e), "login", "revoke", n, func(s *sqlstore.Store, key beaker.RecordKey, mine, theirs string) {
				if mine != "ok" && mine != "ErrRevoked" && mine != "ErrNotFound" || theirs != "ok" {
					t.Errorf("login: %s; RevokeSubject: %s", mine, theirs)
				}
				if _, err := s.Load(t.Context(), key); !errors.Is(err, beaker.ErrNotFound) {
					t.Errorf("Load after RevokeSubject and a login (%s): %v", mine, err)
				}
			})
		})
	})
}

// increment is what Manager.Update does to a counter: read, write on condition that
// nobody else did, again.
func increment(ctx context.Context, s *sqlstore.Store, key beaker.RecordKey) error {
	for {
		rec, err := s.Load(ctx, key)
		if err != nil {
			return err
		}
		ch := changeOf(rec)
		ch.Base, ch.IfVersion, ch.Set = rec, rec.Version(), values("n", strconv.Itoa(number(rec, "n")+1))
		if _, err = s.Apply(ctx, key, ch); !errors.Is(err, beaker.ErrConflict) {
			return err
		}
	}
}

// The counter is exact with writers in this process, on two nodes.
func TestCounterIsExact(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		stores := []*sqlstore.Store{p.store(t), p.store(t)}
		rec := created(t, stores[0], newMeta())
		const writers, each = 8, 10
		errs := make(chan error, writers)
		for w := range writers {
			go func() {
				for range each {
					if err := increment(t.Context(), stores[w%2], rec.Key()); err != nil {
						errs <- err
						return
					}
				}
				errs <- nil
			}()
		}
		for range writers {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		if n := number(loaded(t, stores[0], rec.Key()), "n"); n != writers*each {
			t.Errorf("counted %d, want %d", n, writers*each)
		}
	})
}
