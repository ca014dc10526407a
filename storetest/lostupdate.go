package storetest

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed12c5fab1/beaker"
)

func lostUpdateChecks() []check { return lostUpdateRaces() }

func lostUpdateRaces() []check {
	// edit makes the two changes of a round. old is a record from before the last
	// change, which either may take as its Base, now is the record as it is.
	writes := func(edit func(e *env, now, old *beaker.Record, left, right *beaker.Change)) func(e *env) {
		return func(e *env) {
			e.serial(func() (*beaker.Record, beaker.RecordKey, op, op) {
				old := e.record(e.meta(), pairs("a", "0", "b", "0")...)
				m := old.Meta()
				m.Version++
				now := e.record(m, pairs("a", "0", "b", "0", "c", "0")...)
				left, right := e.plain(now), e.plain(now)
				edit(e, now, old, left, right)
				return now, now.Key(), e.applyOp(now.Key(), "left", left), e.applyOp(now.Key(), "right", right)
			})
		}
	}
	return []check{
		{"two writes of different values both survive", writes(func(_ *env, _, _ *beaker.Record, left, right *beaker.Change) {
			left.Set, right.Set = pairs("a", "1"), pairs("b", "1")
		})},
		{"two writes on the same Base both survive", writes(func(_ *env, now, _ *beaker.Record, left, right *beaker.Change) {
			left.Set, right.Set = pairs("a", "1"), pairs("b", "1")
			left.Base, right.Base = now, now
		})},
		{"two writes on an outdated Base both survive, and so does what came between", writes(func(_ *env, _, old *beaker.Record, left, right *beaker.Change) {
			left.Set, right.Set = pairs("a", "1"), pairs("b", "1")
			left.Base, right.Base = old, old
		})},
		{"of two writes of one value the later one wins", writes(func(_ *env, _, _ *beaker.Record, left, right *beaker.Change) {
			left.Set, right.Set = pairs("a", "left"), pairs("a", "right")
		})},
		{"a write and a removal both happen", writes(func(_ *env, _, _ *beaker.Record, left, right *beaker.Change) {
			left.Set, right.Remove = pairs("a", "1"), []string{"c"}
		})},
		{"a Clear takes all that was set before it and nothing after", writes(func(_ *env, _, _ *beaker.Record, left, right *beaker.Change) {
			left.Set = pairs("a", "1", "d", "1")
			right.Clear, right.Set = true, pairs("b", "1")
		})},
		{"a write and a new deadline both survive", writes(func(e *env, _, _ *beaker.Record, left, right *beaker.Change) {
			left.Set, right.Absolute = pairs("a", "1"), e.base+3*hour
		})},
		{"a write and a new subject both survive", writes(func(e *env, now, _ *beaker.Record, left, right *beaker.Change) {
			left.Set, right.Subject, right.AuthenticatedAt = pairs("a", "1"), ptr("user-1"), e.base
			left.Base, right.Base = now, now
		})},
		{"of two conditional writes one is ErrConflict", writes(func(_ *env, now, _ *beaker.Record, left, right *beaker.Change) {
			left.Set, right.Set = pairs("a", "left"), pairs("a", "right")
			left.IfVersion, right.IfVersion = now.Version(), now.Version()
			left.Base, right.Base = now, now
		})},
		{"many writers lose nothing", manyWriters},
		{"a counter raised with IfVersion is exact", counter},
	}
}

// plain returns a change by the holder of the record, as it is before the race.
func (e *env) plain(rec *beaker.Record) *beaker.Change {
	return &beaker.Change{Now: e.base + 1000, Began: e.base + 1000, Proof: rec.Meta().Proof}
}

const crowdSize = 16

func manyWriters(e *env) {
	const each = 4
	h := e.hold("k", "v")
	versions := make(chan beaker.Version, crowdSize*each)
	e.crowd(crowdSize, func(i int, s beaker.Store) error {
		for n := range each {
			v, err := s.Apply(e.ctx(), h.key(), h.set(fmt.Sprintf("%d.%d", i, n), "x"))
			if err != nil {
				return fmt.Errorf("writer %d: Apply: %w", i, err)
			}
			versions <- v
		}
		return nil
	})
	close(versions)
	seen := map[beaker.Version]bool{}
	for v := range versions {
		if seen[v] {
			e.Errorf("two changes returned version %d", v)
		}
		seen[v] = true
	}
	if err := e.soon(func() error {
		rec, err := e.a.Load(e.ctx(), h.key())
		if err != nil {
			return fmt.Errorf("Load: %w", err)
		}
		if want := crowdSize*each + 1; rec.Len() != want || rec.Version() != beaker.Version(want) {
			return fmt.Errorf("%d values and version %d, want %d of each: %d changes were acknowledged", rec.Len(), rec.Version(), want, want-1)
		}
		return nil
	}); err != nil {
		e.Errorf("%v", err)
	}
}

// counter is the read-modify-write that a session's Update does.
func counter(e *env) {
	const each = 5
	h := e.hold("n", "0")
	e.crowd(crowdSize, func(i int, s beaker.Store) error {
		for range each {
			if err := increment(e.ctx(), s, h); err != nil {
				return fmt.Errorf("goroutine %d: %w", i, err)
			}
		}
		return nil
	})
	if err := e.soon(func() error {
		rec, err := e.a.Load(e.ctx(), h.key())
		if err != nil {
			return fmt.Errorf("Load: %w", err)
		}
		if n, _ := rec.Lookup("n"); n != fmt.Sprint(crowdSize*each) {
			return fmt.Errorf("the counter is %s after %d increments", n, crowdSize*each)
		}
		return nil
	}); err != nil {
		e.Errorf("%v", err)
	}
}

func increment(ctx context.Context, s beaker.Store, h *held) error {
	const patience = 100_000 // tries; a store that never lets one through must not hang the test
	for range patience {
		rec, err := s.Load(ctx, h.key())
		if err != nil {
			return fmt.Errorf("Load: %w", err)
		}
		data, _ := rec.Lookup("n")
		var n int
		if _, err := fmt.Sscan(data, &n); err != nil {
			return fmt.Errorf("the counter is %q: %w", data, err)
		}
		ch := h.set("n", fmt.Sprint(n+1))
		ch.Base, ch.IfVersion = rec, rec.Version()
		if _, err = s.Apply(ctx, h.key(), ch); err == nil {
			return nil
		}
		if !errors.Is(err, beaker.ErrConflict) {
			return fmt.Errorf("Apply: %w", err)
		}
	}
	return fmt.Errorf("no success in %d tries: Load keeps returning a version that Apply calls outdated", patience)
}
