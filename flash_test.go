package beaker_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// Messages that nobody reads do not fill the session: the last ones are kept.
func TestUnreadFlashesMakeRoom(t *testing.T) {
	for desc, change := range map[string]struct {
		change func(*beaker.Config)
		most   int
	}{
		"as it comes": {func(*beaker.Config) {}, 32},
		"few values":  {func(c *beaker.Config) { c.MaxKeys = 10 }, 5},
		"one value":   {func(c *beaker.Config) { c.MaxKeys = 1 }, 1},
	} {
		a := newApp(t, stores["memory"](t), change.change)
		b := newBrowser(t)
		var want []any
		for i := range 300 {
			want = append(want, int64(i))
			w := b.do(a.session(func(s *beaker.Session, _ *http.Request) { s.AddFlash(i) }))
			if w.Code != http.StatusOK {
				t.Fatalf("%s: message %d: %d %s", desc, i, w.Code, w.Body)
			}
		}
		want = want[len(want)-change.most:]
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if got := s.Flashes(); !slices.Equal(got, want) {
				t.Errorf("%s: %v, want %v", desc, got, want)
			}
		}))
	}
}

// The order of messages is that in which they were added, whatever the clocks of the nodes
// say that added them.
func TestFlashesKeepTheirOrderOverClocks(t *testing.T) {
	eachStore(t, func(t *testing.T, a *app) {
		b := newBrowser(t)
		var want []any
		for i, ahead := range []time.Duration{0, 5 * time.Millisecond, -5 * time.Millisecond, -time.Second, 0, time.Second} {
			a.clock.Advance(ahead)
			b.do(a.session(func(s *beaker.Session, _ *http.Request) {
				for j := range 3 {
					message := fmt.Sprint(i, j)
					want = append(want, message)
					s.AddFlash(message)
				}
			}))
		}
		b.do(a.session(func(s *beaker.Session, _ *http.Request) {
			if got := s.Flashes(); !slices.Equal(got, want) {
				t.Errorf("%v, want %v", got, want)
			}
		}))
	})
}
