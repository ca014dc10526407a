package bubble_test

import (
	"crypto/rand"
	"sync"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker/internal/bubble"
)

// Random bytes can be drawn in a bubble, by several goroutines at once, whatever mode the
// process is in; and time is virtual there.
func TestRandomBytesInABubble(t *testing.T) {
	for range 5 {
		bubble.Test(t, func(t *testing.T) {
			began := time.Now()
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					time.Sleep(time.Hour)
					for range 100 {
						if n, err := rand.Read(make([]byte, 32)); n != 32 || err != nil {
							t.Errorf("rand.Read: %d, %v", n, err)
						}
					}
				})
			}
			wg.Wait()
			if d := time.Since(began); d != time.Hour {
				t.Errorf("an hour has lasted %v", d)
			}
		})
	}
}
