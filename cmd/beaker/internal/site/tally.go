package site

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// tally is what the library did for one request. It travels in the context, which the
// library hands on to the store and to the observer.
type tally struct {
	mu     sync.Mutex
	loaded bool
	outage bool // for this request the store is down
	made   []call
}

// call is one call of the store.
type call struct {
	Name string
	Took time.Duration
}

type tallyKey struct{}

func withTally(ctx context.Context) (context.Context, *tally) {
	t := &tally{}
	return context.WithValue(ctx, tallyKey{}, t), t
}

// tallyOf returns the request's tally; outside of a request it is one that nobody reads.
func tallyOf(ctx context.Context) *tally {
	if t, ok := ctx.Value(tallyKey{}).(*tally); ok {
		return t
	}
	return &tally{}
}

var errOutage = errors.New("the page that shows an outage asked for one")

// measured calls the store by f, unless it is to be down, and notes it.
func measured[T any](ctx context.Context, name string, f func() (T, error)) (v T, err error) {
	t := tallyOf(ctx)
	began := time.Now()
	if err = errOutage; !t.isOutage() {
		v, err = f()
	}
	took := time.Since(began)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.made = append(t.made, call{name, took})
	return v, err
}

// calls returns the store calls so far, in order.
func (t *tally) calls() []call {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.made)
}

func (t *tally) wasLoaded() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.loaded
}

func (t *tally) isOutage() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.outage
}

func (t *tally) setOutage() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.outage = true
}

// names are those of calls, for people and for the log.
func names(calls []call, separator string) string {
	all := make([]string, len(calls))
	for i, c := range calls {
		all[i] = c.Name
	}
	return strings.Join(all, separator)
}

// noteLoad is an observer.
func noteLoad(ctx context.Context, e beaker.Event) {
	if e.Name == beaker.EventLoad {
		t := tallyOf(ctx)
		t.mu.Lock()
		defer t.mu.Unlock()
		t.loaded = true
	}
}

// cookieBytes returns how many bytes of session cookie the request brought.
func (s *Site) cookieBytes(r *http.Request) int {
	n := 0
	for _, name := range s.cookies {
		for _, c := range r.CookiesNamed(name) {
			n += len(c.Name) + len("=") + len(c.Value)
		}
	}
	return n
}
