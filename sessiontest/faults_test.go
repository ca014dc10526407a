package sessiontest_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/internal/bubble"
	"github.com/seed12c5fab1/beaker/memstore"
	"github.com/seed12c5fab1/beaker/sessiontest"
	"github.com/seed12c5fab1/beaker/storetest"
)

// Without faults it is the store that it wraps.
func TestFaultStoreKeepsTheContract(t *testing.T) {
	t.Setenv("BEAKER_GUARANTEES", "") // what it keeps is the inner store's merit
	t.Setenv("BEAKER_RACE_ROUNDS", "5")
	storetest.Run(t, func(t *testing.T) beaker.Store {
		store, _ := sessiontest.NewFaultStore(newStore(t))
		return store
	})
}

func newStore(t *testing.T) *memstore.Store {
	t.Helper()
	store, err := memstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// hearing is a store with every ability that there is.
type hearing struct {
	*memstore.Store
	tell chan beaker.RecordKey
}

func (h *hearing) Watch(ctx context.Context, ended func(beaker.RecordKey)) error {
	select {
	case key := <-h.tell:
		ended(key)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestFaultStoreLetsMessagesThrough(t *testing.T) {
	h := &hearing{newStore(t), make(chan beaker.RecordKey, 1)}
	store, _ := sessiontest.NewFaultStore(h)
	w, ok := store.(beaker.Watcher)
	if !ok {
		t.Fatal("it is no Watcher")
	}
	h.tell <- beaker.RecordKey{7}
	var heard beaker.RecordKey
	if err := w.Watch(t.Context(), func(key beaker.RecordKey) { heard = key }); err != nil || heard != (beaker.RecordKey{7}) {
		t.Errorf("%v, %v", heard, err)
	}
	if _, ok := store.(beaker.Lister); !ok {
		t.Error("it has lost the other abilities")
	}
}

func TestFaultStoreHasTheAbilitiesOfTheInnerStore(t *testing.T) {
	m := newStore(t)
	type (
		S = beaker.Store
		L = beaker.Lister
		P = beaker.Purger
		R = beaker.SubjectRevoker
		C = io.Closer
	)
	type (
		s    struct{ S }
		l    struct{ L }
		p    struct{ P }
		r    struct{ R }
		c    struct{ C }
		able struct{ l, p, r, c bool }
	)
	can := func(s beaker.Store) (a able) {
		_, a.l = s.(L)
		_, a.p = s.(P)
		_, a.r = s.(R)
		_, a.c = s.(C)
		return a
	}
	S0, L0, P0, R0, C0 := s{m}, l{m}, p{m}, r{m}, c{m}
	inner := []beaker.Store{
		S0,
		struct {
			s
			l
		}{S0, L0},
		struct {
			s
			p
		}{S0, P0},
		struct {
			s
			r
		}{S0, R0},
		struct {
			s
			c
		}{S0, C0},
		struct {
			s
			l
			p
		}{S0, L0, P0},
		struct {
			s
			l
			r
		}{S0, L0, R0},
		struct {
			s
			l
			c
		}{S0, L0, C0},
		struct {
			s
			p
			r
		}{S0, P0, R0},
		struct {
			s
			p
			c
		}{S0, P0, C0},
		struct {
			s
			r
			c
		}{S0, R0, C0},
		struct {
			s
			l
			p
			r
		}{S0, L0, P0, R0},
		struct {
			s
			l
			p
			c
		}{S0, L0, P0, C0},
		struct {
			s
			l
			r
			c
		}{S0, L0, R0, C0},
		struct {
			s
			p
			r
			c
		}{S0, P0, R0, C0},
		struct {
			s
			l
			p
			r
			c
		}{S0, L0, P0, R0, C0},
	}
	seen := map[able]bool{}
	for _, store := range inner {
		seen[can(store)] = true
		wrapped, _ := sessiontest.NewFaultStore(store)
		if got, want := can(wrapped), can(store); got != want {
			t.Errorf("abilities = %+v, want %+v", got, want)
		}
	}
	if len(seen) != 16 {
		t.Fatalf("%d combinations were looked at, want 16", len(seen))
	}
}

// operations calls each operation of a store once, on a record that is there.
func operations(t *testing.T, store beaker.Store, rec *beaker.Record) map[sessiontest.Op]func(context.Context) error {
	t.Helper()
	other := record(t, 2)
	return map[sessiontest.Op]func(context.Context) error{
		sessiontest.OpCreate: func(ctx context.Context) error { return store.Create(ctx, other) },
		sessiontest.OpLoad: func(ctx context.Context) error {
			got, err := store.Load(ctx, rec.Key())
			if (got == nil) != (err != nil) {
				t.Errorf("load = %v, %v", got, err)
			}
			return err
		},
		sessiontest.OpApply: func(ctx context.Context) error {
			v, err := store.Apply(ctx, rec.Key(), change())
			if (v == 0) != (err != nil) {
				t.Errorf("apply = %v, %v", v, err)
			}
			return err
		},
		sessiontest.OpDelete: func(ctx context.Context) error { return store.Delete(ctx, rec.Key()) },
		sessiontest.OpList: func(ctx context.Context) error {
			page, _, err := store.(beaker.Lister).List(ctx, beaker.ListQuery{})
			if (len(page) == 0) != (err != nil) {
				t.Errorf("list = %d, %v", len(page), err)
			}
			return err
		},
		sessiontest.OpPurge: func(ctx context.Context) error {
			n, err := store.(beaker.Purger).Purge(ctx, never, 10)
			if (n == 0) != (err != nil) {
				t.Errorf("purge = %d, %v", n, err)
			}
			return err
		},
		sessiontest.OpRevoke: func(ctx context.Context) error {
			n, err := store.(beaker.SubjectRevoker).RevokeSubject(ctx, "fred", now)
			if (n == 0) != (err != nil) {
				t.Errorf("revoke = %d, %v", n, err)
			}
			return err
		},
	}
}

const (
	now   = beaker.Millis(1_767_366_245_000)
	never = now * 2 // when everything is expired
)

func record(t *testing.T, n byte) *beaker.Record {
	t.Helper()
	rec, err := beaker.NewRecord(beaker.Meta{
		Key: beaker.RecordKey{n}, Proof: beaker.Proof{n}, Version: 1, Created: now, Touched: now,
		Idle: time.Hour, Absolute: now.Add(time.Hour), Subject: "fred", AuthenticatedAt: now,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func change() *beaker.Change {
	return &beaker.Change{Now: now, AnyProof: true, Began: now, Set: []beaker.Value{{Name: "n", Data: []byte("1")}}}
}

// happened reports whether an operation changed the store, as far as it changes one.
func happened(t *testing.T, inner *memstore.Store, op sessiontest.Op) bool {
	t.Helper()
	ctx := t.Context()
	rec, err := inner.Load(ctx, beaker.RecordKey{1})
	switch op {
	case sessiontest.OpCreate:
		_, err = inner.Load(ctx, beaker.RecordKey{2})
		return err == nil
	case sessiontest.OpApply:
		return err == nil && rec.Version() == 2
	default:
		return errors.Is(err, beaker.ErrNotFound)
	}
}

func changes(op sessiontest.Op) bool { return op != sessiontest.OpLoad && op != sessiontest.OpList }

func eachOperation(t *testing.T, check func(t *testing.T, op sessiontest.Op, inner *memstore.Store, faults *sessiontest.Faults, do func(context.Context) error)) {
	t.Helper()
	for op := range operations(t, nil, record(t, 1)) {
		t.Run(string(op), func(t *testing.T) {
			inner := newStore(t)
			store, faults := sessiontest.NewFaultStore(inner)
			rec := record(t, 1)
			if err := inner.Create(t.Context(), rec); err != nil {
				t.Fatal(err)
			}
			check(t, op, inner, faults, operations(t, store, rec)[op])
		})
	}
}

func TestFailedOperationDidNotHappen(t *testing.T) {
	eachOperation(t, func(t *testing.T, op sessiontest.Op, inner *memstore.Store, faults *sessiontest.Faults, do func(context.Context) error) {
		t.Helper()
		broken := errors.New("broken")
		faults.Fail(op, sessiontest.Next, broken)
		if err := do(t.Context()); !errors.Is(err, broken) {
			t.Errorf("err = %v", err)
		}
		if changes(op) && happened(t, inner, op) {
			t.Error("it happened")
		}
		faults.Fail(op, sessiontest.Next, nil)
		if err := do(t.Context()); !errors.Is(err, sessiontest.ErrInjected) || errors.Is(err, beaker.ErrUncertain) {
			t.Errorf("err = %v", err)
		}
		if err := do(t.Context()); err != nil {
			t.Errorf("the next one: %v", err)
		}
		if changes(op) && !happened(t, inner, op) {
			t.Error("the next one did not happen")
		}
	})
}

func TestLostAcknowledgementIsUncertainAndHappened(t *testing.T) {
	eachOperation(t, func(t *testing.T, op sessiontest.Op, inner *memstore.Store, faults *sessiontest.Faults, do func(context.Context) error) {
		t.Helper()
		faults.LoseAck(op, sessiontest.Next)
		err := do(t.Context())
		if !errors.Is(err, sessiontest.ErrInjected) || errors.Is(err, beaker.ErrUncertain) != changes(op) {
			t.Errorf("err = %v", err)
		}
		if changes(op) && !happened(t, inner, op) {
			t.Error("it did not happen")
		}
	})
}

func TestHungOperationEndsWithItsContextOrIsReleased(t *testing.T) {
	eachOperation(t, func(t *testing.T, op sessiontest.Op, inner *memstore.Store, faults *sessiontest.Faults, do func(context.Context) error) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		held := faults.Hang(op, sessiontest.Next)
		result := make(chan error, 1)
		go func() { result <- do(ctx) }()
		held.Wait(t)
		cancel()
		if err := <-result; !errors.Is(err, context.Canceled) {
			t.Errorf("err = %v", err)
		}
		if changes(op) && happened(t, inner, op) {
			t.Error("it happened")
		}

		held = faults.Hang(op, sessiontest.Next)
		go func() { result <- do(t.Context()) }()
		held.Wait(t)
		held.Release()
		if err := <-result; err != nil {
			t.Errorf("after the release: %v", err)
		}
	})
}

func TestParkedOperationWaitsBeforeOrAfterItHappens(t *testing.T) {
	for _, when := range []sessiontest.When{sessiontest.Before, sessiontest.After} {
		eachOperation(t, func(t *testing.T, op sessiontest.Op, inner *memstore.Store, faults *sessiontest.Faults, do func(context.Context) error) {
			t.Helper()
			ctx, cancel := context.WithCancel(t.Context())
			held := faults.Park(op, sessiontest.Next, when)
			result := make(chan error, 1)
			go func() { result <- do(ctx) }()
			held.Wait(t)
			if changes(op) && happened(t, inner, op) != (when == sessiontest.After) {
				t.Errorf("happened while it is held: %v", when != sessiontest.After)
			}
			cancel() // the time that it is held does not count
			select {
			case err := <-result:
				t.Fatalf("it did not wait: %v", err)
			default:
			}
			held.Release()
			held.Release()
			if err := <-result; err != nil {
				t.Errorf("after the release: %v", err)
			}
			if changes(op) && !happened(t, inner, op) {
				t.Error("it did not happen")
			}
		})
	}
}

func TestDownUntilUp(t *testing.T) {
	eachOperation(t, func(t *testing.T, _ sessiontest.Op, _ *memstore.Store, faults *sessiontest.Faults, do func(context.Context) error) {
		t.Helper()
		faults.Down(nil)
		for range 2 {
			if err := do(t.Context()); !errors.Is(err, sessiontest.ErrInjected) {
				t.Errorf("down: %v", err)
			}
		}
		faults.Up()
		if err := do(t.Context()); err != nil {
			t.Errorf("up: %v", err)
		}
		refused := errors.New("refused")
		faults.Down(refused)
		if err := do(t.Context()); !errors.Is(err, refused) {
			t.Errorf("down again: %v", err)
		}
	})
}

func TestFaultsCountFromWhenTheyAreSet(t *testing.T) {
	store, faults := sessiontest.NewFaultStore(newStore(t))
	rec := record(t, 1)
	if err := store.Create(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	load := func() bool { _, err := store.Load(t.Context(), rec.Key()); return err == nil }
	load()
	faults.Fail(sessiontest.OpLoad, 2, nil)
	faults.Fail(sessiontest.OpAny, 4, nil)
	if n := faults.Pending(); n != 2 {
		t.Errorf("pending = %d, want 2", n)
	}
	var got []bool
	for range 5 {
		got = append(got, load())
	}
	if want := [5]bool{true, false, true, false, true}; [5]bool(got) != want {
		t.Errorf("loads = %v, want %v", got, want)
	}
	if n := faults.Pending(); n != 0 {
		t.Errorf("pending = %d, want 0", n)
	}
	faults.Fail(sessiontest.OpLoad, sessiontest.Every, nil)
	for range 2 {
		if load() {
			t.Error("a load came through")
		}
	}
	faults.Clear()
	if !load() {
		t.Error("Clear left the fault")
	}
	if n, all := faults.Count(sessiontest.OpLoad), faults.Count(sessiontest.OpAny); n != 9 || all != 10 {
		t.Errorf("counts = %d loads of %d, want 9 of 10", n, all)
	}
	faults.Reset()
	if n := faults.Count(sessiontest.OpAny); n != 0 {
		t.Errorf("count = %d after Reset", n)
	}
}

func TestFaultsThatMeetHappenOneAfterTheOther(t *testing.T) {
	store, faults := sessiontest.NewFaultStore(newStore(t))
	first, second := errors.New("first"), errors.New("second")
	faults.Fail(sessiontest.OpDelete, sessiontest.Next, first)
	faults.Fail(sessiontest.OpAny, sessiontest.Next, second)
	for _, want := range []error{first, second, nil} {
		if err := store.Delete(t.Context(), beaker.RecordKey{1}); !errors.Is(err, want) {
			t.Errorf("err = %v, want %v", err, want)
		}
	}
}

func TestRecordedCallsSayWhatWasAskedAndAnswered(t *testing.T) {
	store, faults := sessiontest.NewFaultStore(newStore(t))
	rec, ch := record(t, 1), change()
	_ = store.Create(t.Context(), rec)
	faults.Record()
	_, _ = store.Apply(t.Context(), rec.Key(), ch)
	faults.Fail(sessiontest.OpDelete, sessiontest.Next, nil)
	_ = store.Delete(t.Context(), rec.Key())
	calls := faults.Calls()
	if len(calls) != 2 || calls[0].Op != sessiontest.OpApply || calls[0].Change != ch || calls[0].Key != rec.Key() || calls[0].Err != nil ||
		calls[1].Op != sessiontest.OpDelete || !errors.Is(calls[1].Err, sessiontest.ErrInjected) {
		t.Errorf("calls = %+v", calls)
	}
}

func TestContextThatIsDoneGoesBeforeFaults(t *testing.T) {
	eachOperation(t, func(t *testing.T, op sessiontest.Op, inner *memstore.Store, faults *sessiontest.Faults, do func(context.Context) error) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		faults.LoseAck(op, sessiontest.Next)
		if err := do(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("err = %v", err)
		}
		if changes(op) && happened(t, inner, op) {
			t.Error("it happened")
		}
	})
}

func TestWaitingForAnOperationThatDoesNotComeFails(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		_, faults := sessiontest.NewFaultStore(newStore(t))
		failing := &fakeT{}
		failures := failing.run(func() { faults.Park(sessiontest.OpApply, sessiontest.Next, sessiontest.After).Wait(failing) })
		wantFailure(t, failures, "park of apply")
	})
}
