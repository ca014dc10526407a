package sqltest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// SQ-2: calls that are cancelled at any moment, by a hundred users at once, show
// nobody another one's session.
func TestCancelStorm(t *testing.T) {
	rounds := 20
	if soak() {
		rounds = 2000
	}
	each(t, func(t *testing.T, e engine) {
		const users = 100
		p := newPlace(t, e)
		db := p.open(t)
		s := p.storeOn(t, db)
		recs := make([]*beaker.Record, users)
		for u := range recs {
			m := newMeta()
			m.Subject, m.AuthenticatedAt = fmt.Sprintf("user-%d", u), epoch
			recs[u] = created(t, s, m, "who", m.Subject)
		}
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
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rnd.IntN(100_000))*time.Microsecond)
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
						ch := changeOf(rec)
						ch.Set = values("i", fmt.Sprint(i))
						_, err = s.Apply(ctx, key, ch)
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
		// Connections that are being opened or closed count too, for a moment.
		for deadline := time.Now().Add(10 * time.Second); db.Stats().InUse > 0; runtime.Gosched() {
			if time.Now().After(deadline) {
				t.Fatalf("%d connections were not given back", db.Stats().InUse)
			}
		}
	})
}
