package storetest

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// accepting returns an Apply that takes some proofs which it should refuse.
func (r *reference) accepting(also func(m beaker.Meta, ch *beaker.Change) bool) applyFunc {
	return r.changing(func(rec *beaker.Record, ch *beaker.Change) {
		if also(rec.Meta(), ch) {
			ch.AnyProof = true
		}
	})
}

// refusing returns an Apply that refuses some proofs which it should take.
func (r *reference) refusing(those func(m beaker.Meta, ch *beaker.Change) bool) applyFunc {
	return r.merging(func(rec *beaker.Record, ch *beaker.Change) (*beaker.Record, error) {
		if those(rec.Meta(), ch) {
			return nil, beaker.ErrNotFound
		}
		return beaker.Merge(rec, ch)
	})
}

func proofDefects() []defect {
	return []defect{
		{name: "does not look at proofs", with: func(b *broken) {
			b.apply = b.accepting(func(beaker.Meta, *beaker.Change) bool { return true })
		}, fails: []string{
			"no other proof does, however near", "proofs are compared byte for byte", "only the last previous proof is in grace",
			"the proof is compared with the record's and not with Base's", "of two racing rotations exactly one wins",
			"of many racing rotations exactly one wins", "a long history ends as Merge says",
		}},
		{name: "takes the zero proof", with: func(b *broken) {
			b.apply = b.accepting(func(_ beaker.Meta, ch *beaker.Change) bool { return ch.Proof.IsZero() })
		}, fails: []string{"no other proof does, however near", "the zero proof is not the previous proof of a record that was never rotated"}},
		{name: "takes the previous proof of a record that has none", with: func(b *broken) {
			b.apply = b.accepting(func(m beaker.Meta, ch *beaker.Change) bool { return ch.Proof == m.PrevProof && ch.Now <= m.PrevUntil })
		}, fails: []string{"the zero proof is not the previous proof of a record that was never rotated"}},
		{name: "compares half a proof", with: func(b *broken) {
			b.apply = b.accepting(func(m beaker.Meta, ch *beaker.Change) bool { return bytes.Equal(ch.Proof[:16], m.Proof[:16]) })
		}, fails: []string{"no other proof does, however near"}},
		{name: "compares proofs without padding", with: func(b *broken) {
			b.apply = b.accepting(func(m beaker.Meta, ch *beaker.Change) bool {
				return bytes.Equal(bytes.TrimRight(ch.Proof[:], "\x00 "), bytes.TrimRight(m.Proof[:], "\x00 "))
			})
		}, fails: []string{"proofs are compared byte for byte"}},
		{name: "refuses touches by the current proof", with: func(b *broken) {
			b.apply = b.refusing(func(_ beaker.Meta, ch *beaker.Change) bool { return ch.Touch != 0 && !ch.AnyProof })
		}, fails: []string{"the current proof applies", "a touch that comes with data keeps the later of the two times"}},
		{name: "wants a proof from everybody", with: func(b *broken) {
			b.apply = b.changing(func(_ *beaker.Record, ch *beaker.Change) { ch.AnyProof = false })
		}, fails: []string{"AnyProof applies whatever the proof is", "AnyProof rotates"}},
		{name: "takes the previous proof a millisecond too long", with: func(b *broken) {
			b.apply = b.accepting(func(m beaker.Meta, ch *beaker.Change) bool {
				return ch.Rotate == nil && m.PrevUntil != 0 && ch.Proof == m.PrevProof && ch.Now <= m.PrevUntil
			})
		}, fails: []string{"the previous proof reads and applies until its grace ends", "without grace the previous proof is dead at once"}},
		{name: "refuses the previous proof", with: func(b *broken) {
			b.apply = b.refusing(func(m beaker.Meta, ch *beaker.Change) bool { return ch.Rotate == nil && ch.Proof == m.PrevProof })
		}, fails: []string{
			"the previous proof reads and applies until its grace ends",
			"a write by the old proof in its grace survives next to the rotation",
		}},
		{name: "takes the previous proof for ever", with: func(b *broken) {
			b.apply = b.accepting(func(m beaker.Meta, ch *beaker.Change) bool {
				return ch.Rotate == nil && m.RotatedAt != 0 && ch.Proof == m.PrevProof
			})
		}, fails: []string{
			"the previous proof reads and applies until its grace ends", "without grace the previous proof is dead at once",
			"a write by the old proof comes before the rotation or is refused",
		}},
		{name: "takes every proof that was current in the last hour", with: func(b *broken) {
			var old []beaker.Proof
			b.apply = b.changing(func(rec *beaker.Record, ch *beaker.Change) {
				if ch.Rotate == nil && slices.Contains(old, ch.Proof) {
					ch.AnyProof = true
				}
				if ch.Rotate != nil && ch.Rotate.Grace > 0 {
					old = append(old, rec.Meta().Proof)
				}
			})
		}, fails: []string{"only the last previous proof is in grace"}},
		{name: "lets the previous proof rotate", with: func(b *broken) {
			b.apply = b.accepting(func(m beaker.Meta, ch *beaker.Change) bool {
				return ch.Rotate != nil && ch.Proof == m.PrevProof && ch.Now < m.PrevUntil
			})
		}, fails: []string{
			"the previous proof never rotates, and its data is refused with it", "another rotation by the same proof is not a repetition",
			"of two racing rotations exactly one wins", "of many racing rotations exactly one wins",
		}},
		{name: "does not know a rotation again", with: func(b *broken) {
			b.apply = b.refusing(func(m beaker.Meta, ch *beaker.Change) bool { return ch.Rotate != nil && ch.Rotate.Next == m.Proof })
		}, fails: []string{"a rotation may be repeated and is done once", "a rotation that races its own repetition is done once"}},
		{name: "takes a rotation for repeated whoever asks", with: func(b *broken) {
			b.apply = b.merging(func(rec *beaker.Record, ch *beaker.Change) (*beaker.Record, error) {
				if ch.Rotate != nil && ch.Rotate.Next == rec.Meta().Proof {
					return rec, nil
				}
				return beaker.Merge(rec, ch)
			})
		}, fails: []string{"another rotation by the same proof is not a repetition"}},
	}
}

