package memstore_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/memstore"
)

// benchKey spreads as hashes do; key(n) does not.
func benchKey(n int) (k beaker.RecordKey) {
	rnd := rand.New(rand.NewPCG(uint64(n), 9))
	for i := 0; i < len(k); i += 8 {
		binary.LittleEndian.PutUint64(k[i:], rnd.Uint64())
	}
	return k
}

// benchRecord has three values of 200 bytes together, names and lengths included.
func benchRecord(b *testing.B, n int, subject string) *beaker.Record {
	b.Helper()
	rec, err := beaker.NewRecord(beaker.Meta{
		Key: benchKey(n), Proof: proof(n), Version: 1, Created: start, Touched: start.Add(time.Duration(n) * time.Microsecond),
		Idle: idle, Absolute: start.Add(12 * time.Hour), Subject: subject, AuthenticatedAt: start,
	}, []beaker.Value{
		{Name: "uid", Data: []byte(`"6f1c2f3e-9f5a-4d3c-8a77-0123456789ab"`)},
		{Name: "n", Data: []byte("12345")},
		{Name: "data", Data: make([]byte, 142)},
	})
	if err != nil {
		b.Fatal(err)
	}
	return rec
}

func filled(b *testing.B, sessions int) *memstore.Store {
	b.Helper()
	s := open(b, &memstore.Options{MaxEntries: max(sessions, memstore.DefaultMaxEntries), MaxBytes: 1 << 40})
	for n := range sessions {
		create(b, s, benchRecord(b, n, ""))
	}
	return s
}

var sizes = []int{1000, 100_000, 1_000_000}

