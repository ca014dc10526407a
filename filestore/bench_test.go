package filestore_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/filestore"
)

// One session of 1 KB; "sync" is the default.
var modes = map[string]*filestore.Options{"sync": nil, "nosync": {NoSync: true}}

func BenchmarkLoad(b *testing.B) {
	ctx := context.Background()
	s := open(b, b.TempDir(), nil)
	create(b, s, metaOf(1), value("data", strings.Repeat("x", 1000)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Load(ctx, keyOf(1)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoadParallel(b *testing.B) {
	ctx := context.Background()
	s := open(b, b.TempDir(), nil)
	create(b, s, metaOf(1), value("data", strings.Repeat("x", 1000)))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Load(ctx, keyOf(1)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkLoadMissing(b *testing.B) {
	ctx := context.Background()
	s := open(b, b.TempDir(), nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Load(ctx, keyOf(1)); err == nil {
			b.Fatal("found")
		}
	}
}

func BenchmarkApply(b *testing.B) {
	for mode, opts := range modes {
		b.Run(mode, func(b *testing.B) {
			ctx := context.Background()
			s := open(b, b.TempDir(), opts)
			m := metaOf(1)
			create(b, s, m, value("data", strings.Repeat("x", 1000)))
			ch := &beaker.Change{Now: now, Proof: m.Proof, Set: []beaker.Value{value("n", "1")}}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Apply(ctx, m.Key, ch); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCreate(b *testing.B) {
	for mode, opts := range modes {
		for _, subject := range []string{"", "alice"} {
			b.Run(fmt.Sprintf("%s/subject=%t", mode, subject != ""), func(b *testing.B) {
				ctx := context.Background()
				s := open(b, b.TempDir(), opts)
				n := 0
				b.ReportAllocs()
				for b.Loop() {
					m := metaOf(n)
					if n++; subject != "" {
						m = metaFor(n, subject)
					}
					if err := s.Create(ctx, record(b, m)); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// One subject of 5 sessions among 5,000.
func BenchmarkListSubject(b *testing.B) {
	ctx := context.Background()
	s := open(b, b.TempDir(), &filestore.Options{NoSync: true})
	for i := range 5000 {
		create(b, s, metaFor(i, fmt.Sprintf("user %d", i/5)))
	}
	b.ReportAllocs()
	for b.Loop() {
		if page, _, err := s.List(ctx, beaker.ListQuery{Subject: "user 7"}); err != nil || len(page) != 5 {
			b.Fatal(len(page), err)
		}
	}
}

// A Purge that finds nothing expired among 5,000: what a janitor costs.
func BenchmarkPurgeOfNone(b *testing.B) {
	ctx := context.Background()
	s := open(b, b.TempDir(), &filestore.Options{NoSync: true})
	for i := range 5000 {
		create(b, s, metaOf(i))
	}
	b.ReportAllocs()
	for b.Loop() {
		if n, err := s.Purge(ctx, now, 1000); n != 0 || err != nil {
			b.Fatal(n, err)
		}
	}
}
