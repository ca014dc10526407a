package floor

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/seed12c5fab1/beaker/bench/internal/contest"
)

// table is where records are kept by id. The zero string is no record.
type table interface {
	get(ctx context.Context, id string) (string, error) // errNoSession
	create(ctx context.Context, id, rec string) error
	replace(ctx context.Context, id, old, rec string) error
	// rename is the sign-in: the record under old is gone, another is under id.
	rename(ctx context.Context, old, id, rec string) error
}

// form is how a session becomes a record.
type form struct {
	encode      func(pairs []pair) string
	find        func(rec, name string) (string, error)
	incremented func(rec string) (string, error)
	signedIn    func(rec string) (string, error)
}

var binaryForm = form{
	encode: encode,
	find: func(rec, name string) (string, error) {
		from, to, err := field(rec, name)
		return rec[from:to], err
	},
	incremented: incremented[string],
	signedIn:    func(rec string) (string, error) { return signedIn(rec), nil },
}

// site makes the handlers over a table.
func site(t table, f form) *contest.Site {
	read := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			vary(w)
			id := idOf(r)
			rec, err := t.get(r.Context(), id)
			if err == nil {
				var v string
				if v, err = f.find(rec, name); err == nil {
					answer(w, v)
					return
				}
			}
			if !errors.Is(err, errNoSession) {
				fail(w, err)
			}
		})
	}
	create := func(signedIn, large bool) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			vary(w)
			idOf(r)
			id := newID()
			if err := t.create(r.Context(), id, f.encode(pairs(signedIn, large))); err != nil {
				fail(w, err)
				return
			}
			setCookie(w, id)
			answer(w, contest.OK)
		})
	}
	return &contest.Site{
		Untouched: http.HandlerFunc(untouched),
		Read:      read(contest.KeyUID),
		Number:    read(contest.KeyN),
		Increment: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			vary(w)
			id := idOf(r)
			old, err := t.get(r.Context(), id)
			if err == nil {
				var rec string
				if rec, err = f.incremented(old); err == nil {
					err = t.replace(r.Context(), id, old, rec)
				}
			}
			if err != nil {
				fail(w, err)
				return
			}
			answer(w, contest.OK)
		}),
		Create:      create(true, false),
		CreateLarge: create(true, true),
		Anonymous:   create(false, false),
		SignIn: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			vary(w)
			old := idOf(r)
			rec, err := t.get(r.Context(), old)
			if err == nil {
				if rec, err = f.signedIn(rec); err == nil {
					id := newID()
					if err = t.rename(r.Context(), old, id, rec); err == nil {
						setCookie(w, id)
						answer(w, contest.OK)
						return
					}
				}
			}
			fail(w, err)
		}),
	}
}

// memTable keeps records in memory.
type memTable struct {
	mu sync.RWMutex
	m  map[string]string
}

func (t *memTable) get(_ context.Context, id string) (string, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	rec, ok := t.m[id]
	if !ok {
		return "", errNoSession
	}
	return rec, nil
}

func (t *memTable) create(_ context.Context, id, rec string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.m[id] = rec
	return nil
}

func (t *memTable) replace(ctx context.Context, id, _, rec string) error {
	return t.create(ctx, id, rec)
}

func (t *memTable) rename(_ context.Context, old, id, rec string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.m, old)
	t.m[id] = rec
	return nil
}

// Record keeps binary records in memory: one key is found without decoding the rest.
func Record() *contest.Site { return site(&memTable{m: map[string]string{}}, binaryForm) }
