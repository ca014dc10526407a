package storetest

import (
	"fmt"
	"time"

	"github.com/seed12c5fab1/beaker"
)

func touchChecks() []check {
	return append([]check{
		{"a touch raises the time of the last use and nothing else", func(e *env) {
			h := e.holdRecord(e.full())
			before := h.rec.Meta()
			h.apply(h.touch(e.base + minute))
			m := h.loaded().Meta()
			if m.Touched != e.base+minute || m.Version != before.Version {
				e.Errorf("touched at %d with version %d, want %d and %d", m.Touched, m.Version, e.base+minute, before.Version)
			}
			h.apply(h.touch(e.base + 2*minute))
		}},
		{"a touch that is not later than the last one is no write and no error", func(e *env) {
			h := e.hold("k", "v")
			h.apply(h.touch(e.base + minute))
			for _, at := range []beaker.Millis{e.base + minute, e.base + minute - 1, e.base, 1} {
				ch := h.touch(at)
				ch.Now = e.base + 2*minute
				h.apply(ch)
			}
		}},
		{"a touch that comes with data keeps the later of the two times", func(e *env) {
			h := e.hold("k", "0")
			for i, at := range []beaker.Millis{e.base + minute, e.base + 2, e.base + 2*minute} {
				ch := h.set("k", fmt.Sprint(i))
				ch.Touch = at
				h.apply(ch)
			}
		}},
		{"touches do not make IfVersion fail", func(e *env) {
			h := e.hold("k", "0")
			loaded := h.loaded()
			h.apply(h.touch(e.base + minute))
			ch := h.set("k", "1")
			ch.Base, ch.IfVersion = loaded, loaded.Version()
			h.apply(ch)
			ch = h.touch(e.base + 2*minute)
			ch.IfVersion = h.rec.Version()
			h.apply(ch)
		}},
		{"a touch counts towards the idle timeout as it is, not as it was", func(e *env) {
			for _, touchFirst := range []bool{true, false} {
				h := e.hold("k", "0")
				shorter := h.change()
				shorter.Idle = 20 * time.Minute
				changes := []*beaker.Change{h.touch(e.base + 10*minute), shorter}
				if !touchFirst {
					changes[0], changes[1] = changes[1], changes[0]
				}
				old := h.loaded()
				for _, ch := range changes {
					ch.Base = old
					h.apply(ch)
				}
				if h.rec.Expires() != e.base+30*minute {
					e.Fatalf("the check is wrong: the record ends at %d", h.rec.Expires())
				}
				h.edge()
			}
		}},
	}, touchRaces()...)
}

func touchRaces() []check {
	against := func(edit func(e *env, rec *beaker.Record, touch, other *beaker.Change)) func(e *env) {
		return func(e *env) {
			e.serial(func() (*beaker.Record, beaker.RecordKey, op, op) {
				rec := e.record(e.meta(), pairs("k", "0")...)
				touch, other := e.plain(rec), e.plain(rec)
				touch.Touch = e.base + 1000
				edit(e, rec, touch, other)
				return rec, rec.Key(), e.applyOp(rec.Key(), "touch", touch), e.applyOp(rec.Key(), "other", other)
			})
		}
	}
	return []check{
		{"of two racing touches the later time stays", against(func(e *env, _ *beaker.Record, _, other *beaker.Change) { other.Touch = e.base + 2000 })},
		{"a touch and a write both happen", against(func(_ *env, _ *beaker.Record, _, other *beaker.Change) { other.Set = pairs("k", "1") })},
		{"a touch and a write on one Base both happen", against(func(_ *env, rec *beaker.Record, touch, other *beaker.Change) {
			other.Set, other.Base, touch.Base = pairs("k", "1"), rec, rec
		})},
		{"a touch does not make a conditional write fail", against(func(_ *env, rec *beaker.Record, _, other *beaker.Change) {
			other.Set, other.IfVersion, other.Base = pairs("k", "1"), rec.Version(), rec
		})},
		{"a touch and a new idle timeout both count", against(func(_ *env, rec *beaker.Record, touch, other *beaker.Change) {
			other.Idle, other.Base, touch.Base = 20*time.Minute, rec, rec
		})},
		{"a touch and a new absolute deadline both count", against(func(e *env, _ *beaker.Record, _, other *beaker.Change) {
			other.Absolute = e.base + 20*minute
		})},
	}
}
