package browsertest_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/cmd/beaker/internal/site"
	"github.com/seed12c5fab1/beaker/memstore"
)

// world is the demonstration on a port of its own, with a clock that the test moves.
type world struct {
	url   string // http://localhost:port
	clock *clock
	store *store
	log   *output

	mu   sync.Mutex
	seen []seen
	wait func(context.Context, time.Duration) error
	over map[string]func() // what to do once when a request has been answered
}

// seen is a request as it arrived.
type seen struct {
	method, path string
	header       http.Header
}

// clock never shows the same millisecond twice.
type clock struct {
	began time.Time
	ticks atomic.Int64
}

func (c *clock) now() time.Time {
	return c.began.Add(time.Duration(c.ticks.Add(1)) * time.Millisecond)
}

func (c *clock) move(d time.Duration) { c.ticks.Add(d.Milliseconds()) }

// store calls a hook after each load, which may hold the request there or change what
// it has just read.
type store struct {
	*memstore.Store
	mu        sync.Mutex
	afterLoad func(context.Context, beaker.RecordKey)
}

func (s *store) Load(ctx context.Context, key beaker.RecordKey) (*beaker.Record, error) {
	rec, err := s.Store.Load(ctx, key)
	s.mu.Lock()
	hook := s.afterLoad
	s.mu.Unlock()
	if hook != nil {
		hook(ctx, key)
	}
	return rec, err
}

func (s *store) hook(f func(context.Context, beaker.RecordKey)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.afterLoad = f
}

// option changes what a world runs on.
type option func(*world, *beaker.Config)

// sealed keeps sessions in their cookies.
func sealed(w *world, cfg *beaker.Config) {
	cfg.Store, cfg.Sealed = nil, &beaker.Sealed{Revoker: w.store}
}

// dated sets the clock to one day for all pictures.
func dated(w *world, _ *beaker.Config) {
	w.clock.began = time.Date(2026, time.March, 2, 9, 41, 0, 0, time.UTC)
}

// newWorld starts a demonstration. Its clock begins at the browser's time, which
// decides when cookies expire.
func newWorld(t *testing.T, options ...option) *world {
	t.Helper()
	memory, err := memstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := beaker.ParseSecrets(beaker.NewSecret())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{over: map[string]func(){}, clock: &clock{began: time.Now()}, store: &store{Store: memory}, log: &output{}}
	cfg := beaker.Config{Store: w.store, Secrets: secrets, Now: w.clock.now, StoreTimeout: patience} // barriers are in the store
	for _, o := range options {
		o(w, &cfg)
	}
	s, err := site.New(site.Config{
		Sessions: cfg, Log: slog.New(slog.NewTextHandler(w.log, nil)),
		Wait: func(ctx context.Context, d time.Duration) error {
			w.mu.Lock()
			wait := w.wait
			w.mu.Unlock()
			if wait == nil {
				return nil // slow requests are not slow here
			}
			return wait(ctx, d)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.seen = append(w.seen, seen{r.Method, r.URL.Path, r.Header.Clone()})
		w.mu.Unlock()
		s.ServeHTTP(rw, r)
		w.mu.Lock()
		over := w.over[r.Method+r.URL.Path]
		delete(w.over, r.Method+r.URL.Path)
		w.mu.Unlock()
		if over != nil {
			over()
		}
	}))
	t.Cleanup(func() {
		server.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := memory.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the site's log:\n%s", w.log.String())
		}
	})
	// By name: only so does the browser take the address for one of this machine that
	// the __Host- cookie is safe on.
	w.url = strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	return w
}

// requests returns those for path so far.
func (w *world) requests(method, path string) []seen {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []seen
	for _, s := range w.seen {
		if s.method == method && s.path == path {
			found = append(found, s)
		}
	}
	return found
}

// waiting sets what slow requests do.
func (w *world) waiting(f func(context.Context, time.Duration) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wait = f
}

// after sets what is done once when such a request has been answered.
func (w *world) after(method, path string, f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over[method+path] = f
}

// cookieName is what the site's cookie is called.
const cookieName = "__Host-session"

func (s seen) hasCookie() bool {
	return bytes.Contains([]byte(s.header.Get("Cookie")), []byte(cookieName+"="))
}
