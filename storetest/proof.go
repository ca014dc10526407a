package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/seed12c5fab1/beaker"
)

func proofChecks() []check {
	return []check{
		{"the current proof applies", func(e *env) {
			h := e.hold("k", "0")
			h.apply(h.set("k", "1"))
			h.apply(h.touch(e.base + minute))
		}},
		{"no other proof does, however near", func(e *env) {
			h := e.hold("k", "0")
			other := e.hold("k", "theirs")
			right := h.rec.Meta().Proof
			wrong := map[string]beaker.Proof{
				"the zero proof":              {},
				"an unknown proof":            e.proof(),
				"another session's proof":     other.rec.Meta().Proof,
				"the record's key as a proof": beaker.Proof(h.key()),
			}
			for _, at := range []int{0, 15, 31} {
				p := right
				p[at] ^= 0x20 // the bit between a letter's cases
				wrong[fmt.Sprintf("a proof that differs in a bit of byte %d", at)] = p
			}
			for why, p := range wrong {
				h.refuseAll(p, why)
			}
			h.apply(h.set("k", "1"))
		}},
		{"proofs are compared byte for byte", func(e *env) {
			// Trailing zeros and spaces are where padding columns and C strings differ.
			base := beaker.Proof{'P'}
			spaces := base
			for i := 1; i < len(spaces); i++ {
				spaces[i] = ' '
			}
			lower := base
			lower[0] = 'p'
			all := []beaker.Proof{base, spaces, lower}
			for i, p := range all {
				h := e.holdMeta(func(m *beaker.Meta) { m.Proof = p }, "k", "0")
				h.same("after Create")
				for j, other := range all {
					if i != j {
						h.refuseAll(other, fmt.Sprintf("proof %d for proof %d", j, i))
					}
				}
				h.apply(h.set("k", "1"))
			}
		}},
		{"AnyProof applies whatever the proof is", func(e *env) {
			h := e.hold("k", "0")
			for _, p := range []beaker.Proof{{}, e.proof(), h.rec.Meta().Proof} {
				ch := h.set("k", "1")
				ch.Proof, ch.AnyProof = p, true
				h.apply(ch)
				ch = h.touch(h.rec.Touched() + 1)
				ch.Proof, ch.AnyProof = p, true
				h.apply(ch)
			}
		}},
		{"the zero proof is not the previous proof of a record that was never rotated", func(e *env) {
			h := e.hold("k", "0")
			ch := h.set("k", "1")
			ch.Now, ch.Proof = 0, beaker.Proof{} // at 0, even PrevUntil 0 is near
			h.refuse(ch, beaker.ErrNotFound, "the zero proof")
		}},
		{"the previous proof reads and applies until its grace ends", func(e *env) {
			h := e.hold("k", "0")
			prev := h.rec.Meta().Proof
			h.apply(h.rotate(e.proof(), 10*time.Second))
			until := h.rec.Meta().PrevUntil
			if until != e.base+1000+10_000 {
				e.Fatalf("the check is wrong: the grace ends at %d", until)
			}
			h.wantStatus(prev, until-1, beaker.ProofPrevious)
			for i, ch := range []*beaker.Change{h.set("k", "1"), h.touch(e.base + 2000)} {
				ch.Now, ch.Proof = until-beaker.Millis(1+i), prev
				h.apply(ch)
			}
			h.wantStatus(prev, until, beaker.ProofReplaced)
			for _, now := range []beaker.Millis{until, until + 1, until + minute, until + 2*minute} {
				for _, ch := range []*beaker.Change{h.set("k", "2"), h.touch(now)} {
					ch.Now, ch.Proof = now, prev
					h.refuse(ch, beaker.ErrNotFound, fmt.Sprintf("%d ms after the grace", now-until))
				}
			}
		}},
		{"without grace the previous proof is dead at once", func(e *env) {
			for _, grace := range []time.Duration{0, -time.Hour} {
				h := e.hold("k", "0")
				prev := h.rec.Meta().Proof
				h.apply(h.rotate(e.proof(), grace))
				for _, ch := range []*beaker.Change{h.set("k", "1"), h.touch(e.base + 2000), h.change()} {
					ch.Now, ch.Proof = e.base+1000, prev
					h.refuse(ch, beaker.ErrNotFound, "the previous proof at the moment of the rotation")
				}
				h.apply(h.set("k", "1"))
			}
		}},
		{"only the last previous proof is in grace", func(e *env) {
			h := e.hold("k", "0")
			first := h.rec.Meta().Proof
			h.apply(h.rotate(e.proof(), time.Hour))
			second := h.rec.Meta().Proof
			h.apply(h.rotate(e.proof(), time.Hour))
			h.refuseAll(first, "the proof before the previous one")
			ch := h.set("k", "1")
			ch.Proof = second
			h.apply(ch)
		}},
	}
}

