package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/memstore"
)

// While a call makes room it holds no lock, and what it has checked before may no
// longer hold. Each of these stops a call in the middle: it needs to evict a session
// in a shard whose lock the test holds, and that somebody waits for that lock says
// that the call has got so far.
func TestWhatHappensWhileRoomIsMade(t *testing.T) {
	const changed, other = 10, 11
	small := memstore.Cost(record(t, 0, "", start, 100))
	large := int(small) // a value of so many bytes needs the room of more than one small session

	type stage struct {
		s      *memstore.Store
		closed chan error
	}
	for _, tt := range []struct {
		desc      string
		call      func(context.Context, *memstore.Store) error
		meanwhile func(*testing.T, *stage)
		want      error
		there     bool // whether the session is there afterwards
	}{
		{
			desc: "Create, and another one creates the same key",
			call: func(ctx context.Context, s *memstore.Store) error {
				return s.Create(ctx, record(t, other, "", start, large))
			},
			meanwhile: func(t *testing.T, st *stage) {
				if err := st.s.Delete(t.Context(), key(changed)); err != nil { // makes room for the other
					t.Fatal(err)
				}
				create(t, st.s, recordFor(t, other, "", start, 3*time.Hour, 1)) // not a victim itself
			},
			want: beaker.ErrExists, there: true,
		},
		{
			desc: "Create, and its subject is revoked",
			call: func(ctx context.Context, s *memstore.Store) error {
				return s.Create(ctx, record(t, other, "alice", start, large))
			},
			meanwhile: func(t *testing.T, st *stage) {
				if _, err := st.s.RevokeSubject(t.Context(), "alice", start); err != nil {
					t.Fatal(err)
				}
			},
			want: beaker.ErrRevoked,
		},
		{
			desc: "Create, and the store is closed",
			call: func(ctx context.Context, s *memstore.Store) error {
				return s.Create(ctx, record(t, other, "", start, large))
			},
			meanwhile: func(t *testing.T, st *stage) {
				st.closed = make(chan error, 1)
				go func() { st.closed <- st.s.Close() }()
				for { // Close waits for the lock that the test holds
					if _, err := st.s.Load(t.Context(), key(99)); errors.Is(err, beaker.ErrClosed) {
						return
					}
					runtime.Gosched()
				}
			},
			want: beaker.ErrClosed,
		},
		{
			desc: "Apply, and the session is deleted",
			call: func(ctx context.Context, s *memstore.Store) error {
				_, err := s.Apply(ctx, key(changed), set(changed, 100+large))
				return err
			},
			meanwhile: func(t *testing.T, st *stage) {
				if err := st.s.Delete(t.Context(), key(changed)); err != nil {
					t.Fatal(err)
				}
			},
			want: beaker.ErrNotFound,
		},
		{
			desc: "Apply, and the session gets a smaller value of another name",
			call: func(ctx context.Context, s *memstore.Store) error {
				_, err := s.Apply(ctx, key(changed), set(changed, 100+large))
				return err
			},
			meanwhile: func(t *testing.T, st *stage) {
				ch := &beaker.Change{Now: start, Proof: proof(changed), Remove: []string{"v"}, Set: []beaker.Value{{Name: "w", Data: []byte("kept")}}}
				if _, err := st.s.Apply(t.Context(), key(changed), ch); err != nil {
					t.Fatal(err)
				}
			},
			there: true,
		},
		{
			desc: "sign-in, and the subject is revoked",
			call: func(ctx context.Context, s *memstore.Store) error {
				ch := set(changed, 100+large)
				alice := "alice"
				ch.Began, ch.Subject, ch.AuthenticatedAt = start, &alice, start
				_, err := s.Apply(ctx, key(changed), ch)
				return err
			},
			meanwhile: func(t *testing.T, st *stage) {
				if _, err := st.s.RevokeSubject(t.Context(), "alice", start); err != nil {
					t.Fatal(err)
				}
			},
			want: beaker.ErrRevoked,
		},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			st := &stage{s: open(t, &memstore.Options{MaxBytes: 6 * small})}
			// The victim expires first. It lies in a shard of its own.
			victim := 100
			for memstore.SameShard(st.s, key(victim), key(changed)) || memstore.SameShard(st.s, key(victim), key(other)) ||
				memstore.SameShard(st.s, key(victim), key(99)) {
				victim++
			}
			create(t, st.s, recordFor(t, victim, "", start, time.Minute, 100), recordFor(t, changed, "", start, time.Hour, 100))
			for n := 200; st.s.Stats().Bytes+small <= 6*small; n++ {
				create(t, st.s, recordFor(t, n, "", start, 2*time.Hour, 100))
			}

			done, free := stopAt(t, st.s, victim, func(ctx context.Context) error { return tt.call(ctx, st.s) })
			tt.meanwhile(t, st)
			free(nil)
			if err := <-done; !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if st.closed != nil {
				if err := <-st.closed; err != nil {
					t.Error(err)
				}
			}
			check(t, st.s) // what was reserved is accounted for
			if st.closed == nil {
				if got := has(t, st.s, changed) || has(t, st.s, other); got != tt.there && tt.want != beaker.ErrRevoked {
					t.Errorf("the session is there: %v", got)
				}
			}
			if tt.want == nil {
				rec, err := st.s.Load(t.Context(), key(changed))
				if err != nil {
					t.Fatal(err)
				}
				if v, _ := rec.Lookup("w"); v != "kept" {
					t.Error("the other change was lost")
				}
				if v, _ := rec.Lookup("v"); len(v) != 100+large {
					t.Error("the change was lost")
				}
			}
		})
	}
}

