package site

import (
	"context"
	"net/http"
	"slices"
	"sync"

	"github.com/seed12c5fab1/beaker"
)

// tally is what the library did for one request. It travels in the context, which the
// library hands on to the store and to the observer.
type tally struct {
	mu     sync.Mutex
	loaded bool
	names  []string
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

func (t *tally) add(call string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.names = append(t.names, call)
}

// calls returns the store calls so far, in order.
func (t *tally) calls() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.names)
}

func (t *tally) wasLoaded() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.loaded
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

// count returns a store that adds each call to the tally in its context. It can what
// the other one can. A store that knows subjects lists by them and revokes by them;
// purging is no part of any request and passes by.
func count(s beaker.Store) beaker.Store {
	c := counted{s}
	bySubject, knowsSubjects := s.(subjectIndex)
	purger, purges := s.(beaker.Purger)
	switch {
	case knowsSubjects && purges:
		return struct {
			counted
			countedIndex
			beaker.Purger
		}{c, countedIndex{bySubject}, purger}
	case knowsSubjects:
		return struct {
			counted
			countedIndex
		}{c, countedIndex{bySubject}}
	case purges:
		return struct {
			counted
			beaker.Purger
		}{c, purger}
	}
	return c
}

type subjectIndex interface {
	beaker.Lister
	beaker.SubjectRevoker
}

type counted struct{ store beaker.Store }

func (c counted) Create(ctx context.Context, rec *beaker.Record) error {
	tallyOf(ctx).add("create")
	return c.store.Create(ctx, rec)
}

func (c counted) Load(ctx context.Context, key beaker.RecordKey) (*beaker.Record, error) {
	tallyOf(ctx).add("load")
	return c.store.Load(ctx, key)
}

func (c counted) Apply(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
	tallyOf(ctx).add("apply")
	return c.store.Apply(ctx, key, ch)
}

func (c counted) Delete(ctx context.Context, key beaker.RecordKey) error {
	tallyOf(ctx).add("delete")
	return c.store.Delete(ctx, key)
}

type countedIndex struct{ index subjectIndex }

func (c countedIndex) List(ctx context.Context, q beaker.ListQuery) ([]*beaker.Record, string, error) {
	tallyOf(ctx).add("list")
	return c.index.List(ctx, q)
}

func (c countedIndex) RevokeSubject(ctx context.Context, subject string, at beaker.Millis, except ...beaker.RecordKey) (int, error) {
	tallyOf(ctx).add("revoke")
	return c.index.RevokeSubject(ctx, subject, at, except...)
}
