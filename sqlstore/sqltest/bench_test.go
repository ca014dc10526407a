package sqltest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// Commits are synced to the disk here, so writes measure the disk too.
func BenchmarkStore(b *testing.B) {
	for _, e := range engines {
		b.Run(e.name, func(b *testing.B) {
			e.dsn = durable(b, e)
			s := newPlace(b, e).store(b)
			session := func(keys int) *beaker.Record {
				var pairs []string
				for i := range keys {
					pairs = append(pairs, fmt.Sprintf("key-%02d", i), strings.Repeat("v", 40))
				}
				return created(b, s, newMeta(), pairs...)
			}
			for _, keys := range []int{3, 50} {
				rec := session(keys)
				b.Run(fmt.Sprintf("Load/keys=%d", keys), func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						if _, err := s.Load(b.Context(), rec.Key()); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
			for _, keys := range []int{3, 50} {
				rec := session(keys)
				b.Run(fmt.Sprintf("Apply/keys=%d", keys), func(b *testing.B) {
					b.ReportAllocs()
					for i := 0; b.Loop(); i++ {
						ch := changeOf(rec)
						ch.Base, ch.Set = rec, values("key-01", fmt.Sprintf("%040d", i))
						if _, err := s.Apply(b.Context(), rec.Key(), ch); err != nil {
							b.Fatal(err)
						}
						next, err := beaker.Merge(rec, ch)
						if err != nil {
							b.Fatal(err)
						}
						rec = next
					}
				})
			}
			rec := session(3)
			b.Run("Touch", func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					ch := changeOf(rec)
					ch.Base, ch.Touch = rec, epoch+beaker.Millis(i%int(30*time.Minute/time.Millisecond))
					if _, err := s.Apply(b.Context(), rec.Key(), ch); err != nil {
						b.Fatal(err)
					}
				}
			})
			for range 100 {
				m := newMeta()
				m.Subject = "user"
				created(b, s, m, "k", "v")
			}
			b.Run("List/records=100", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					page, _, err := s.List(b.Context(), beaker.ListQuery{Subject: "user"})
					if err != nil || len(page) != 100 {
						b.Fatal(len(page), err)
					}
				}
			})
		})
	}
}
