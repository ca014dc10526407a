package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/memstore"
)

// Everything at once on few sessions, in a store so small that nearly every write
// evicts. The bounds hold at each moment and in the end all parts agree.
func TestTheStoreStaysConsistentUnderLoad(t *testing.T) {
	const (
		keys, workers, steps  = 300, 8, 4000
		maxEntries, maxValues = 120, 300
	)
	maxBytes := int64(maxEntries) * 420
	s := open(t, &memstore.Options{MaxEntries: maxEntries, MaxBytes: maxBytes})
	subjects := []string{"", "", "", "alice", "bob"}
	expected := func(err error, also ...error) bool {
		if err == nil {
			return true
		}
		for _, e := range also {
			if errors.Is(err, e) {
				return true
			}
		}
		return false
	}
	var wg sync.WaitGroup
	errs := make(chan error, workers)
	for w := range workers {
		wg.Go(func() {
			ctx := context.Background()
			rnd := rand.New(rand.NewPCG(uint64(w), 77))
			for step := range steps {
				n := rnd.IntN(keys)
				now := start.Add(time.Duration(step) * time.Second)
				subject := subjects[rnd.IntN(len(subjects))]
				var err error
				var ok bool
				switch op := rnd.IntN(100); {
				case op < 30:
					err = s.Create(ctx, record(t, n, subject, now, rnd.IntN(maxValues)))
					ok = expected(err, beaker.ErrExists, beaker.ErrRevoked, beaker.ErrStoreFull)
				case op < 45:
					var rec *beaker.Record
					rec, err = s.Load(ctx, key(n))
					ok = expected(err, beaker.ErrNotFound) && (err != nil || rec.Key() == key(n))
				case op < 60:
					_, err = s.Apply(ctx, key(n), &beaker.Change{Now: now, AnyProof: true, Touch: now})
					ok = expected(err, beaker.ErrNotFound)
				case op < 75:
					ch := set(n, rnd.IntN(maxValues))
					ch.Now = now
					_, err = s.Apply(ctx, key(n), ch)
					ok = expected(err, beaker.ErrNotFound, beaker.ErrStoreFull)
				case op < 85:
					_, err = s.Apply(ctx, key(n), signIn(n, subject, now))
					ok = expected(err, beaker.ErrNotFound, beaker.ErrStoreFull, beaker.ErrRevoked)
				case op < 90:
					err = s.Delete(ctx, key(n))
					ok = err == nil
				case op < 94:
					var removed int
					removed, err = s.Purge(ctx, now, 20)
					ok = err == nil && removed <= 20
				case op < 97:
					_, _, err = s.List(ctx, beaker.ListQuery{Subject: subject, Limit: 50})
					ok = err == nil
				default:
					_, err = s.RevokeSubject(ctx, subjects[3+rnd.IntN(2)], now, key(n))
					ok = err == nil
				}
				if st := s.Stats(); st.Sessions > maxEntries || st.Bytes > maxBytes || st.Sessions < 0 || st.Bytes < 0 {
					ok, err = false, fmt.Errorf("out of bounds: %+v", st)
				}
				if !ok {
					errs <- fmt.Errorf("worker %d, step %d: %w", w, step, err)
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	if s.Stats().Evicted == 0 {
		t.Error("nothing was evicted: the test does not test what it says")
	}
	check(t, s)
	if _, err := s.Purge(t.Context(), start.Add(1e6*time.Second), 1000); err != nil {
		t.Fatal(err)
	}
	if got := s.Stats(); got.Sessions != 0 || got.Bytes != 0 || memstore.IndexSize(s) != 0 {
		t.Errorf("emptied: %+v and %d in the index", got, memstore.IndexSize(s))
	}
	check(t, s)
}

// CC-5: whoever loads a session gets that session, however the tables move.
func TestNobodyGetsAnothersSession(t *testing.T) {
	const users, rounds = 500, 20
	s := open(t, nil)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			ctx := context.Background()
			for round := range rounds {
				for u := w; u < users; u += 8 {
					canary := fmt.Sprintf("user %d", u)
					if round%2 == 0 {
						if err := s.Create(ctx, record(t, u, canary, start, 0)); err != nil {
							t.Error(err)
							return
						}
					}
					rec, err := s.Load(ctx, key(u))
					if err != nil || rec.Key() != key(u) || rec.Subject() != canary {
						t.Errorf("user %d: %v, %v", u, rec, err)
						return
					}
					if round%2 == 1 {
						if err := s.Delete(ctx, key(u)); err != nil {
							t.Error(err)
							return
						}
					}
				}
			}
		})
	}
	wg.Wait()
	check(t, s)
}

// TE-2: sign-ins that race a revocation. Whichever comes first, none that began at
// or before it is alive afterwards.
func TestNoSignInOutlivesARevocationThatItRaces(t *testing.T) {
	const rounds, logins = 300, 6
	s := open(t, nil)
	ctx := t.Context()
	for round := range rounds {
		subject := fmt.Sprint("user ", round)
		at := start.Add(time.Duration(round) * time.Second)
		for i := range logins {
			create(t, s, record(t, round*100+i, "", start, 0))
		}
		gate := make(chan struct{})
		var wg sync.WaitGroup
		for i := range logins {
			wg.Go(func() {
				n := round*100 + i
				<-gate
				var err error
				if i%2 == 0 {
					_, err = s.Apply(ctx, key(n), signIn(n, subject, at))
				} else {
					err = s.Create(ctx, record(t, n+50, subject, at, 0))
				}
				if err != nil && !errors.Is(err, beaker.ErrRevoked) {
					t.Error(err)
				}
			})
		}
		wg.Go(func() {
			<-gate
			if _, err := s.RevokeSubject(ctx, subject, at); err != nil {
				t.Error(err)
			}
		})
		close(gate)
		wg.Wait()
		page, _, err := s.List(ctx, beaker.ListQuery{Subject: subject})
		if err != nil || len(page) != 0 {
			t.Fatalf("round %d: %d sessions outlive the revocation, %v", round, len(page), err)
		}
		for i := range logins {
			if i%2 == 0 && has(t, s, round*100+i) || has(t, s, round*100+i+50) {
				t.Fatalf("round %d: sign-in %d outlives the revocation", round, i)
			}
		}
	}
	check(t, s)
}
