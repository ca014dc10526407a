package sessiontest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed12c5fab1/beaker"
)

// Events records what a manager reports: use it as beaker.Config.Observer. The zero
// value is ready. It is safe for concurrent use.
type Events struct {
	mu      sync.Mutex
	all     []beaker.Event
	allowed []beaker.EventName
}

var _ beaker.Observer = (*Events)(nil)

// Observe records an event.
func (e *Events) Observe(_ context.Context, event beaker.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, event)
}

// All returns the events of the given names, or all events if there are none, in the
// order in which they were reported.
func (e *Events) All(names ...beaker.EventName) []beaker.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	var found []beaker.Event
	for _, event := range e.all {
		if len(names) == 0 || slices.Contains(names, event.Name) {
			found = append(found, event)
		}
	}
	return found
}

// Count returns how many events of the given names there were, or of all names if
// none is given.
func (e *Events) Count(names ...beaker.EventName) int { return len(e.All(names...)) }

// Last returns the latest event of a name.
func (e *Events) Last(name beaker.EventName) (event beaker.Event, ok bool) {
	found := e.All(name)
	if len(found) == 0 {
		return beaker.Event{}, false
	}
	return found[len(found)-1], true
}

// Reset forgets the events so far.
func (e *Events) Reset() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = nil
}

// Allow makes Check accept events of these names.
func (e *Events) Allow(names ...beaker.EventName) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.allowed = append(e.allowed, names...)
}

// mistakes are the events that no client and no store can cause: the application lost
// a change, asked for what cannot be, reads a value as another type than it wrote, or
// sets a cookie that no browser returns.
var mistakes = []beaker.EventName{beaker.EventLate, beaker.EventMisuse, beaker.EventBadValue, beaker.EventCookie}

// Check fails the test if there was an event that shows a mistake of the application
// (beaker.EventLate, EventMisuse, EventBadValue or EventCookie) and was not allowed. It looks at
// what is recorded, so not at what Reset has forgotten.
func (e *Events) Check(t testing.TB) {
	t.Helper()
	for _, event := range e.All(mistakes...) {
		e.mu.Lock()
		allowed := slices.Contains(e.allowed, event.Name)
		e.mu.Unlock()
		if !allowed {
			t.Errorf("sessiontest: event %s: %s %v (if the test means it: Events.Allow)", event.Name, event.Detail, event.Err)
		}
	}
}

// String lists the events, one a line, for a test's log. It leaves subjects out.
func (e *Events) String() string {
	var b strings.Builder
	for _, event := range e.All() {
		fmt.Fprintf(&b, "%s", event.Name)
		if !event.Handle.IsZero() {
			fmt.Fprintf(&b, " %.8s", event.Handle)
		}
		for _, s := range []string{string(event.Reason), event.Detail} {
			if s != "" {
				fmt.Fprintf(&b, " (%s)", s)
			}
		}
		if event.Err != nil {
			fmt.Fprintf(&b, ": %v", event.Err)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
