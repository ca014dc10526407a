package storetest

import (
	"fmt"
	"time"

	"github.com/seed12c5fab1/beaker"
)

func (e *env) purge(now beaker.Millis, limit int) int {
	e.Helper()
	n, err := e.a.(beaker.Purger).Purge(e.ctx(), now, limit)
	if err != nil {
		e.Fatalf("Purge: %v", err)
	}
	return n
}

func (e *env) wantPurged(want int, now beaker.Millis, limit int) {
	e.Helper()
	if n := e.purge(now, limit); n != want {
		e.Errorf("Purge with limit %d says that it removed %d records, want %d", limit, n, want)
	}
}

func purgeChecks() []check {
	return append([]check{
		{"a record is purged from its last millisecond on and not before", func(e *env) {
			for _, change := range []func(*beaker.Meta){
				func(*beaker.Meta) {},
				func(m *beaker.Meta) { m.Absolute = e.base + 20*minute },
				func(m *beaker.Meta) { m.Idle = beaker.NoLimit },
			} {
				h := e.holdMeta(change, "k", "v")
				end := h.rec.Expires()
				e.wantPurged(0, end-1, 10)
				h.same("after Purge a millisecond before its end")
				e.wantPurged(1, end, 10)
				h.gone("after Purge at its end")
				e.wantPurged(0, end+hour, 10)
			}
		}},
		{"only expired records go", func(e *env) {
			full := e.holdRecord(e.full())
			old := e.holdMeta(func(m *beaker.Meta) { m.Absolute = e.base + minute }, "k", "v")
			e.wantPurged(0, e.base, 10)
			e.wantPurged(1, e.base+10*minute, 10)
			old.gone("after Purge")
			full.same("after Purge")
			full.apply(full.set("k", "w"))
		}},
		{"the limit holds, and fewer than the limit means that none are left", func(e *env) {
			const limit = 3
			var live []*held
			for i := range 7 {
				e.holdMeta(func(m *beaker.Meta) { m.Absolute = e.base + minute + beaker.Millis(i) }, "k", "v")
				if i%2 == 0 {
					live = append(live, e.hold("k", "v"))
				}
			}
			now := e.base + 10*minute
			left, calls := 7, 0
			for left > 0 && calls < 20 {
				calls++
				n := e.purge(now, limit)
				if n > limit {
					e.Fatalf("Purge removed %d records, the limit is %d", n, limit)
				}
				left -= n
				if n < limit {
					break
				}
			}
			if left != 0 {
				e.Errorf("Purge said that none are left, and it removed all but %d of 7", left)
			}
			e.wantPurged(0, now, limit)
			for _, h := range live {
				h.same("after Purge")
			}
		}},
		{"what moves the end moves the purge", func(e *env) {
			h := e.hold("k", "v")
			first := h.rec.Expires()
			h.apply(h.touch(e.base + 10*minute))
			e.wantPurged(0, first, 10)
			h.same("after Purge at the end that it had before a touch")

			longer := h.change()
			longer.Idle = 2 * time.Hour
			before := h.rec.Expires()
			h.apply(longer)
			e.wantPurged(0, before, 10)
			h.same("after Purge at the end that it had before a longer idle timeout")

			sooner := h.change()
			sooner.Absolute = e.base + 11*minute
			h.apply(sooner)
			e.wantPurged(1, e.base+11*minute, 10)
			h.gone("after Purge at the end that it was given")
		}},
		{"an expired session is dead with a purge and without", func(e *env) {
			for _, purged := range []bool{false, true} {
				h := e.hold("k", "v")
				end := h.rec.Expires()
				if purged {
					e.wantPurged(1, end, 10)
				}
				for why, ch := range h.everyChange() {
					ch.Now = end
					if _, err := e.a.Apply(e.ctx(), h.key(), ch); outcome(0, err) != "ErrNotFound" {
						e.Errorf("%s, purged %t: Apply: %s, want ErrNotFound", why, purged, outcome(0, err))
					}
				}
				if !purged {
					e.wantPurged(1, end, 10) // and nothing revived it
				}
				h.gone("at the end")
			}
		}},
		{"a purged record's key is free for Create", func(e *env) {
			h := e.hold("k", "old")
			e.wantPurged(1, h.rec.Expires(), 10)
			e.holdRecord(e.record(metaWith(e, h.key()), pairs("k", "new")...)).same("after Purge and Create")
		}},
	}, purgeRaces()...)
}

func (e *env) purgeOp(now beaker.Millis) op {
	return op{
		name: "Purge",
		call: func(s beaker.Store) string {
			n, err := s.(beaker.Purger).Purge(e.ctx(), now, 10)
			return fmt.Sprintf("%d removed, %s", n, outcome(0, err))
		},
		does: func(rec *beaker.Record) (*beaker.Record, string) {
			if rec == nil || !rec.Expired(now) {
				return rec, "0 removed, no error"
			}
			return nil, "1 removed, no error"
		},
	}
}

func purgeRaces() []check {
	// In the record's last millisecond, on another node's clock, it is purged.
	against := func(edit func(ch *beaker.Change, end beaker.Millis)) func(e *env) {
		return func(e *env) {
			e.serial(func() (*beaker.Record, beaker.RecordKey, op, op) {
				rec := e.record(e.meta(), pairs("k", "0")...)
				ch := e.plain(rec)
				ch.Now = rec.Expires() - 1
				edit(ch, rec.Expires())
				return rec, rec.Key(), e.purgeOp(rec.Expires()), e.applyOp(rec.Key(), "change", ch)
			})
		}
	}
	return []check{
		{"Purge does not take a record that is being touched", against(func(ch *beaker.Change, end beaker.Millis) { ch.Touch = end - 1 })},
		{"Purge does not take a record whose end is being moved", against(func(ch *beaker.Change, _ beaker.Millis) { ch.Idle = 5 * time.Hour })},
		{"a write does not bring a purged record back", against(func(ch *beaker.Change, _ beaker.Millis) { ch.Set = pairs("k", "1") })},
		{"Purge racing Purge counts a record once", func(e *env) {
			e.serial(func() (*beaker.Record, beaker.RecordKey, op, op) {
				rec := e.record(e.meta(), pairs("k", "0")...)
				return rec, rec.Key(), e.purgeOp(rec.Expires()), e.purgeOp(rec.Expires())
			})
		}},
	}
}
