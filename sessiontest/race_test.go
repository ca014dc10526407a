package sessiontest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/internal/bubble"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

// notes is a list that goroutines append to.
type notes struct {
	mu  sync.Mutex
	all []string
}

func (l *notes) add(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, s)
}

func TestRaceForcesEveryOrder(t *testing.T) {
	orders := [][]string{
		{"A:1", "A:2", "B:1", "B:2"},
		{"A:1", "B:1", "A:2", "B:2"},
		{"A:1", "B:1", "B:2", "A:2"},
		{"B:1", "A:1", "A:2", "B:2"},
		{"B:1", "A:1", "B:2", "A:2"},
		{"B:1", "B:2", "A:1", "A:2"},
	}
	for _, order := range orders {
		// What follows one step is kept apart from what follows the next by a step of
		// its own.
		var steps []string
		for _, step := range order {
			steps = append(steps, step, step+" done")
		}
		race := sessiontest.NewRace(t, steps...)
		var got notes
		for _, who := range []string{"A", "B"} {
			race.Go(who, func() {
				for i := range 2 {
					step := fmt.Sprintf("%s:%d", who, i+1)
					race.Reach(step)
					got.add(step)
					race.Reach("not in the list")
					race.Reach(step + " done")
				}
			})
		}
		race.Wait()
		if !slices.Equal(got.all, order) {
			t.Errorf("order %q: got %q", order, got.all)
		}
	}
}

func TestStepWaitsForAllBeforeIt(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		race := sessiontest.NewRace(t, "first", "second", "third")
		var got notes
		for _, step := range []string{"third", "second"} {
			race.Go(step, func() { race.Reach(step); got.add(step) })
		}
		synctest.Wait()
		if len(got.all) != 0 {
			t.Errorf("passed before the first step: %q", got.all)
		}
		race.Reach("first")
		race.Wait()
		if len(got.all) != 2 {
			t.Errorf("passed: %q", got.all)
		}
	})
}

func TestRaceOverARealServer(t *testing.T) {
	env := sessiontest.New(t)
	race := sessiontest.NewRace(t, "A:loaded", "B:loaded", "B:saved", "A:save")
	srv := httptest.NewTLSServer(env.Sessions.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, err := env.Sessions.Get(r.Context())
		if err != nil {
			t.Error(err)
		}
		who := r.FormValue("who")
		race.Reach(who + ":loaded")
		s.Set("who", who)
		race.Reach(who + ":save")
	})))
	defer srv.Close()
	b := sessiontest.NewBrowserFor(srv).UseClock(env.Clock).Strict(t)
	env.SignIn(b, "fred")
	for _, who := range []string{"A", "B"} {
		race.Go(who, func() {
			b.Get("/?who=" + who)
			race.Reach(who + ":saved")
		})
	}
	race.Wait()
	sessiontest.InSession(t, env.Sessions, b, func(s *beaker.Session) {
		if who, _ := s.Get("who"); who != "A" {
			t.Errorf("who = %v: the later save must win", who)
		}
	})
}

func TestRaceFailsWithTheNameOfTheMissingStep(t *testing.T) {
	t.Run("at once, if the goroutine that it is named after has ended", func(t *testing.T) {
		failing := &fakeT{}
		wantFailure(t, failing.run(func() {
			race := sessiontest.NewRace(failing, "A:loaded", "B:loaded", "A:saved")
			race.Go("A", func() { race.Reach("A:loaded"); race.Reach("A:saved") })
			race.Go("B", func() {})
			race.Wait()
		}), `"B:loaded"`)
	})
	t.Run("also if it ended the way t.FailNow does", func(t *testing.T) {
		failing := &fakeT{}
		failures := failing.run(func() {
			race := sessiontest.NewRace(failing, "A:loaded", "B:loaded")
			race.Go("A", func() { failing.Fatalf("broken") })
			race.Go("B", func() { race.Reach("B:loaded") })
		})
		if len(failures) != 2 || failures[0] != "broken" {
			t.Errorf("failures = %q", failures)
		}
	})
	t.Run("at the end, if nobody was there to reach it", func(t *testing.T) {
		failing := &fakeT{}
		wantFailure(t, failing.run(func() {
			race := sessiontest.NewRace(failing, "loaded", "saved")
			race.Reach("loaded")
		}), `"saved"`)
	})
	t.Run("after the guard, if somebody waits for it", func(t *testing.T) {
		bubble.Test(t, func(t *testing.T) {
			failing := &fakeT{}
			wantFailure(t, failing.run(func() {
				race := sessiontest.NewRace(failing, "loaded", "saved")
				race.Guard(time.Hour)
				race.Reach("saved")
			}), `"loaded" was not reached within 1h0m0s (reached: [], waiting: ["saved"])`)
		})
	})
	t.Run("after the guard, if a goroutine hangs elsewhere", func(t *testing.T) {
		bubble.Test(t, func(t *testing.T) {
			failing := &fakeT{}
			release := make(chan struct{})
			wantFailure(t, failing.run(func() {
				race := sessiontest.NewRace(failing)
				race.Go("A", func() { <-release })
			}), "did not end")
			close(release)
		})
	})
	t.Run("if a step is reached twice", func(t *testing.T) {
		failing := &fakeT{}
		wantFailure(t, failing.run(func() {
			race := sessiontest.NewRace(failing, "loaded")
			race.Reach("loaded")
			race.Reach("loaded")
		}), "twice")
	})
	t.Run("if a step is listed twice", func(t *testing.T) {
		failing := &fakeT{}
		wantFailure(t, failing.run(func() { sessiontest.NewRace(failing, "a", "a") }), "listed twice")
	})
}
