package memstore_test

import (
	"context"
	"errors"
	"runtime"
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
	other := 2
	for memstore.SameShard(s, key(other), key(1)) { // that one is locked
		other++
	}
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	for {
		if _, err := s.Load(t.Context(), key(other)); errors.Is(err, beaker.ErrClosed) {
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
