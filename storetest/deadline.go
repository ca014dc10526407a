package storetest

import (
	"fmt"
	"time"

	"github.com/seed12c5fab1/beaker"
)

func deadlineChecks() []check {
	return []check{
		{"the idle timeout ends a session at its very millisecond", func(e *env) {
			h := e.hold("k", "0")
			h.wantExpires(e.base + 30*minute)
			h.edge()
		}},
		{"the absolute deadline ends a session at its very millisecond", func(e *env) {
			h := e.holdMeta(func(m *beaker.Meta) { m.Absolute = e.base + 20*minute }, "k", "0")
			h.wantExpires(e.base + 20*minute)
			h.edge()
		}},
		{"without an idle timeout only the absolute deadline counts", func(e *env) {
			h := e.holdMeta(func(m *beaker.Meta) { m.Idle = beaker.NoLimit }, "k", "0")
			h.wantExpires(e.base + 12*hour)
			h.edge()
		}},
		{"a touch moves the idle deadline up to the absolute one and no further", func(e *env) {
			h := e.holdMeta(func(m *beaker.Meta) { m.Absolute = e.base + 50*minute }, "k", "0")
			h.apply(h.touch(e.base + 10*minute))
			h.wantExpires(e.base + 40*minute)
			h.apply(h.touch(e.base + 35*minute))
			h.wantExpires(e.base + 50*minute)
			h.edge()
		}},
		{"a shorter idle timeout holds at once", func(e *env) {
			h := e.hold("k", "0")
			ch := h.change()
			ch.Idle = 10 * time.Minute
			h.apply(ch)
			h.wantExpires(e.base + 10*minute)
			h.edge()
		}},
		{"a shorter absolute deadline holds at once", func(e *env) {
			h := e.hold("k", "0")
			ch := h.change()
			ch.Absolute = e.base + 10*minute
			h.apply(ch)
			h.wantExpires(e.base + 10*minute)
			h.edge()
		}},
		{"longer deadlines hold", func(e *env) {
			h := e.hold("k", "0")
			ch := h.change()
			ch.Idle, ch.Absolute = 40*time.Hour, e.base+30*hour
			h.apply(ch)
			h.wantExpires(e.base + 30*hour)
			h.edge()
		}},
		{"a change that would lengthen a deadline comes too late when it has passed", func(e *env) {
			h := e.hold("k", "0")
			for _, ch := range []*beaker.Change{h.change(), h.change()} {
				ch.Now, ch.Touch = h.rec.Expires(), h.rec.Expires()
				ch.Idle, ch.Absolute = 40*time.Hour, e.base+100*hour
				h.refuse(ch, beaker.ErrNotFound, "longer deadlines for an expired session")
			}
		}},
		{"the caller's clock counts even where it is behind", func(e *env) {
			h := e.hold("k", "0")
			ch := h.set("k", "1")
			ch.Now = e.base - 10*hour
			h.apply(ch)
			old, there := e.past("k", "0")
			if !there {
				return
			}
			ch = old.set("k", "1")
			ch.Now = old.rec.Expires() - 1
			old.apply(ch)
			ch = old.set("k", "2")
			ch.Now = old.rec.Expires()
			old.refuse(ch, beaker.ErrNotFound, "a session that ended an hour ago")
		}},
		{"an expired record is not purged by a change that is refused", func(e *env) {
			h := e.hold("k", "0")
			late := h.set("k", "1")
			late.Now = h.rec.Expires() + hour
			h.refuse(late, beaker.ErrNotFound, "a caller whose clock is ahead")
			h.apply(h.set("k", "1")) // and whose clock is not the others'
		}},
	}
}

func (h *held) wantExpires(at beaker.Millis) {
	h.Helper()
	if got := h.loaded().Expires(); got != at {
		h.Fatalf("the session ends at %d ms after the start, want %d", got-h.base, at-h.base)
	}
}

// edge sees that the record takes a change in its last millisecond, and none of any
// kind from the next on.
func (h *held) edge() {
	h.Helper()
	end := h.rec.Expires()
	for _, now := range []beaker.Millis{end, end + 1, end + 100*hour} {
		for why, ch := range h.everyChange() {
			ch.Now = now
			if ch.Touch != 0 {
				ch.Touch = now
			}
			h.refuse(ch, beaker.ErrNotFound, fmt.Sprintf("%s %d ms after the end", why, now-end))
		}
	}
	ch := h.set("k", "last")
	ch.Now = end - 1
	h.apply(ch)
	ch = h.touch(0)
	ch.Now = end - 1
	h.apply(ch)
}
