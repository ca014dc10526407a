package redistest

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/internal/engines"
)

// Redis drops sessions that are over, and tells nobody. After a Purge the indexes of
// subjects hold as many sessions as live, and subjects that have none have no index.
func TestIndexHoldsWhatLivesAfterManyExpiries(t *testing.T) {
	expiries, subjects := 5000, 200
	if soak() {
		expiries, subjects = 100_000, 1000
	}
	for _, get := range []func(testing.TB) *site{single, cluster} {
		s := get(t)
		t.Run(s.name, func(t *testing.T) {
			p := newPlace(t, s)
			store := p.store(t)
			subject := func(i int) string { return fmt.Sprintf("user-%d", i%subjects) }
			var wg sync.WaitGroup
			const writers = 8
			for w := range writers {
				wg.Go(func() {
					for i := w; i < expiries; i += writers {
						m := metaOf(subject(i))
						m.Idle = hour / 2 // the index goes by the absolute deadline, hours later
						if err := store.Create(t.Context(), newRecord(t, m)); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			live := map[string]bool{}
			for i := 0; i < subjects; i += 2 { // every other subject keeps one
				live[created(t, store, metaOf(subject(i)), "k", "v").Key().String()] = true
			}
			// Their time comes, by the server's own expiry.
			expired := p.expire(t, func(key string) bool { return !live[key] })
			if expired != expiries {
				t.Fatalf("%d sessions expire, want %d", expired, expiries)
			}
			until(t, "the server has dropped them", func() bool {
				sessions, _, _ := p.tally(t)
				return sessions == len(live)
			})
			_, _, entries := p.tally(t)
			t.Logf("report: before a purge, %d entries for %d sessions", entries, len(live))
			if entries <= len(live) {
				t.Error("nothing is left to be purged: this shows nothing")
			}
			for range expiries {
				n, err := store.Purge(t.Context(), epoch+1000, 500)
				if err != nil {
					t.Fatal(err)
				}
				if n < 500 {
					break
				}
			}
			sessions, indexes, entries := p.tally(t)
			t.Logf("report: %d expiries of %d subjects: %d sessions, %d indexes, %d entries", expiries, subjects, sessions, indexes, entries)
			if sessions != len(live) || entries != sessions || indexes != sessions {
				t.Errorf("%d sessions live; %d indexes hold %d entries", sessions, indexes, entries)
			}
		})
	}
}

// expire makes the server drop sessions at once, as it does when their time has come.
func (p *place) expire(tb testing.TB, pick func(key string) bool) (n int) {
	tb.Helper()
	batches := map[*engines.RedisNode][]string{}
	p.eachKey(tb, func(node *engines.RedisNode, name string, _ int64) {
		if key, ok := strings.CutPrefix(name, p.opts.Prefix); ok && len(key) == 64 && pick(key) {
			batches[node] = append(batches[node], name)
		}
	})
	for node, names := range batches {
		c, err := engines.DialRedis(tb.Context(), node.Addr)
		if err != nil {
			tb.Fatal(err)
		}
		for _, name := range names {
			v, err := c.Do(tb.Context(), "PEXPIRE", name, "1")
			if err != nil || v != int64(1) {
				tb.Fatalf("PEXPIRE: %v, %v", v, err)
			}
			n++
		}
		_ = c.Close()
	}
	return n
}

// tally counts the place's sessions, its indexes, and what the indexes hold.
func (p *place) tally(tb testing.TB) (sessions, indexes, entries int) {
	tb.Helper()
	p.eachKey(tb, func(node *engines.RedisNode, name string, _ int64) {
		switch key, ok := strings.CutPrefix(name, p.opts.Prefix); {
		case !ok:
		case strings.HasPrefix(key, "subject:"):
			indexes++
			v, err := node.Do(tb.Context(), "ZCARD", name)
			n, isNumber := v.(int64)
			if err != nil || !isNumber {
				tb.Fatalf("ZCARD: %v, %v", v, err)
			}
			entries += int(n)
		case len(key) == 64:
			sessions++
		}
	})
	return sessions, indexes, entries
}

// After each operation there is no key that would never expire, on its own and after all
// those before it.
func TestEveryKeyHasATTLAfterEveryOperation(t *testing.T) {
	for _, get := range []func(testing.TB) *site{single, cluster} {
		s := get(t)
		t.Run(s.name, func(t *testing.T) {
			p := newPlace(t, s)
			store := p.store(t)
			ctx := t.Context()
			forever := newMeta()
			forever.Idle, forever.Absolute = beaker.NoLimit, epoch.Add(100*365*24*hour)
			rec, signed, long := newRecord(t, newMeta()), newRecord(t, metaOf("fred"), "k", "v"), newRecord(t, forever)
			apply := func(rec *beaker.Record, edit func(ch *beaker.Change)) func() error {
				return func() error {
					ch := changeOf(loaded(t, store, rec.Key()))
					edit(ch)
					_, err := store.Apply(ctx, rec.Key(), ch)
					return err
				}
			}
			many := make([]string, 0, 2000)
			for i := range 1000 {
				many = append(many, fmt.Sprintf("key-%d", i), "v")
			}
			subject := "eve"
			for _, c := range []struct {
				call string
				do   func() error
			}{
				{"Create", func() error { return store.Create(ctx, rec) }},
				{"Create with a subject", func() error { return store.Create(ctx, signed) }},
				{"Create of what hardly ever ends", func() error { return store.Create(ctx, long) }},
				{"Apply", apply(rec, func(ch *beaker.Change) { ch.Set = values("a", "1") })},
				{"Apply of many values", apply(rec, func(ch *beaker.Change) { ch.Set = values(many...) })},
				{"Clear", apply(rec, func(ch *beaker.Change) { ch.Clear = true })},
				{"touch", apply(rec, func(ch *beaker.Change) { ch.Touch = ch.Now })},
				{"rotation", apply(rec, func(ch *beaker.Change) { ch.Rotate = &beaker.Rotation{Next: unique("next"), Grace: hour} })},
				{"idle timeout: none", apply(rec, func(ch *beaker.Change) { ch.Idle = beaker.NoLimit })},
				{"absolute deadline: far", apply(rec, func(ch *beaker.Change) { ch.Absolute = epoch.Add(100 * 365 * 24 * hour) })},
				{"absolute deadline: over", apply(long, func(ch *beaker.Change) { ch.Absolute = ch.Now - 1 })},
				{"sign-in", apply(rec, func(ch *beaker.Change) {
					ch.Subject, ch.AuthenticatedAt, ch.Rotate = &subject, ch.Began, &beaker.Rotation{Next: unique("next")}
				})},
				{"absolute deadline of somebody: further", apply(signed, func(ch *beaker.Change) { ch.Absolute = epoch.Add(1000 * hour) })},
				{"sign-out", apply(rec, func(ch *beaker.Change) { ch.Subject = new(string) })},
				{"a refused change", func() error {
					ch := setting(signed, "k", "w")
					ch.Proof = unique("wrong")
					_, _ = store.Apply(ctx, signed.Key(), ch)
					return nil
				}},
				{"a change of nothing", func() error {
					_, _ = store.Apply(ctx, unique("nothing"), setting(signed, "k", "w"))
					return nil
				}},
				{"List", func() error { _, _, err := store.List(ctx, beaker.ListQuery{}); return err }},
				{"List of nobody", func() error { _, _, err := store.List(ctx, beaker.ListQuery{Subject: "nobody"}); return err }},
				{"Purge", func() error { _, err := store.Purge(ctx, epoch+1000, 100); return err }},
				{"RevokeSubject of nobody", func() error { _, err := store.RevokeSubject(ctx, "nobody", epoch); return err }},
				{"RevokeSubject from far ahead", func() error { _, err := store.RevokeSubject(ctx, "ahead", epoch.Add(1000*hour)); return err }},
				{"RevokeSubject from long ago", func() error { _, err := store.RevokeSubject(ctx, "ahead", 1); return err }},
				{"RevokeSubject", func() error { _, err := store.RevokeSubject(ctx, "fred", epoch+1000); return err }},
				{"a late sign-in", func() error { _ = store.Create(ctx, newRecord(t, metaOf("fred"))); return nil }},
				{"Delete", func() error { return store.Delete(ctx, rec.Key()) }},
				{"Delete of nothing", func() error { return store.Delete(ctx, rec.Key()) }},
			} {
				if err := c.do(); err != nil {
					t.Errorf("%s: %v", c.call, err)
				}
				p.eachKey(t, func(_ *engines.RedisNode, key string, ttl int64) {
					if ttl == -1 {
						t.Fatalf("after %s the key %q never expires", c.call, key)
					}
				})
			}
		})
	}
}