func (h *held) refuseAll(p beaker.Proof, why string) {
	h.Helper()
	for _, ch := range []*beaker.Change{h.set("k", "stolen"), h.touch(h.base + minute), h.change(), h.rotate(h.proof(), 0)} {
		ch.Proof = p
		h.refuse(ch, beaker.ErrNotFound, why)
	}
}

func (h *held) wantStatus(p beaker.Proof, now beaker.Millis, want beaker.ProofStatus) {
	h.Helper()
	if got := h.loaded().CheckProof(p, now); got != want {
		h.Errorf("the loaded record says %d of the proof, want %d", got, want)
	}
}

func rotationChecks() []check {
	return append([]check{
		{"a rotation replaces the proof and keeps the old one as the previous", func(e *env) {
			h := e.hold("k", "0")
			old, next := h.rec.Meta().Proof, e.proof()
			h.apply(h.rotate(next, 10*time.Second))
			m := h.loaded().Meta()
			if m.Proof != next || m.PrevProof != old || m.RotatedAt != e.base+1000 || m.PrevUntil != e.base+11_000 {
				e.Errorf("proof, previous proof, its end or the time of the rotation is wrong: rotated at %d until %d", m.RotatedAt, m.PrevUntil)
			}
			h.apply(h.set("k", "1"))
		}},
		{"a rotation and what comes with it are one step", func(e *env) {
			h := e.hold("a", "0", "b", "0")
			ch := h.rotate(e.proof(), 0)
			ch.Clear, ch.Set, ch.Subject, ch.AuthenticatedAt = true, pairs("b", "1"), ptr("user-1"), e.base
			ch.Touch, ch.Absolute, ch.Idle = e.base+1000, e.base+11*hour, time.Hour
			h.apply(ch)
		}},
		{"the previous proof never rotates, and its data is refused with it", func(e *env) {
			h := e.hold("k", "0")
			prev := h.rec.Meta().Proof
			h.apply(h.rotate(e.proof(), time.Minute))
			ch := h.rotate(e.proof(), time.Minute)
			ch.Proof, ch.Set, ch.Touch = prev, pairs("k", "lost"), e.base+minute
			h.refuse(ch, beaker.ErrNotFound, "a rotation by the previous proof")
			ch = h.rotate(prev, time.Minute)
			ch.Proof = prev
			h.refuse(ch, beaker.ErrNotFound, "a rotation by the previous proof, back to itself")
		}},
		{"AnyProof rotates", func(e *env) {
			h := e.hold("k", "0")
			ch := h.rotate(e.proof(), 0)
			ch.Proof, ch.AnyProof = beaker.Proof{}, true
			h.apply(ch)
			h.apply(h.set("k", "1"))
		}},
		{"a rotation may be repeated and is done once", func(e *env) {
			for _, grace := range []time.Duration{0, time.Minute} {
				h := e.hold("k", "0")
				base := h.loaded()
				ch := h.rotate(e.proof(), grace)
				ch.Set, ch.Base, ch.IfVersion = pairs("k", "1"), base, base.Version()
				h.apply(ch)
				after := h.rec
				for range 2 {
					again := *ch
					again.Now += 3 * minute
					h.apply(&again)
				}
				if d := diff(after, h.rec); d != "" {
					e.Fatalf("the check is wrong: Merge repeats the rotation:\n%s", d)
				}
			}
		}},
		{"another rotation by the same proof is not a repetition", func(e *env) {
			h := e.hold("k", "0")
			ch := h.rotate(e.proof(), time.Minute)
			h.apply(ch)
			other := *ch
			other.Rotate = &beaker.Rotation{Next: e.proof(), Grace: time.Minute}
			h.refuse(&other, beaker.ErrNotFound, "a second rotation of one proof")
			stranger := *ch
			stranger.Proof = e.proof()
			h.refuse(&stranger, beaker.ErrNotFound, "the same rotation by a proof that was never the record's")
		}},
	}, rotationRaces()...)
}

