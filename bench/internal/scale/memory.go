//go:build linux

package scale

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/memstore"
)

// memory fills a store, reads from it, and reads from it while a tenth of the sessions
// expires.
func (r *report) memory() error {
	const few = 1000
	small, err := r.filled(min(few, r.sizes.Memory))
	if err != nil {
		return err
	}
	defer func() { _ = small.store.Close() }() // it only drops what it holds
	large, err := r.filled(r.sizes.Memory)
	if err != nil {
		return err
	}
	defer func() { _ = large.store.Close() }()
	r.line("   %d sessions: %.0f bytes of heap each, %d ns each to create", r.sizes.Memory,
		float64(large.heap)/float64(r.sizes.Memory), large.took.Nanoseconds()/int64(r.sizes.Memory))

	mean := func(f *filled) (float64, error) {
		best := 0.0
		for range 5 { // whatever else the machine does takes longer, never shorter
			n := max(1000, r.sizes.Probes)
			began := time.Now()
			for i := range n {
				if _, err := f.store.Load(r.ctx, f.alive[(i*7919)%len(f.alive)]); err != nil {
					return 0, err
				}
			}
			if took := float64(time.Since(began)) / float64(n); best == 0 || took < best {
				best = took
			}
		}
		return best, nil
	}
	one, err := mean(small)
	if err != nil {
		return err
	}
	many, err := mean(large)
	if err != nil {
		return err
	}
	// A request costs this more than Load's own time.
	const request = 1000
	r.target(fmt.Sprintf("a read among %d sessions within 2 times one among %d", r.sizes.Memory, few), many+request <= 2*(one+request),
		"Load takes %.0f ns among few and %.0f among many, a request about %d more", one, many, request)

	_, pauses := gcPauses(nil)
	idle, err := probe(r.ctx, large.store, large.alive, r.sizes.Probes, nil)
	if err != nil {
		return err
	}
	quiet, pauses := gcPauses(pauses)
	r.line("   loads: %v; longest pause of the collector %v", idle, quiet)

	stop, done := make(chan struct{}), make(chan error, 1)
	var busy latencies
	go func() {
		var err error
		busy, err = probe(r.ctx, large.store, large.alive, 0, stop)
		done <- err
	}()
	// A pause that expiry causes is a lock that it holds, which is never for more than
	// these sessions: what is asked for is the processor time of as many, since a thread
	// that the system stops meanwhile, on a machine that does much else, is not expiry's.
	const hold = 32
	holds, removed, err := r.holds(large, hold, large.expired/2)
	if err != nil {
		return err
	}
	const batch = 1000 // as a Manager's janitor does it
	longest, rest := time.Duration(0), removed
	began := time.Now()
	for {
		from := time.Now()
		n, err := large.store.Purge(r.ctx, large.now, batch)
		if err != nil {
			return err
		}
		longest = max(longest, time.Since(from))
		if removed += n; n < batch {
			break
		}
	}
	took := time.Since(began)
	close(stop)
	if err := <-done; err != nil {
		return err
	}
	collected, _ := gcPauses(pauses)
	r.line("   %d expired sessions removed in %v, the longest batch of %d in %v; longest pause of the collector %v", removed-rest, took.Round(time.Millisecond), batch, longest, collected)
	r.line("   processor time of %d removals: %v", hold, holds)
	if removed != large.expired {
		return fmt.Errorf("%d sessions were removed, %d had expired", removed, large.expired)
	}
	r.line("   loads meanwhile: %v", busy)
	extra := busy.at(0.999) - idle.at(0.999)
	r.target("no pause over 5 ms caused by expiry", extra <= 5*time.Millisecond && holds.at(1) <= 5*time.Millisecond,
		"a lock is held for at most %v of processor time, and 99.9%% of loads take at most %v longer while sessions expire", holds.at(1), max(extra, 0))
	return nil
}

// holds removes about n expired sessions, so few at a time that it takes one lock or some
// shorter holds of several, and returns the processor time of each time.
func (r *report) holds(f *filled, few, n int) (all latencies, removed int, err error) {
	runtime.LockOSThread() // the thread does nothing else then, and is not the collector's
	defer runtime.UnlockOSThread()
	for removed < n {
		from := threadTime()
		m, err := f.store.Purge(r.ctx, f.now, few)
		all = append(all, threadTime()-from)
		if err != nil || m == 0 {
			return all, removed, err
		}
		removed += m
	}
	return all, removed, nil
}

// threadTime returns the processor time that this thread has used. It is the scheduler's
// own figure: that of getrusage grows by a tick at a time.
func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// filled is a store with sessions, a tenth of which has expired at now.
type filled struct {
	store   *memstore.Store
	alive   []beaker.RecordKey // some of those that live
	expired int
	now     beaker.Millis
	heap    int64
	took    time.Duration
}

func (r *report) filled(n int) (*filled, error) {
	const idle = 30 * time.Minute
	now := beaker.MillisOf(time.Now())
	before := heap()
	s, err := memstore.New(&memstore.Options{MaxEntries: n, MaxBytes: 1 << 40})
	if err != nil {
		return nil, err
	}
	f := &filled{store: s, now: now}
	rnd := rand.New(rand.NewPCG(1, uint64(n))) //nolint:gosec // sessions for nobody
	began := time.Now()
	for i := range n {
		used := now.Add(-time.Duration(rnd.IntN(int(idle/time.Second)/2)) * time.Second)
		if i%10 == 0 {
			used = now.Add(-idle - time.Duration(rnd.IntN(1000))*time.Millisecond)
			f.expired++
		}
		rec, err := record(rnd, used, idle, "")
		if err != nil {
			return nil, err
		}
		if err := s.Create(r.ctx, rec); err != nil {
			return nil, err
		}
		if i%10 != 0 && len(f.alive) < 100_000 && (n < 1_000_000 || i%97 == 1) {
			f.alive = append(f.alive, rec.Key())
		}
	}
	f.took = time.Since(began)
	f.heap = heap() - before - int64(len(f.alive)*32)
	return f, nil
}
