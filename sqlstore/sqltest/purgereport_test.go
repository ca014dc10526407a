package sqltest

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// A report, not a bar: what a purge of a million rows does to loads. Loads go on all the
// time; the purge works for a while and rests for a while, so that both are measured in
// the same weather.
func TestPurgeOfAMillionRows(t *testing.T) {
	rows, spell := 5_000, 100*time.Millisecond
	if soak() {
		rows, spell = 1_000_000, 2*time.Second
	}
	eachInTurn(t, func(t *testing.T, e engine) {
		if soak() {
			e.dsn = durable(t, e)
		}
		p := newPlace(t, e)
		db := p.open(t)
		fill(t, p, db, rows, epoch)
		s := p.storeOn(t, db)
		var keys []beaker.RecordKey
		for range 1000 {
			m := newMeta()
			m.Idle = beaker.NoLimit
			keys = append(keys, created(t, s, m, "k", strings.Repeat("v", 200)).Key())
		}

		// Which spell it is: even ones are restful.
		var spells atomic.Int64
		const loaders = 4
		var took [loaders][2][]time.Duration
		done := make(chan struct{})
		var wg sync.WaitGroup
		for l := range loaders {
			wg.Go(func() {
				tick := time.NewTicker(2 * time.Millisecond)
				defer tick.Stop()
				for i := 0; ; i++ {
					select {
					case <-done:
						return
					case <-tick.C:
					}
					from, before := time.Now(), spells.Load()
					if _, err := s.Load(t.Context(), keys[(i*loaders+l)%len(keys)]); err != nil {
						t.Error(err)
						return
					}
					if before == spells.Load() {
						took[l][before%2] = append(took[l][before%2], time.Since(from))
					}
				}
			})
		}
		rest := func() { <-time.After(spell / 2) }
		purged := 0
		var calls []time.Duration
		for left := true; left && !t.Failed(); {
			rest()
			spells.Add(1)
			for until := time.Now().Add(spell); left && time.Now().Before(until); {
				from := time.Now()
				n, err := s.Purge(t.Context(), epoch, 500)
				if err != nil {
					t.Fatal(err)
				}
				purged += n
				left = n == 500
				calls = append(calls, time.Since(from))
			}
			spells.Add(1)
		}
		close(done)
		wg.Wait()
		if left := count(t, db, p.quoted("")); purged != rows || left != len(keys) {
			t.Errorf("purged %d of %d rows; %d are left, want %d", purged, rows, left, len(keys))
		}
		var all [2][]time.Duration
		for _, of := range took {
			for i := range all {
				all[i] = append(all[i], of[i]...)
			}
		}
		quiet, busy := percentiles(all[0]), percentiles(all[1])
		t.Logf("report: %s: %d rows purged in %v of work, 500 in %v (p99 %v)", e.name, purged, sum(calls).Round(time.Millisecond), percentiles(calls).p50, percentiles(calls).p99)
		t.Logf("report: %s: loads at rest: p50 %v, p99 %v (%d); while it purges: p50 %v, p99 %v (%d); p99 is %.1f times", e.name,
			quiet.p50, quiet.p99, len(all[0]), busy.p50, busy.p99, len(all[1]), float64(busy.p99)/float64(max(quiet.p99, 1)))
	})
}

type spread struct{ p50, p99 time.Duration }

func percentiles(all []time.Duration) spread {
	if len(all) == 0 {
		return spread{}
	}
	slices.Sort(all)
	at := func(percent int) time.Duration { return all[len(all)*percent/100].Round(time.Microsecond) }
	return spread{at(50), at(99)}
}

func sum(all []time.Duration) (total time.Duration) {
	for _, d := range all {
		total += d
	}
	return total
}