func rotationRaces() []check {
	// Each race is of one rotation and another change, both by the current proof.
	against := func(grace time.Duration, name string, edit func(e *env, rec *beaker.Record, ch, rotation *beaker.Change)) func(e *env) {
		return func(e *env) {
			e.serial(func() (*beaker.Record, beaker.RecordKey, op, op) {
				rec := e.record(e.meta(), pairs("k", "0")...)
				left, right := e.plain(rec), e.plain(rec)
				left.Rotate = &beaker.Rotation{Next: e.proof(), Grace: grace}
				left.Set = pairs("rotated", "1")
				edit(e, rec, right, left)
				return rec, rec.Key(), e.applyOp(rec.Key(), "rotation", left), e.applyOp(rec.Key(), name, right)
			})
		}
	}
	return []check{
		{"of two racing rotations exactly one wins", against(time.Minute, "other rotation", func(e *env, _ *beaker.Record, ch, _ *beaker.Change) {
			ch.Rotate, ch.Set = &beaker.Rotation{Next: e.proof(), Grace: time.Minute}, pairs("other", "1")
		})},
		{"of two racing rotations on one Base exactly one wins", against(time.Minute, "other rotation", func(e *env, rec *beaker.Record, ch, rotation *beaker.Change) {
			ch.Rotate, ch.Base, rotation.Base = &beaker.Rotation{Next: e.proof(), Grace: time.Minute}, rec, rec
		})},
		{"a rotation that races its own repetition is done once", against(0, "same rotation", func(_ *env, _ *beaker.Record, ch, rotation *beaker.Change) {
			*ch = *rotation
		})},
		{"a write by the old proof comes before the rotation or is refused", against(0, "write", func(_ *env, rec *beaker.Record, ch, rotation *beaker.Change) {
			ch.Set, ch.Base, rotation.Base = pairs("k", "old"), rec, rec
		})},
		{"a write by the old proof in its grace survives next to the rotation", against(time.Minute, "write", func(_ *env, _ *beaker.Record, ch, _ *beaker.Change) {
			ch.Set = pairs("k", "old")
		})},
		{"a touch does not undo a rotation", against(time.Minute, "touch", func(e *env, rec *beaker.Record, ch, _ *beaker.Change) {
			ch.Touch, ch.Base = e.base+1000, rec
		})},
		{"of many racing rotations exactly one wins", manyRotations},
	}
}

func manyRotations(e *env) {
	for range max(e.rounds/10, 2) {
		h := e.hold("k", "0")
		nexts := make([]beaker.Proof, crowdSize)
		for i := range nexts {
			nexts[i] = e.proof()
		}
		won := make(chan beaker.Proof, crowdSize)
		e.crowd(crowdSize, func(i int, s beaker.Store) error {
			_, err := s.Apply(e.ctx(), h.key(), h.rotate(nexts[i], time.Minute))
			switch {
			case err == nil:
				won <- nexts[i]
			case !errors.Is(err, beaker.ErrNotFound):
				return fmt.Errorf("rotation %d: %w", i, err)
			}
			return nil
		})
		close(won)
		if len(won) != 1 {
			e.Fatalf("%d of %d racing rotations won, want one", len(won), crowdSize)
		}
		winner := <-won
		if err := e.soon(func() error {
			rec, err := e.a.Load(e.ctx(), h.key())
			if err != nil {
				return fmt.Errorf("Load: %w", err)
			}
			if rec.Meta().Proof != winner || rec.Version() != 2 {
				return fmt.Errorf("the record does not hold the winner's proof, or its version is %d and not 2", rec.Version())
			}
			return nil
		}); err != nil {
			e.Fatalf("%v", err)
		}
	}
}
