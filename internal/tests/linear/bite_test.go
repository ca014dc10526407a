package linear_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/seed12c5fab1/beaker"
)

// enough is how many histories may pass before a broken store is rejected. Most take
// fewer than ten.
const enough = 500

// TestBrokenStoresAreRejected is the test of the test.
func TestBrokenStoresAreRejected(t *testing.T) {
	for _, d := range defects {
		t.Run(d.name, func(t *testing.T) {
			for seed := range uint64(enough) {
				b := &broken{reference: newReference()}
				d.damage(b)
				err := record(seed, []beaker.Store{b}).check()
				if err == nil {
					continue
				}
				if !strings.Contains(err.Error(), "no order of these calls") {
					t.Fatal(err)
				}
				t.Logf("rejected by history %d", seed)
				return
			}
			t.Errorf("%d histories found nothing", enough)
		})
	}
}

// The broken stores are rejected for their defects: without one, nothing is found.
func TestReferenceIsLinearizable(t *testing.T) { checkStore(t, 100, newReference()) }

// caching keeps what it has loaded until it writes itself: right as long as there is
// one of it.
type caching struct {
	*reference
	mu    sync.Mutex
	cache *beaker.Record
}

func (c *caching) Load(ctx context.Context, key beaker.RecordKey) (*beaker.Record, error) {
	rec, err := c.reference.Load(ctx, key)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cache == nil {
		c.cache = rec
	}
	if c.cache != nil {
		return c.cache, nil
	}
	return rec, err
}

func (c *caching) Apply(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
	c.forget()
	defer c.forget()
	return c.reference.Apply(ctx, key, ch)
}

func (c *caching) Delete(ctx context.Context, key beaker.RecordKey) error {
	c.forget()
	defer c.forget()
	return c.reference.Delete(ctx, key)
}

func (c *caching) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cache = nil
}

// The test with two values finds what only a second value shows.
func TestACacheThatAnotherValueDoesNotReachIsRejected(t *testing.T) {
	for seed := range uint64(enough) {
		r := newReference()
		if record(seed, []beaker.Store{&caching{reference: r}, &caching{reference: r}}).check() != nil {
			t.Logf("rejected by history %d", seed)
			return
		}
	}
	t.Errorf("%d histories found nothing", enough)
}

// blind does not look at the context, so nothing can be held inside it.
type blind struct{ *reference }

func (b blind) Create(_ context.Context, rec *beaker.Record) error {
	return b.reference.Create(context.Background(), rec)
}

func (b blind) Load(_ context.Context, key beaker.RecordKey) (*beaker.Record, error) {
	return b.reference.Load(context.Background(), key)
}

func (b blind) Apply(_ context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
	return b.reference.Apply(context.Background(), key, ch)
}

func (b blind) Delete(_ context.Context, key beaker.RecordKey) error {
	return b.reference.Delete(context.Background(), key)
}

func (b blind) Purge(_ context.Context, now beaker.Millis, limit int) (int, error) {
	return b.reference.Purge(context.Background(), now, limit)
}

func TestHistoriesThatDoNotOverlapAreRejected(t *testing.T) {
	err := record(1, []beaker.Store{blind{newReference()}}).check()
	if err == nil || !strings.Contains(err.Error(), "did not overlap") {
		t.Errorf("calls that never met were taken for overlapping: %v", err)
	}
}
