package floor

import (
	"context"
	"errors"
	"hash/maphash"
	"net/http"
	"strconv"
	"sync"

	"github.com/seed12c5fab1/beaker/bench/internal/contest"
)

// values is a session that is kept whole in memory. Its mutex is all the care that is
// taken of two requests at once.
type values struct {
	mu sync.Mutex
	m  map[string]any
}

// valueMap is a sharded map of sessions by id.
type valueMap struct {
	seed   maphash.Seed
	shards [64]struct {
		mu sync.RWMutex
		m  map[string]*values
	}
}

func newValueMap() *valueMap {
	s := &valueMap{seed: maphash.MakeSeed()}
	for i := range s.shards {
		s.shards[i].m = map[string]*values{}
	}
	return s
}

func (s *valueMap) get(id string) *values {
	sh := &s.shards[maphash.String(s.seed, id)%uint64(len(s.shards))]
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.m[id]
}

func (s *valueMap) put(id string, v *values) {
	sh := &s.shards[maphash.String(s.seed, id)%uint64(len(s.shards))]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.m[id] = v
}

func (s *valueMap) drop(id string) {
	sh := &s.shards[maphash.String(s.seed, id)%uint64(len(s.shards))]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	delete(sh.m, id)
}

var errNoSession = errors.New("there is no session")

// reader finds the session of a request, in whichever way.
type reader func(r *http.Request) (id string, v *values)

func (s *valueMap) direct(r *http.Request) (string, *values) {
	id := idOf(r)
	return id, s.get(id)
}

// holder is the request's context with the session, which is looked up at the first use.
type holder struct {
	context.Context
	store *valueMap
	id    string
	v     *values
}

type holderKey struct{}

func (h *holder) Value(key any) any {
	if key == (holderKey{}) {
		return h
	}
	return h.Context.Value(key)
}

func (s *valueMap) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(&holder{Context: r.Context(), store: s}))
	})
}

func fromContext(r *http.Request) (string, *values) {
	h, _ := r.Context().Value(holderKey{}).(*holder)
	if h.v == nil {
		h.id, h.v = h.store.direct(r)
	}
	return h.id, h.v
}

// Map is the lowest floor: a cookie and a map, called by the handler itself.
func Map() *contest.Site {
	s := newValueMap()
	return s.site(s.direct, func(h http.HandlerFunc) http.Handler { return h })
}

// Middleware is the same behind a middleware that gives the request a context, which
// is what a library must do that is to be used by handlers that it does not know.
func Middleware() *contest.Site {
	s := newValueMap()
	return s.site(fromContext, func(h http.HandlerFunc) http.Handler { return s.wrap(h) })
}

func (s *valueMap) site(find reader, wrap func(http.HandlerFunc) http.Handler) *contest.Site {
	read := func(name string) func(w http.ResponseWriter, r *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			vary(w)
			text := ""
			if _, v := find(r); v != nil {
				v.mu.Lock()
				switch x := v.m[name].(type) {
				case string:
					text = x
				case int:
					text = strconv.Itoa(x)
				}
				v.mu.Unlock()
			}
			answer(w, text)
		}
	}
	create := func(more []string, signedIn bool) http.Handler {
		return wrap(func(w http.ResponseWriter, r *http.Request) {
			find(r)
			vary(w)
			m := map[string]any{contest.KeyN: contest.First, contest.KeyData: contest.Data}
			if signedIn {
				m[contest.KeyUID] = contest.UID
			}
			for _, k := range more {
				m[k] = contest.MoreValue
			}
			id := newID()
			s.put(id, &values{m: m})
			setCookie(w, id)
			answer(w, contest.OK)
		})
	}
	return &contest.Site{
		Untouched: wrap(untouched),
		Read:      wrap(read(contest.KeyUID)),
		Number:    wrap(read(contest.KeyN)),
		Increment: wrap(func(w http.ResponseWriter, r *http.Request) {
			_, v := find(r)
			if v == nil {
				fail(w, errNoSession)
				return
			}
			vary(w)
			v.mu.Lock()
			n, _ := v.m[contest.KeyN].(int)
			v.m[contest.KeyN] = n + 1
			v.mu.Unlock()
			answer(w, contest.OK)
		}),
		Create:      create(nil, true),
		CreateLarge: create(contest.More, true),
		Anonymous:   create(nil, false),
		SignIn: wrap(func(w http.ResponseWriter, r *http.Request) {
			old, v := find(r)
			if v == nil {
				fail(w, errNoSession)
				return
			}
			vary(w)
			v.mu.Lock()
			v.m[contest.KeyUID] = contest.UID
			v.mu.Unlock()
			id := newID()
			s.put(id, v)
			s.drop(old)
			setCookie(w, id)
			answer(w, contest.OK)
		}),
	}
}
