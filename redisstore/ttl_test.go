//go:build linux

package redisstore_test

import (
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/redisstore"
)

// A key lives a minute longer than its session, counted from the clock of whoever wrote
// it: clocks that are years apart change nothing. There is never one that stays.
func TestTTLsAreDurationsOnTheCallersClock(t *testing.T) {
	const minute = beaker.Millis(60_000)
	for _, start := range []beaker.Millis{epoch, epoch - 20*365*24*hour, epoch + 20*365*24*hour} {
		p := newPlace(t)
		s := p.store(t, redisstore.Options{})
		m := newMeta()
		m.Created, m.Touched, m.Absolute = start, start, start+12*hour
		rec := created(t, s, m, "k", "v")
		name := "beaker:" + m.Key.String()
		want := func(when, name string, left beaker.Millis) {
			t.Helper()
			got, _ := p.redis(t, "PTTL", name).(int64)
			// Some of it is gone already; a minute is more than a test takes.
			if got > int64(left) || got < int64(left-minute/2) {
				t.Errorf("%s the TTL is %d ms, want %d", when, got, left)
			}
		}
		want("after Create", name, 30*minute+minute)
		apply := func(edit func(ch *beaker.Change)) {
			t.Helper()
			ch := changeOf(rec)
			ch.AnyProof = true
			edit(ch)
			if _, err := s.Apply(t.Context(), m.Key, ch); err != nil {
				t.Fatal(err)
			}
		}
		apply(func(ch *beaker.Change) { ch.Now, ch.Set = start+10*minute, values("k", "w") })
		want("after a change ten minutes later", name, 20*minute+minute)
		apply(func(ch *beaker.Change) { ch.Now, ch.Touch = start+10*minute, start+10*minute })
		want("after a touch", name, 30*minute+minute)
		apply(func(ch *beaker.Change) { ch.Now, ch.Idle = start+10*minute, beaker.NoLimit })
		want("without an idle timeout", name, 12*hour-10*minute+minute)
		apply(func(ch *beaker.Change) { ch.Now, ch.Absolute = start+10*minute, start+11*minute })
		want("with a deadline in a minute", name, minute+minute)
		apply(func(ch *beaker.Change) { ch.Now, ch.Clear, ch.Idle = start+10*minute, true, time.Minute/2 })
		want("after Clear", name, minute/2+minute)

		// Healed by the next write, if somebody took it away.
		p.redis(t, "PERSIST", name)
		apply(func(ch *beaker.Change) { ch.Now, ch.Touch = start+10*minute, start+10*minute+1 })
		want("after PERSIST and a touch", name, minute/2+1+minute)

		n := newMeta()
		n.Subject, n.AuthenticatedAt, n.Created, n.Touched, n.Absolute = "fred", start, start, start, start+12*hour
		created(t, s, n)
		want("of an index", indexOf(t, p), 12*hour+2*minute)
		if _, err := s.RevokeSubject(t.Context(), "fred", start); err != nil {
			t.Fatal(err)
		}
		want("of a mark", indexOf(t, p), 24*hour)
	}
}