// stopAt starts a call that changes the shard of session n and returns when it waits
// for the lock that it needs for that. Free puts a record in the place of the session's,
// or not if it is nil, and lets the call go on.
func stopAt(t *testing.T, s *memstore.Store, n int, call func(context.Context) error) (done chan error, free func(*beaker.Record)) {
	t.Helper()
	waits, swap, unlock := memstore.HoldShardOf(s, key(n))
	done = make(chan error, 1)
	go func() { done <- call(t.Context()) }()
	for !waits() {
		select {
		case err := <-done:
			unlock()
			t.Fatalf("the step was not reached: %v", err)
		default:
			runtime.Gosched()
		}
	}
	return done, func(rec *beaker.Record) {
		if rec != nil {
			swap(rec)
		}
		unlock()
	}
}

// An expired session of a subject is chosen to go, and before it does it is no longer
// expired.
func TestASessionThatIsTouchedAfterItWasChosenStays(t *testing.T) {
	s := open(t, &memstore.Options{MaxEntries: 1})
	create(t, s, recordFor(t, 1, "alice", start, time.Minute, 0))
	done, free := stopAt(t, s, 1, func(ctx context.Context) error {
		return s.Create(ctx, record(t, 2, "", start.Add(time.Minute), 0))
	})
	free(recordFor(t, 1, "alice", start+1, time.Minute, 0))
	if err := <-done; !errors.Is(err, beaker.ErrStoreFull) {
		t.Errorf("Create: %v", err)
	}
	if !has(t, s, 1) || has(t, s, 2) {
		t.Error("the session was evicted")
	}
	check(t, s)
}

// A revocation has listed a session, and before it deletes it the session is bob's.
func TestASessionThatLeftTheSubjectIsNotRevoked(t *testing.T) {
	s := open(t, nil)
	create(t, s, record(t, 1, "alice", start, 0))
	revoked := -1
	done, free := stopAt(t, s, 1, func(ctx context.Context) (err error) {
		revoked, err = s.RevokeSubject(ctx, "alice", start)
		return err
	})
	free(record(t, 1, "bob", start+1, 0))
	if err := <-done; err != nil || revoked != 0 || !has(t, s, 1) {
		t.Errorf("%d, %v, session there: %v", revoked, err, has(t, s, 1))
	}
}

// What Close has dropped is not reported as a session that is gone.
func TestAChangeThatClosingOvertakesIsErrClosed(t *testing.T) {
	s := open(t, nil)
	done, free := stopAt(t, s, 1, func(ctx context.Context) error {
		_, err := s.Apply(ctx, key(1), &beaker.Change{Now: start, AnyProof: true, Touch: start})
		return err
	})
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	for {
		if _, err := s.Load(t.Context(), key(2)); errors.Is(err, beaker.ErrClosed) {
			break
		}
		runtime.Gosched()
	}
	free(nil)
	if err := <-done; !errors.Is(err, beaker.ErrClosed) {
		t.Error(err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// A change has made room, needs more by then, and gets none: it gives back what it had.
func TestAChangeThatFindsNoMoreRoomGivesBackWhatItHad(t *testing.T) {
	const size = 2000
	victim := memstore.Cost(record(t, 0, "", start, 100))
	alice := memstore.Cost(record(t, 0, "alice", start, size))
	changed := memstore.Cost(record(t, 0, "", start, size))
	s := open(t, &memstore.Options{MaxBytes: victim + alice + changed})
	n := 100
	for memstore.SameShard(s, key(n), key(1)) || memstore.SameShard(s, key(n), key(3)) {
		n++
	}
	create(t, s, record(t, n, "", start, 100), record(t, 1, "", start+1, size), record(t, 2, "alice", start, size))
	done, free := stopAt(t, s, n, func(ctx context.Context) error {
		_, err := s.Apply(ctx, key(1), set(1, size+200))
		return err
	})
	// The session shrinks, and what that frees goes to somebody else.
	if _, err := s.Apply(t.Context(), key(1), &beaker.Change{Now: start, Proof: proof(1), Remove: []string{"v"}}); err != nil {
		t.Fatal(err)
	}
	create(t, s, record(t, 3, "bob", start, 1500))
	free(nil)
	if err := <-done; !errors.Is(err, beaker.ErrStoreFull) {
		t.Errorf("Apply: %v", err)
	}
	if has(t, s, n) || !has(t, s, 1) || !has(t, s, 2) || !has(t, s, 3) {
		t.Error("not the victim, or not only the victim, was evicted")
	}
	check(t, s)
}

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
				ok := true
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
