//go:build linux

// Package scale measures what happens when there is much of everything: sessions in
// memory, files, rows, keys in a session, requests at once. It prints figures and judges
// only what has a target.
package scale

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
	"slices"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/bench/internal/contest"
)

// Sizes say how much of everything there is.
type Sizes struct {
	Memory, Files, Rows int           // sessions
	Probes              int           // reads that are timed one by one
	Slice               time.Duration // for what is measured by the mean
}

// Full is what docs/performance.md reports; it needs 8 GB of memory and 15 of disk.
var Full = Sizes{Memory: 10_000_000, Files: 1_000_000, Rows: 10_000_000, Probes: 200_000, Slice: 200 * time.Millisecond}

// Small is to see that it works.
var Small = Sizes{Memory: 2000, Files: 200, Rows: 2000, Probes: 200, Slice: time.Millisecond}

// report is what is measured, printed as it comes.
type report struct {
	ctx   context.Context
	out   io.Writer
	env   contest.Env
	sizes Sizes
}

// Run measures the parts that match.
func Run(ctx context.Context, env contest.Env, sizes Sizes, match func(part string) bool, out io.Writer) error {
	r := &report{ctx, out, env, sizes}
	for _, part := range []struct {
		name string
		run  func() error
	}{
		{"keys", r.keys},
		{"concurrency", r.concurrency},
		{"memory", r.memory},
		{"files", r.files},
		{"sqlite", r.sqlite},
		{"postgresql", r.postgresql},
		{"mariadb", r.mariadb},
	} {
		if !match(part.name) {
			continue
		}
		began := time.Now()
		r.line("== %s", part.name)
		if err := part.run(); err != nil {
			return fmt.Errorf("scale: %s: %w", part.name, err)
		}
		r.line("   (%.0f s)", time.Since(began).Seconds())
	}
	return nil
}

func (r *report) line(format string, args ...any) { fmt.Fprintf(r.out, format+"\n", args...) }

// target prints a figure that has one.
func (r *report) target(what string, ok bool, format string, args ...any) {
	verdict := "met"
	if !ok {
		verdict = "MISSED"
	}
	r.line("   %-6s %s: %s", verdict, what, fmt.Sprintf(format, args...))
}

// record makes a session of 200 bytes of values that was used at a time.
func record(rnd *rand.Rand, used beaker.Millis, idle time.Duration, subject string) (*beaker.Record, error) {
	m := beaker.Meta{
		Version: 1, Created: used, Touched: used, Idle: idle, Absolute: used.Add(max(12*time.Hour, idle)), Subject: subject,
	}
	for _, b := range []*[32]byte{(*[32]byte)(&m.Key), (*[32]byte)(&m.Proof)} {
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
	}
	if subject != "" {
		m.AuthenticatedAt = used
	}
	return beaker.NewRecord(m, []beaker.Value{
		{Name: contest.KeyUID, Data: []byte(`"` + contest.UID + `"`)},
		{Name: contest.KeyN, Data: []byte("1")},
		{Name: contest.KeyData, Data: []byte(`"` + contest.Data + `"`)},
	})
}

// latencies are times of single operations.
type latencies []time.Duration

func (l latencies) at(q float64) time.Duration {
	if len(l) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(l))
	return s[min(len(s)-1, int(q*float64(len(s))))]
}

func (l latencies) String() string {
	return fmt.Sprintf("median %v, p99 %v, p99.9 %v, longest %v (%d)", l.at(0.5), l.at(0.99), l.at(0.999), l.at(1), len(l))
}

// probe times loads one by one until stop is closed, or n times.
func probe(ctx context.Context, s beaker.Store, keys []beaker.RecordKey, n int, stop <-chan struct{}) (latencies, error) {
	var all latencies
	for i := 0; n == 0 || i < n; i++ {
		select {
		case <-stop:
			return all, nil
		default:
		}
		key := keys[(i*7919)%len(keys)]
		began := time.Now()
		rec, err := s.Load(ctx, key)
		took := time.Since(began)
		if err != nil {
			return nil, err
		}
		if v, ok := rec.Lookup(contest.KeyUID); !ok || len(v) != len(contest.UID)+2 {
			return nil, fmt.Errorf("a session holds %q", v)
		}
		all = append(all, took)
	}
	return all, nil
}

// gcPauses returns the longest pause of the garbage collector since before, and the
// state to compare the next with.
func gcPauses(before *metrics.Float64Histogram) (longest time.Duration, now *metrics.Float64Histogram) {
	s := []metrics.Sample{{Name: "/sched/pauses/total/gc:seconds"}}
	metrics.Read(s)
	h := s[0].Value.Float64Histogram()
	now = &metrics.Float64Histogram{Counts: slices.Clone(h.Counts), Buckets: h.Buckets}
	if before == nil {
		return 0, now
	}
	for i, n := range now.Counts {
		if n > before.Counts[i] {
			if end := h.Buckets[i+1]; !math.IsInf(end, 1) {
				longest = time.Duration(end * float64(time.Second))
			}
		}
	}
	return longest, now
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
