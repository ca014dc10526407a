package memstore_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/memstore"
)

// The store is a hash table and heaps of our own; this holds it against a map. Each
// seed grows and shrinks the store in another way.
func TestTheStoreDoesWhatAMapDoes(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { againstMap(t, seed) })
	}
}

func againstMap(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 5))
	s := open(t, &memstore.Options{MaxEntries: 50_000})
	model := map[int]*beaker.Record{}
	ctx := t.Context()
	now := start
	keys := 200 << (seed % 5)
	for step := range 6000 {
		n := rnd.IntN(keys)
		growing := step/1500%2 == 0
		now = now.Add(time.Duration(rnd.IntN(2000)) * time.Millisecond)
		switch op := rnd.IntN(10); {
		case op < 3 && growing, op < 1:
			rec := recordFor(t, n, []string{"", "u", "v"}[rnd.IntN(3)], now, time.Duration(1+rnd.IntN(3000))*time.Second, rnd.IntN(100))
			err := s.Create(ctx, rec)
			if _, exists := model[n]; exists != errors.Is(err, beaker.ErrExists) || !exists && err != nil {
				t.Fatalf("step %d: Create: %v, exists: %v", step, err, exists)
			}
			if err == nil {
				model[n] = rec
			}
		case op < 7:
			ch := &beaker.Change{Now: now, Proof: proof(n)}
			if rnd.IntN(2) == 0 {
				ch.Touch = now
			}
			if rnd.IntN(3) == 0 {
				ch.Idle = time.Duration(1+rnd.IntN(3000)) * time.Second
			}
			if rnd.IntN(3) == 0 {
				ch.Set = []beaker.Value{{Name: "v", Data: make([]byte, rnd.IntN(100))}}
			}
			if rnd.IntN(4) == 0 {
				subject := []string{"", "u", "v"}[rnd.IntN(3)]
				ch.Subject, ch.Began, ch.AuthenticatedAt = &subject, now, now
			}
			want, wantErr := (*beaker.Record)(nil), beaker.ErrNotFound
			if old := model[n]; old != nil {
				want, wantErr = beaker.Merge(old, ch)
			}
			v, err := s.Apply(ctx, key(n), ch)
			if !errors.Is(err, wantErr) || err == nil && v != want.Version() {
				t.Fatalf("step %d: Apply: version %d, %v; want %v", step, v, err, wantErr)
			}
			if err == nil {
				model[n] = want
			}
		case op < 9:
			if err := s.Delete(ctx, key(n)); err != nil {
				t.Fatal(err)
			}
			delete(model, n)
		default:
			if growing && rnd.IntN(20) != 0 {
				continue
			}
			want := 0
			for n, rec := range model {
				if rec.Expired(now) {
					want++
					delete(model, n)
				}
			}
			if got, err := s.Purge(ctx, now, 1<<20); err != nil || got != want {
				t.Fatalf("step %d: Purge: %d, %v; want %d", step, got, err, want)
			}
		}
		if step%500 == 499 {
			check(t, s)
			if got := s.Stats().Sessions; got != len(model) {
				t.Fatalf("step %d: %d sessions, want %d", step, got, len(model))
			}
			for n := range keys {
				rec, err := s.Load(ctx, key(n))
				want := model[n]
				if (want == nil) != errors.Is(err, beaker.ErrNotFound) || want != nil && (err != nil || !equal(t, rec, want)) {
					t.Fatalf("step %d: session %d: %v, %v; want %v", step, n, rec, err, want)
				}
			}
		}
	}
}

// Keys that look the same to the table, so that lookups meet the wrong records first
// and refs of records that pass each other in a heap can be confused.
func TestKeysThatCollideAreToldApart(t *testing.T) {
	s := open(t, &memstore.Options{MaxEntries: 1000})
	numbers := []int{0}
	for n := 1; len(numbers) < 12; n++ {
		if memstore.Collide(s, key(0), key(n)) {
			numbers = append(numbers, n)
		}
	}
	rnd := rand.New(rand.NewPCG(8, 8))
	model := map[int]*beaker.Record{}
	for step := range 5000 {
		n := numbers[rnd.IntN(len(numbers))]
		lasts := time.Duration(1+rnd.IntN(1000)) * time.Second
		switch {
		case model[n] == nil:
			model[n] = recordFor(t, n, []string{"", "u"}[rnd.IntN(2)], start, lasts, 0)
			create(t, s, model[n])
		case rnd.IntN(3) == 0:
			if err := s.Delete(t.Context(), key(n)); err != nil {
				t.Fatal(err)
			}
			delete(model, n)
		default:
			ch := &beaker.Change{Now: start, Proof: proof(n), Idle: lasts}
			if _, err := s.Apply(t.Context(), key(n), ch); err != nil {
				t.Fatal(err)
			}
		}
		check(t, s)
		for _, n := range numbers {
			if has(t, s, n) != (model[n] != nil) {
				t.Fatalf("step %d: session %d is there: %v", step, n, model[n] == nil)
			}
		}
	}
}

func equal(tb testing.TB, a, b *beaker.Record) bool {
	tb.Helper()
	x, err := a.AppendBinary(nil)
	if err != nil {
		tb.Fatal(err)
	}
	y, err := b.AppendBinary(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return string(x) == string(y)
}
