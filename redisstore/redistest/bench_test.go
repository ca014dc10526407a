package redistest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/seed12c5fab1/beaker"
)

// What the store costs beside what the server and the client cost: a floor of each kind
// is measured in the same run, by the same client.
func BenchmarkStore(b *testing.B) {
	p := newPlace(b, ownSingle(b))
	c := p.client(b)
	s := p.storeOn(b, c)
	cached := newPlaceLike(b, p, true).storeOn(b, c)
	session := func(keys int) *beaker.Record {
		var pairs []string
		for i := range keys {
			pairs = append(pairs, fmt.Sprintf("key-%02d", i), strings.Repeat("v", 40))
		}
		return created(b, s, newMeta(), pairs...)
	}
	run := func(name string, f func(i int) error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := f(i); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	ctx := b.Context()
	const key = "floor"
	expire := func(name string) rueidis.Completed { return c.B().Pexpire().Key(name).Milliseconds(1_800_000).Build() }

	run("floor/PING", func(int) error { return c.Do(ctx, c.B().Ping().Build()).Error() })
	for _, keys := range []int{3, 50} {
		rec := session(keys)
		name := p.sessionKey(rec.Key())
		run(fmt.Sprintf("floor/HGETALL/keys=%d", keys), func(int) error { return c.Do(ctx, c.B().Hgetall().Key(name).Build()).Error() })
		run(fmt.Sprintf("Load/keys=%d", keys), func(int) error { _, err := s.Load(ctx, rec.Key()); return err })
		run(fmt.Sprintf("Load/cached/keys=%d", keys), func(int) error { _, err := cached.Load(ctx, rec.Key()); return err })
	}
	run("floor/HSET+PEXPIRE", func(i int) error {
		for _, r := range c.DoMulti(ctx, c.B().Hset().Key(key).FieldValue().FieldValue("key-01", fmt.Sprintf("%040d", i)).Build(), expire(key)) {
			if err := r.Error(); err != nil {
				return err
			}
		}
		return nil
	})
	for _, keys := range []int{3, 50} {
		rec := session(keys)
		run(fmt.Sprintf("Apply/keys=%d", keys), func(i int) error {
			ch := setting(rec, "key-01", fmt.Sprintf("%040d", i))
			_, err := s.Apply(ctx, rec.Key(), ch)
			return err
		})
	}
	run("floor/PEXPIRE", func(int) error { return c.Do(ctx, expire(key)).Error() })
	rec := session(3)
	run("Touch", func(i int) error {
		ch := changeOf(rec)
		ch.Touch = epoch + beaker.Millis(i%int(30*time.Minute/time.Millisecond))
		_, err := s.Apply(ctx, rec.Key(), ch)
		return err
	})
	run("Create", func(int) error { return s.Create(ctx, newRecord(b, newMeta(), "key-00", strings.Repeat("v", 40))) })
	run("Create/subject", func(int) error { return s.Create(ctx, newRecord(b, metaOf("fred"), "key-00", strings.Repeat("v", 40))) })
	b.Run("Load/parallel=64", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(32)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := s.Load(ctx, rec.Key()); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}
