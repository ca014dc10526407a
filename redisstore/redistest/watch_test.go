package redistest

import (
	"context"
	"errors"
	"testing"

	"github.com/seed12c5fab1/beaker"
)

// Who watches is told again once a broken connection is there anew, by itself; what was
// published meanwhile is missed, and the sessions are over all the same.
func TestWatchGoesOnAfterTheConnectionBroke(t *testing.T) {
	for _, get := range []func(testing.TB) *site{single, cluster, sentinel} {
		s := get(t)
		t.Run(s.name, func(t *testing.T) {
			p := newPlace(t, s)
			n := newNetwork(t)
			watching, other := p.store(t, n.use), p.store(t)
			told := make(chan beaker.RecordKey, 1000)
			ctx, cancel := context.WithCancel(t.Context())
			stopped := make(chan error, 1)
			go func() { stopped <- watching.Watch(ctx, func(key beaker.RecordKey) { told <- key }) }()
			// end ends sessions until the watcher is told of one.
			end := func(when string) {
				t.Helper()
				until(t, "the watcher is told "+when, func() bool {
					rec := created(t, other, newMeta(), "k", "v")
					if err := other.Delete(t.Context(), rec.Key()); err != nil {
						t.Fatal(err)
					}
					select {
					case <-told:
						return true
					default:
						return false
					}
				})
			}
			end("at first")
			n.fail()
			missed := created(t, other, metaOf("fred"), "k", "v")
			if _, err := other.RevokeSubject(t.Context(), "fred", epoch+1000); err != nil {
				t.Fatal(err)
			}
			for len(told) > 0 {
				<-told
			}
			n.restore()
			end("when the connection is there again")
			wantGone(t, other, missed.Key(), "after a revocation that was not heard of")
			cancel()
			if err := <-stopped; !errors.Is(err, context.Canceled) {
				t.Errorf("Watch: %v, want context.Canceled", err)
			}
		})
	}
}
