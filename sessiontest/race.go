package sessiontest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// guard is how long anything here waits for another goroutine before the test fails.
// No result depends on it.
const guard = 30 * time.Second

// Race forces goroutines into one order: a list of steps, each of which somebody
// reaches by calling Reach. A step waits until those before it in the list have been
// reached. So a lost update, which one run in a thousand shows, is shown by every run:
//
//	race := sessiontest.NewRace(t, "A:loaded", "B:loaded", "B:saved", "A:save")
//	handler := func(w http.ResponseWriter, r *http.Request) {
//		who := r.FormValue("who")
//		s, _ := sessions.Get(r.Context())
//		race.Reach(who + ":loaded") // both have loaded before one saves
//		...
//	}
//
// A step orders what is before and after the call of Reach, and only that: what must
// not begin before others have ended, as A's save here, comes after the step's Reach.
// Reaching what is not in the list is no error and does not wait, so that a handler
// may have more points than one race is about.
//
// The test fails, and does not hang, if a step is not reached.
type Race struct {
	t testing.TB

	mu      sync.Mutex
	steps   []string
	next    int           // the first step that was not reached
	turn    chan struct{} // closed and made anew when next moves or the race fails
	failed  bool
	guard   time.Duration
	actors  sync.WaitGroup
	waiting []string
}

// NewRace returns a race of steps in that order. Step names are unique; "A:saved" is a
// step of the goroutine that Go starts as "A". When the test ends, it fails if a step
// was not reached.
func NewRace(t testing.TB, steps ...string) *Race {
	t.Helper()
	for i, step := range steps {
		if slices.Contains(steps[:i], step) {
			t.Fatalf("sessiontest: race: step %q is listed twice", step)
		}
	}
	r := &Race{t: t, steps: steps, turn: make(chan struct{}), guard: guard}
	t.Cleanup(r.Wait)
	return r
}

// Guard sets how long Reach and Wait wait before the test fails: 30 seconds unless it
// is called. It is no part of the order.
func (r *Race) Guard(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.guard = d
}

// Go runs f in a goroutine of that name. If it ends and a step of its name
// ("name:...") was not reached, the test fails at once. Wait waits for it.
func (r *Race) Go(name string, f func()) {
	r.actors.Go(func() {
		defer r.left(name) // also if f ends the goroutine, as t.FailNow does
		f()
	})
}

// left fails the race if nobody is left who could reach a step.
func (r *Race) left(name string) {
	r.t.Helper()
	r.mu.Lock()
	var missing []string
	for _, step := range r.steps[r.next:] {
		if strings.HasPrefix(step, name+":") {
			missing = append(missing, step)
		}
	}
	r.mu.Unlock()
	if len(missing) > 0 {
		r.fail(fmt.Sprintf("%q ended without having reached %q", name, missing))
	}
}

// Reach waits until it is the step's turn, and returns at once if the race has failed
// or has no such step. A step is reached once.
func (r *Race) Reach(step string) {
	r.t.Helper()
	r.mu.Lock()
	i := slices.Index(r.steps, step)
	if i < 0 || r.failed {
		r.mu.Unlock()
		return
	}
	again := i < r.next || slices.Contains(r.waiting, step)
	if !again {
		r.waiting = append(r.waiting, step)
	}
	limit := r.guard
	r.mu.Unlock()
	if again {
		r.fail(fmt.Sprintf("step %q was reached twice", step))
		return
	}

	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for {
		r.mu.Lock()
		turn := r.turn
		if !r.failed && r.next == i {
			r.next++
			r.waiting = slices.DeleteFunc(r.waiting, func(s string) bool { return s == step })
			r.changed()
			r.mu.Unlock()
			return
		}
		failed := r.failed
		r.mu.Unlock()
		if failed {
			return
		}
		select {
		case <-turn:
		case <-ctx.Done():
			r.fail(fmt.Sprintf("step %q was not reached within %v", r.missing(), limit))
			return
		}
	}
}

// missing returns the first step that was not reached.
func (r *Race) missing() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.steps[min(r.next, len(r.steps)-1)]
}

// changed wakes everybody who waits. The mutex is held.
func (r *Race) changed() {
	close(r.turn)
	r.turn = make(chan struct{})
}

// Wait waits until all goroutines of Go have ended, and fails the test if a step was
// not reached.
func (r *Race) Wait() {
	r.t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.actors.Wait()
	}()
	r.mu.Lock()
	limit := r.guard
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	select {
	case <-done:
	case <-ctx.Done():
		r.fail(fmt.Sprintf("a goroutine did not end within %v", limit))
		return
	}
	r.mu.Lock()
	missing := slices.Clone(r.steps[r.next:])
	r.mu.Unlock()
	if len(missing) > 0 {
		r.fail(fmt.Sprintf("step %q was not reached", missing[0]))
	}
}

// fail reports the first failure only: it is the cause of the others.
func (r *Race) fail(why string) {
	r.t.Helper()
	r.mu.Lock()
	if r.failed {
		r.mu.Unlock()
		return
	}
	r.failed = true
	reached, waiting := slices.Clone(r.steps[:r.next]), slices.Clone(r.waiting)
	r.changed()
	r.mu.Unlock()
	r.t.Errorf("sessiontest: race: %s (reached: %q, waiting: %q)", why, reached, waiting)
}
