package storetest

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/seed12c5fab1/beaker"
)

func deleteChecks() []check {
	return append([]check{
		{"Apply never creates a record", func(e *env) {
			h := e.unsaved()
			for why, ch := range h.everyChange() {
				_, err := e.a.Apply(e.ctx(), h.key(), ch)
				if !errors.Is(err, beaker.ErrNotFound) {
					e.Errorf("%s: Apply: %s, want ErrNotFound", why, outcome(0, err))
				}
				h.gone(why)
			}
		}},
		{"Delete of a record that is not there is nil", func(e *env) {
			for range 2 {
				if err := e.a.Delete(e.ctx(), e.key()); err != nil {
					e.Errorf("Delete: %v", err)
				}
			}
		}},
		{"Delete may be repeated", func(e *env) {
			h := e.hold("k", "v")
			for range 3 {
				h.delete()
				h.gone("after Delete")
			}
		}},
		{"after Delete no change of any kind brings the record back", func(e *env) {
			h := e.holdRecord(e.full())
			base := h.loaded()
			h.delete()
			for why, ch := range h.everyChange() {
				ch.Base = base
				_, err := e.a.Apply(e.ctx(), h.key(), ch)
				if !errors.Is(err, beaker.ErrNotFound) {
					e.Errorf("%s: Apply: %s, want ErrNotFound", why, outcome(0, err))
				}
				h.gone(why)
			}
		}},
		{"Delete takes its own record only", func(e *env) {
			h := e.hold("k", "v")
			var near []*held // keys that differ in one bit of the first or the last byte
			for _, at := range []int{0, 31} {
				m := e.meta()
				m.Key = h.key()
				m.Key[at] ^= 1
				near = append(near, e.holdRecord(e.record(m, pairs("k", "w")...)))
			}
			h.delete()
			for _, n := range near {
				n.same("after Delete of another record")
			}
		}},
		{"an expired record is deleted too", func(e *env) {
			h, _ := e.past("k", "v")
			h.delete()
			h.gone("after Delete")
		}},
		{"a deleted record's key is free for Create", func(e *env) {
			h := e.hold("k", "old", "old", "1")
			h.apply(h.set("k", "older"))
			h.delete()
			e.holdRecord(e.record(metaWith(e, h.key()), pairs("k", "new")...)).same("after Delete and Create")
		}},
	}, deleteRaces()...)
}

// unsaved is a record that the store does not have.
func (e *env) unsaved() *held {
	e.Helper()
	return &held{env: e, store: e.a, rec: e.record(e.meta(), pairs("k", "v")...)}
}

func (h *held) delete() {
	h.Helper()
	if err := h.store.Delete(h.ctx(), h.key()); err != nil {
		h.Fatalf("Delete: %v", err)
	}
}

// everyChange returns a change of each kind that the record's holder may make, and one
// that needs no proof.
func (h *held) everyChange() map[string]*beaker.Change {
	m := map[string]*beaker.Change{
		"a write":                  h.set("k", "back"),
		"a touch":                  h.touch(h.base + minute),
		"a rotation":               h.rotate(h.proof(), time.Minute),
		"a change of nothing":      h.change(),
		"a removal":                h.change(),
		"a Clear":                  h.change(),
		"a new deadline":           h.change(),
		"a new idle timeout":       h.change(),
		"a new subject":            h.change(),
		"new cookie attributes":    h.change(),
		"a write without a proof":  h.set("k", "back"),
		"a touch without a proof":  h.touch(h.base + minute),
		"a conditional write":      h.set("k", "back"),
		"a write with large limit": h.set("k", "back"),
	}
	m["a removal"].Remove = []string{"k"}
	m["a Clear"].Clear = true
	m["a new deadline"].Absolute = h.base + 24*hour
	m["a new idle timeout"].Idle = 10 * time.Hour
	m["a new subject"].Subject = ptr("user-1")
	m["new cookie attributes"].Cookie = &beaker.CookieAttributes{Path: "/"}
	m["a write without a proof"].AnyProof, m["a write without a proof"].Proof = true, beaker.Proof{}
	m["a touch without a proof"].AnyProof, m["a touch without a proof"].Proof = true, beaker.Proof{}
	m["a conditional write"].IfVersion = h.rec.Version()
	m["a write with large limit"].Limits = beaker.Limits{MaxBytes: 1 << 20, MaxKeys: 100}
	return m
}

