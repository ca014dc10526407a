package storetest

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/seed12c5fab1/beaker"
)

func ownWriteChecks() []check {
	return []check{
		{"Load after Apply and Delete is as new as they are", func(e *env) {
			h := e.hold("k", "0")
			for i := range 20 {
				h.apply(h.set("k", fmt.Sprint(i))) // loads before and after
				h.apply(h.touch(e.base + beaker.Millis(i+1)*minute/4))
			}
			h.delete()
			h.gone("after Delete")
		}},
		{"Load of a record that was not there is not remembered over Create", func(e *env) {
			h := e.unsaved()
			h.gone("before Create")
			e.holdRecord(h.rec).same("after Create")
		}},
		{"Load after Delete and Create finds the new record", func(e *env) {
			h := e.hold("k", "old")
			h.apply(h.set("k", "older"))
			for i := range 5 {
				h.delete()
				h.gone("after Delete")
				h = e.holdRecord(e.record(metaWith(e, h.key()), pairs("k", fmt.Sprint(i))...))
				h.same("after Create")
			}
		}},
		{"many goroutines each read their own writes", func(e *env) {
			e.crowd(8, func(i int, s beaker.Store) error { return ownWrites(e, s, i) })
		}},
		{"no goroutine reads less than what was written before its Load began", watched},
	}
}

func ownWrites(e *env, s beaker.Store, i int) error {
	key := e.key()
	rec, err := beaker.NewRecord(metaWith(e, key), pairs("k", "0"))
	if err != nil {
		return err
	}
	if err := s.Create(e.ctx(), rec); err != nil {
		return fmt.Errorf("goroutine %d: Create: %w", i, err)
	}
	for n := range 10 {
		ch := e.plain(rec)
		ch.Set = pairs("k", fmt.Sprint(n))
		v, err := s.Apply(e.ctx(), key, ch)
		if err != nil {
			return fmt.Errorf("goroutine %d: Apply: %w", i, err)
		}
		got, err := s.Load(e.ctx(), key)
		if err != nil {
			return fmt.Errorf("goroutine %d: Load: %w", i, err)
		}
		if data, _ := got.Lookup("k"); got.Version() != v || data != fmt.Sprint(n) {
			return fmt.Errorf("goroutine %d: Load returned version %d after version %d was written", i, got.Version(), v)
		}
	}
	if err := s.Delete(e.ctx(), key); err != nil {
		return fmt.Errorf("goroutine %d: Delete: %w", i, err)
	}
	if _, err := s.Load(e.ctx(), key); !errors.Is(err, beaker.ErrNotFound) {
		return fmt.Errorf("goroutine %d: Load after Delete: %s, want ErrNotFound", i, outcome(0, err))
	}
	return nil
}

// watched has readers load a record while a writer changes and then deletes it. The
// writer announces what was acknowledged; a Load that begins later must not return less.
// Readers that fill a cache with what they read before are what this is after.
func watched(e *env) {
	const readers = 4
	const deleted = 1 << 60
	for range max(e.rounds/10, 2) {
		h := e.hold("k", "0")
		var announced, reads atomic.Uint64
		var ended atomic.Int64
		e.crowd(readers+1, func(i int, s beaker.Store) error {
			if i == readers {
				defer announced.Store(deleted) // also lets the readers go
				for n := range 10 {
					// Each write waits for readers to be at it again.
					for before := reads.Load(); reads.Load() < before+readers && ended.Load() == 0; {
						if _, err := s.Load(e.ctx(), h.key()); err != nil {
							return fmt.Errorf("the writer's Load: %w", err)
						}
						runtime.Gosched() // a single processor must come to the readers
					}
					v, err := s.Apply(e.ctx(), h.key(), h.set("k", fmt.Sprint(n)))
					if err != nil {
						return fmt.Errorf("Apply: %w", err)
					}
					announced.Store(uint64(v))
				}
				return s.Delete(e.ctx(), h.key())
			}
			defer ended.Add(1)
			for {
				known := announced.Load()
				rec, err := s.Load(e.ctx(), h.key())
				reads.Add(1)
				switch {
				case known == deleted:
					if !errors.Is(err, beaker.ErrNotFound) {
						return fmt.Errorf("reader %d: Load after Delete: %s, want ErrNotFound", i, outcome(0, err))
					}
					return nil
				case errors.Is(err, beaker.ErrNotFound): // being deleted
				case err != nil:
					return fmt.Errorf("reader %d: Load: %w", i, err)
				case uint64(rec.Version()) < known:
					return fmt.Errorf("reader %d: Load returned version %d after version %d was acknowledged", i, rec.Version(), known)
				}
				runtime.Gosched()
			}
		})
	}
}