func bySize(b *testing.B, run func(*testing.B, *memstore.Store, []beaker.RecordKey)) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("sessions=%d", n), func(b *testing.B) {
			s := filled(b, n)
			keys := make([]beaker.RecordKey, n)
			for i := range keys {
				keys[i] = benchKey(i)
			}
			rand.New(rand.NewPCG(1, 1)).Shuffle(n, func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
			runtime.GC()
			b.ReportAllocs()
			b.ResetTimer()
			run(b, s, keys)
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	bySize(b, func(b *testing.B, s *memstore.Store, keys []beaker.RecordKey) {
		ctx := context.Background()
		for i := 0; b.Loop(); i++ {
			if _, err := s.Load(ctx, keys[i%len(keys)]); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkLoadParallel(b *testing.B) {
	bySize(b, func(b *testing.B, s *memstore.Store, keys []beaker.RecordKey) {
		ctx := context.Background()
		var worker atomic.Int64
		b.RunParallel(func(pb *testing.PB) {
			for i := int(worker.Add(1)) * 7919; pb.Next(); i++ {
				if _, err := s.Load(ctx, keys[i%len(keys)]); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}

func BenchmarkApplyTouch(b *testing.B) {
	bySize(b, func(b *testing.B, s *memstore.Store, keys []beaker.RecordKey) {
		ctx := context.Background()
		ch := &beaker.Change{AnyProof: true, Now: start}
		for i := 0; b.Loop(); i++ {
			ch.Touch = start.Add(2*time.Second + time.Duration(i)*time.Millisecond/1000)
			if _, err := s.Apply(ctx, keys[i%len(keys)], ch); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkApplyOneKey(b *testing.B) {
	bySize(b, func(b *testing.B, s *memstore.Store, keys []beaker.RecordKey) {
		ctx := context.Background()
		ch := &beaker.Change{AnyProof: true, Now: start, Set: []beaker.Value{{Name: "n", Data: []byte("54321")}}}
		for i := 0; b.Loop(); i++ {
			if _, err := s.Apply(ctx, keys[i%len(keys)], ch); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkCreateDelete(b *testing.B) {
	bySize(b, func(b *testing.B, s *memstore.Store, keys []beaker.RecordKey) {
		ctx := context.Background()
		recs := make([]*beaker.Record, 1000)
		for i := range recs {
			recs[i] = benchRecord(b, len(keys)+i, "")
		}
		for i := 0; b.Loop(); i++ {
			rec := recs[i%len(recs)]
			if err := s.Create(ctx, rec); err != nil {
				b.Fatal(err)
			}
			if err := s.Delete(ctx, rec.Key()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// What a flood costs: each Create evicts a session.
func BenchmarkCreateWhenFull(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("sessions=%d", n), func(b *testing.B) {
			s := open(b, &memstore.Options{MaxEntries: n, MaxBytes: 1 << 40})
			for i := range n {
				create(b, s, benchRecord(b, i, ""))
			}
			ctx := context.Background()
			var recs []*beaker.Record
			next := n
			b.ReportAllocs()
			for b.Loop() {
				if len(recs) == 0 {
					b.StopTimer()
					for range 10_000 {
						recs = append(recs, benchRecord(b, next, ""))
						next++
					}
					b.StartTimer()
				}
				if err := s.Create(ctx, recs[0]); err != nil {
					b.Fatal(err)
				}
				recs = recs[1:]
			}
		})
	}
}

// The heap that a session takes, all told: record, values, table, heap, and what
// slices keep in reserve.
func BenchmarkMemory(b *testing.B) {
	for _, n := range []int{1000, 100_000, 200_000, 500_000, 1_000_000} {
		for _, subject := range []string{"", "user %d"} {
			b.Run(fmt.Sprintf("sessions=%d/signedin=%v", n, subject != ""), func(b *testing.B) {
				for b.Loop() {
					before := heap()
					s, err := memstore.New(&memstore.Options{MaxEntries: max(n, memstore.DefaultMaxEntries), MaxBytes: 1 << 40})
					if err != nil {
						b.Fatal(err)
					}
					for i := range n {
						name := subject
						if name != "" {
							name = fmt.Sprintf(subject, i)
						}
						create(b, s, benchRecord(b, i, name))
					}
					b.ReportMetric(float64(heap()-before)/float64(n), "B/session")
					b.ReportMetric(float64(s.Stats().Bytes)/float64(n), "counted-B/session")
					if err := s.Close(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Purge of 100,000 expired sessions out of 1,000,000 in batches of 1,000, and how
// long a Load waits meanwhile at worst.
func BenchmarkPurge(b *testing.B) {
	const total, expired = 1_000_000, 100_000
	for b.Loop() {
		b.StopTimer()
		s := filled(b, total)
		keys := make([]beaker.RecordKey, 1000)
		for i := range keys {
			keys[i] = benchKey(total - 1 - i)
		}
		runtime.GC()
		stop, waits := make(chan struct{}), make(chan []time.Duration)
		go func() {
			var all []time.Duration
			ctx := context.Background()
			for i := 0; ; i++ {
				select {
				case <-stop:
					waits <- all
					return
				default:
				}
				began := time.Now()
				if _, err := s.Load(ctx, keys[i%len(keys)]); err != nil {
					b.Error(err)
				}
				all = append(all, time.Since(began))
			}
		}()
		now := start.Add(idle + (expired-1)*time.Microsecond)
		b.StartTimer()
		removed, longest := 0, time.Duration(0)
		for {
			began := time.Now()
			n, err := s.Purge(context.Background(), now, 1000)
			if err != nil {
				b.Fatal(err)
			}
			longest = max(longest, time.Since(began))
			if removed += n; n < 1000 {
				break
			}
		}
		b.StopTimer()
		close(stop)
		all := <-waits
		slices.Sort(all)
		b.ReportMetric(float64(removed), "removed")
		b.ReportMetric(float64(longest)/1e6, "longest-batch-ms")
		b.ReportMetric(float64(all[len(all)*999/1000])/1e6, "load-p999-ms")
		b.ReportMetric(float64(all[len(all)-1])/1e6, "load-max-ms")
		b.StartTimer()
	}
}