func deleteRaces() []check {
	against := func(name string, edit func(e *env, rec *beaker.Record, ch *beaker.Change)) check {
		return check{"Delete against " + name + " leaves nothing", func(e *env) {
			e.serial(func() (*beaker.Record, beaker.RecordKey, op, op) {
				rec := e.record(e.meta(), pairs("k", "v")...)
				ch := e.plain(rec)
				edit(e, rec, ch)
				return rec, rec.Key(), e.deleteOp(rec.Key()), e.applyOp(rec.Key(), name, ch)
			})
		}}
	}
	return []check{
		against("a write", func(_ *env, _ *beaker.Record, ch *beaker.Change) { ch.Set = pairs("k", "back") }),
		against("a write with a Base", func(_ *env, rec *beaker.Record, ch *beaker.Change) {
			ch.Set, ch.Base = pairs("k", "back"), rec
		}),
		against("a conditional write", func(_ *env, rec *beaker.Record, ch *beaker.Change) {
			ch.Set, ch.Base, ch.IfVersion = pairs("k", "back"), rec, rec.Version()
		}),
		against("a write without a proof", func(_ *env, _ *beaker.Record, ch *beaker.Change) {
			ch.Set, ch.AnyProof = pairs("k", "back"), true
		}),
		against("a touch", func(e *env, rec *beaker.Record, ch *beaker.Change) { ch.Touch, ch.Base = e.base+1000, rec }),
		against("a rotation", func(e *env, _ *beaker.Record, ch *beaker.Change) {
			ch.Rotate = &beaker.Rotation{Next: e.proof(), Grace: time.Minute}
		}),
		against("a sign-in", func(e *env, _ *beaker.Record, ch *beaker.Change) {
			ch.Subject, ch.AuthenticatedAt, ch.Rotate = ptr("user-1"), e.base, &beaker.Rotation{Next: e.proof()}
		}),
		{"Delete against Delete leaves nothing", func(e *env) {
			e.serial(func() (*beaker.Record, beaker.RecordKey, op, op) {
				rec := e.record(e.meta(), pairs("k", "v")...)
				return rec, rec.Key(), e.deleteOp(rec.Key()), e.deleteOp(rec.Key())
			})
		}},
		{"Delete against Create of the same key happens before or after it", func(e *env) {
			e.serial(func() (*beaker.Record, beaker.RecordKey, op, op) {
				rec := e.record(e.meta(), pairs("k", "v")...)
				return nil, rec.Key(), e.deleteOp(rec.Key()), e.createOp("Create", rec)
			})
		}},
		{"writers in full flight do not bring a deleted record back", fullFlight},
	}
}

// fullFlight deletes a record that several writers change as fast as they can. A call
// that began after Delete returned must find nothing.
func fullFlight(e *env) {
	const writers = 6
	for range max(e.rounds/10, 2) {
		h := e.hold("k", "v")
		var acked atomic.Int64
		var deleted atomic.Bool
		e.crowd(writers+1, func(i int, s beaker.Store) error {
			if i == writers { // deletes once the writers are under way
				for acked.Load() < writers && !deleted.Load() {
					if _, err := s.Load(e.ctx(), h.key()); err != nil {
						deleted.Store(true) // let the others go, here and below
						return fmt.Errorf("Load before Delete: %w", err)
					}
					runtime.Gosched() // a single processor must come to the writers
				}
				err := s.Delete(e.ctx(), h.key())
				deleted.Store(true)
				if err != nil {
					return fmt.Errorf("Delete: %w", err)
				}
				return nil
			}
			for n := 0; ; n++ {
				after := deleted.Load()
				ch := h.set(fmt.Sprintf("w%d", i), fmt.Sprint(n))
				if i%3 == 2 {
					ch = h.touch(h.base + beaker.Millis(n))
				}
				_, err := s.Apply(e.ctx(), h.key(), ch)
				acked.Add(1)
				runtime.Gosched()
				switch {
				case errors.Is(err, beaker.ErrNotFound):
					if deleted.Load() {
						return nil
					}
				case err != nil:
					deleted.Store(true)
					return fmt.Errorf("writer %d: Apply: %w", i, err)
				case after:
					return fmt.Errorf("writer %d: Apply succeeded, although it began after Delete had returned", i)
				}
			}
		})
		for _, s := range e.stores() {
			e.absent(s, h.key(), "after Delete and all writers have returned")
		}
	}
}
