package redistest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/seed12c5fab1/beaker"
)

// SQ-2, for a client that sends the commands of many users over one connection: calls
// that are cancelled at any moment, over a network that is slow and uneven, show nobody
// another one's session.
func TestCancelStorm(t *testing.T) {
	rounds := 20
	if soak() {
		rounds = 1000
	}
	for _, cache := range []bool{false, true} {
		t.Run(fmt.Sprintf("Cache %t", cache), func(t *testing.T) {
			const users = 100
			p := newPlaceLike(t, newPlace(t, single(t)), cache)
			n := newNetwork(t)
			s := p.store(t, n.use, func(o *rueidis.ClientOption) { o.PipelineMultiplex = -1 }) // one connection
			recs := make([]*beaker.Record, users)
			for u := range recs {
				m := metaOf(fmt.Sprintf("user-%d", u))
				recs[u] = created(t, s, m, "who", m.Subject)
			}
			n.delay(answers, 3, 3)
			var cut, whole int
			var mu sync.Mutex
			var wg sync.WaitGroup
			for u, rec := range recs {
				wg.Go(func() {
					rnd := rand.New(rand.NewPCG(1, uint64(u)))
					key, subject := rec.Key(), rec.Subject()
					mine := func(what string, got *beaker.Record) {
						if who, _ := got.Lookup("who"); got.Key() != key || got.Subject() != subject || who != subject {
							t.Errorf("%s: %s got the session of %s (who: %s)", what, subject, got.Subject(), who)
						}
					}
					for i := range rounds {
						ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rnd.IntN(30_000))*time.Microsecond)
						var err error
						switch i % 4 {
						case 0, 1:
							var got *beaker.Record
							if got, err = s.Load(ctx, key); err == nil {
								mine("Load", got)
							}
						case 2:
							var page []*beaker.Record
							page, _, err = s.List(ctx, beaker.ListQuery{Subject: subject})
							for _, got := range page {
								mine("List", got)
							}
						case 3:
							_, err = s.Apply(ctx, key, setting(rec, "i", fmt.Sprint(i)))
						}
						cancel()
						mu.Lock()
						if err == nil {
							whole++
						} else {
							cut++
						}
						mu.Unlock()
						if err != nil && !errors.Is(err, context.DeadlineExceeded) {
							t.Errorf("%s: %v", subject, err)
						}
					}
				})
			}
			wg.Wait()
			n.heal()
			t.Logf("report: %d calls were cut off, %d were not", cut, whole)
			if cut == 0 || whole == 0 {
				t.Errorf("%d calls were cut off, %d were not: the storm has shown nothing", cut, whole)
			}
			for _, rec := range recs {
				got := loaded(t, s, rec.Key())
				if who, _ := got.Lookup("who"); who != rec.Subject() || got.Subject() != rec.Subject() {
					t.Errorf("%s holds the session of %s", rec.Subject(), who)
				}
			}
		})
	}
}