func deadlineDefects() []defect {
	return []defect{
		{name: "never lets a session expire", with: func(b *broken) {
			b.apply = b.changing(func(rec *beaker.Record, ch *beaker.Change) { ch.Now = min(ch.Now, rec.Expires()-1) })
		}, fails: []string{
			"the idle timeout ends a session at its very millisecond", "the absolute deadline ends a session at its very millisecond",
			"without an idle timeout only the absolute deadline counts", "a shorter idle timeout holds at once",
			"a shorter absolute deadline holds at once", "an expired session is dead with a purge and without",
			"a change that would lengthen a deadline comes too late when it has passed",
		}},
		{name: "takes the last millisecond for alive", with: func(b *broken) {
			b.apply = b.changing(func(rec *beaker.Record, ch *beaker.Change) {
				if ch.Now == rec.Expires() {
					ch.Now--
				}
			})
		}, fails: []string{"the idle timeout ends a session at its very millisecond", "the absolute deadline ends a session at its very millisecond"}},
		{name: "goes by its own clock", with: func(b *broken) {
			b.apply = b.changing(func(_ *beaker.Record, ch *beaker.Change) { ch.Now = beaker.MillisOf(time.Now()) })
		}, fails: []string{
			"the idle timeout ends a session at its very millisecond", "the caller's clock counts even where it is behind",
			"the previous proof reads and applies until its grace ends",
		}},
		{name: "drops what its own clock calls expired when it is changed", with: func(b *broken) {
			b.apply = b.merging(func(rec *beaker.Record, ch *beaker.Change) (*beaker.Record, error) {
				if rec.Expired(beaker.MillisOf(time.Now())) {
					return nil, beaker.ErrNotFound
				}
				return beaker.Merge(rec, ch)
			})
		}, fails: []string{"the caller's clock counts even where it is behind"}},
		{name: "lets touches go beyond the absolute deadline", with: func(b *broken) {
			b.apply = b.changing(func(rec *beaker.Record, ch *beaker.Change) {
				if m := rec.Meta(); ch.Now >= m.Absolute && ch.Now < m.Touched.Add(m.Idle) {
					ch.Now = m.Absolute - 1
				}
			})
		}, fails: []string{
			"a touch moves the idle deadline up to the absolute one and no further",
			"the absolute deadline ends a session at its very millisecond",
		}},
		{name: "never shortens a deadline", with: func(b *broken) {
			b.apply = b.making(func(old *beaker.Record, _ *beaker.Change, m *beaker.Meta) {
				m.Idle, m.Absolute = max(m.Idle, old.Idle()), max(m.Absolute, old.Meta().Absolute)
			})
		}, fails: []string{"a shorter idle timeout holds at once", "a shorter absolute deadline holds at once"}},
		{name: "never lengthens a deadline", with: func(b *broken) {
			b.apply = b.making(func(old *beaker.Record, _ *beaker.Change, m *beaker.Meta) {
				m.Idle, m.Absolute = min(m.Idle, old.Idle()), min(m.Absolute, old.Meta().Absolute)
			})
		}, fails: []string{"longer deadlines hold", "deadlines and cookie attributes are replaced, and stay"}},
		{name: "lengthens deadlines before it checks them", with: func(b *broken) {
			b.apply = b.changing(func(rec *beaker.Record, ch *beaker.Change) {
				if ch.Idle != 0 || ch.Absolute != 0 {
					ch.Now = min(ch.Now, rec.Expires()-1)
				}
			})
		}, fails: []string{"a change that would lengthen a deadline comes too late when it has passed"}},
		{name: "lets a touch revive a session", with: func(b *broken) {
			b.apply = b.changing(func(rec *beaker.Record, ch *beaker.Change) {
				if !ch.ChangesData() {
					ch.Now = min(ch.Now, rec.Expires()-1)
				}
			})
		}, fails: []string{"the idle timeout ends a session at its very millisecond", "an expired session is dead with a purge and without"}},
		{name: "deletes what a change finds expired", with: func(b *broken) {
			b.apply = func(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
				if rec, err := b.reference.Load(ctx, key); err == nil && rec.Expired(ch.Now) {
					return 0, b.reference.Delete(ctx, key)
				}
				return b.reference.Apply(ctx, key, ch)
			}
		}, fails: []string{"an expired record is not purged by a change that is refused"}},
		{name: "sets the time of a touch instead of raising it", with: func(b *broken) {
			b.apply = b.making(func(_ *beaker.Record, ch *beaker.Change, m *beaker.Meta) {
				if ch.Touch != 0 {
					m.Touched = ch.Touch
				}
			})
		}, fails: []string{
			"a touch that is not later than the last one is no write and no error",
			"a touch that comes with data keeps the later of the two times",
		}},
		{name: "calls a late touch a conflict", with: func(b *broken) {
			b.apply = b.merging(func(rec *beaker.Record, ch *beaker.Change) (*beaker.Record, error) {
				if ch.Touch != 0 && ch.Touch <= rec.Touched() {
					return nil, beaker.ErrConflict
				}
				return beaker.Merge(rec, ch)
			})
		}, fails: []string{"a touch that is not later than the last one is no write and no error"}},
	}
}
