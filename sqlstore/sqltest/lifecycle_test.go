package sqltest

import (
	"database/sql/driver"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// Close waits for what is under way. Meanwhile nothing else begins, and nobody waits
// with it.
func TestCloseWhileACallIsUnderWay(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		db, spy := p.spied(t)
		s := p.storeOn(t, db)
		rec := created(t, s, newMeta(), "k", "v")
		loading, release := make(chan struct{}), make(chan struct{})
		spy.hook(func(string, []driver.NamedValue) error {
			close(loading)
			<-release
			return nil
		}, nil)
		load := make(chan error, 1)
		go func() { _, err := s.Load(t.Context(), rec.Key()); load <- err }()
		<-loading
		spy.hook(nil, nil)
		closed := make(chan error, 2)
		for range cap(closed) {
			go func() { closed <- s.Close() }()
		}
		for deadline := time.Now().Add(20 * time.Second); ; runtime.Gosched() {
			err := s.Delete(t.Context(), unique("key")) // until Close has begun
			if errors.Is(err, beaker.ErrClosed) {
				break
			}
			if err != nil || time.Now().After(deadline) {
				t.Fatalf("Delete while Close waits: %v, want ErrClosed", err)
			}
		}
		select {
		case err := <-closed:
			t.Errorf("Close did not wait: %v", err)
		default:
		}
		close(release)
		if err := <-load; err != nil {
			t.Errorf("Load: %v", err)
		}
		for range cap(closed) {
			if err := <-closed; err != nil {
				t.Errorf("Close: %v", err)
			}
		}
	})
}
