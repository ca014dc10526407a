package beaker_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/filestore"
	"github.com/seed12c5fab1/beaker/internal/leaks"
	"github.com/seed12c5fab1/beaker/memstore"
)

// app is a manager on a store that can be watched and broken, with a clock that only
// moves when it is told to.
type app struct {
	*beaker.Manager
	t      *testing.T
	store  *watched
	events *eventLog
	clock  *clock

	secrets *beaker.Secrets
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

var start = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

func secrets(t testing.TB) *beaker.Secrets {
	t.Helper()
	s, err := beaker.ParseSecrets(beaker.NewSecret())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// stores are the stores that every promise is tested with.
var stores = map[string]func(t *testing.T) beaker.Store{
	"memory": func(t *testing.T) beaker.Store {
		s, err := memstore.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	},
	"files": func(t *testing.T) beaker.Store {
		dir := t.TempDir()
		s, err := filestore.Open(dir, &filestore.Options{NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close(); leaks.Dir(t, dir) })
		return s
	},
}

// kinds are what every session may be.
var kinds = map[string]func(*beaker.Config){"stored": func(*beaker.Config) {}, "sealed": sealed, "signed": func(c *beaker.Config) {
	sealed(c)
	c.Sealed.SignOnly = true
}}

// eachStore runs a test with every store.
func eachStore(t *testing.T, f func(t *testing.T, a *app), change ...func(*beaker.Config)) {
	t.Helper()
	for name, open := range stores {
		t.Run(name, func(t *testing.T) { f(t, newApp(t, open(t), change...)) })
	}
}

func newApp(t *testing.T, store beaker.Store, change ...func(*beaker.Config)) *app {
	t.Helper()
	a := &app{t: t, store: watch(store), events: &eventLog{}, clock: &clock{now: start}}
	cfg := beaker.Config{Store: a.store.as(), Secrets: secrets(t), Observer: a.events, Now: a.clock.Now, PurgeInterval: -1}
	for _, f := range change {
		f(&cfg)
	}
	m, err := beaker.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close(); a.scan() })
	a.Manager, a.secrets = m, cfg.Secrets
	return a
}

// scan looks for every bearer value that any test was given in what this one leaves
// behind: its events with their errors, and its store. H8, ST-1, LG-1.
func (a *app) scan() {
	a.events.mu.Lock()
	for _, e := range a.events.all {
		leaks.Printed(a.t, "an event", e)
		for err := e.Err; err != nil; err = errors.Unwrap(err) {
			leaks.Printed(a.t, "the error of an event", err)
		}
	}
	a.events.mu.Unlock()
	l, ok := a.store.inner.(beaker.Lister)
	if !ok {
		return
	}
	var dump []byte
	defer func() { leaks.Check(a.t, "the store", dump) }()
	for q := (beaker.ListQuery{}); ; {
		page, next, err := l.List(context.Background(), q)
		if err != nil {
			return // the test has closed or broken its store
		}
		for _, rec := range page {
			if dump, err = rec.AppendBinary(dump); err != nil {
				a.t.Error(err)
			}
		}
		if q.Cursor = next; next == "" {
			return
		}
	}
}

// eventLog remembers events.
type eventLog struct {
	mu  sync.Mutex
	all []beaker.Event
}

func (l *eventLog) Observe(_ context.Context, e beaker.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, e)
}

func (l *eventLog) named(name beaker.EventName) (found []beaker.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.all {
		if e.Name == name {
			found = append(found, e)
		}
	}
	return found
}

// watched counts a store's operations, and lets a test break them.
type watched struct {
	inner  beaker.Store
	create atomic.Int64
	load   atomic.Int64
	apply  atomic.Int64
	delete atomic.Int64

	mu    sync.Mutex
	fault func(op string) error // nil error: go on
	after func(op string) error // the operation is done; its answer is lost
}

func watch(inner beaker.Store) *watched { return &watched{inner: inner} }

// full is watched with the abilities that the tested stores have.
type full struct {
	*watched
	beaker.Lister
	beaker.Purger
	beaker.SubjectRevoker
}

func (w *watched) as() beaker.Store {
	l, ok := w.inner.(interface {
		beaker.Lister
		beaker.Purger
		beaker.SubjectRevoker
	})
	if !ok {
		return w
	}
	return full{w, l, l, l}
}

func (w *watched) calls() int64 {
	return w.create.Load() + w.load.Load() + w.apply.Load() + w.delete.Load()
}

// breaks makes the named operations fail; nil heals the store.
func (w *watched) breaks(f func(op string) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = f
}

// loses makes the named operations succeed and answer with an error.
func (w *watched) loses(f func(op string) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.after = f
}

func (w *watched) at(op string, n *atomic.Int64) error {
	n.Add(1)
	w.mu.Lock()
	f := w.fault
	w.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(op)
}

func (w *watched) done(op string, err error) error {
	w.mu.Lock()
	f := w.after
	w.mu.Unlock()
	if f == nil || err != nil {
		return err
	}
	return f(op)
}

func (w *watched) Create(ctx context.Context, rec *beaker.Record) error {
	if err := w.at("create", &w.create); err != nil {
		return err
	}
	return w.done("create", w.inner.Create(ctx, rec))
}

func (w *watched) Load(ctx context.Context, key beaker.RecordKey) (*beaker.Record, error) {
	if err := w.at("load", &w.load); err != nil {
		return nil, err
	}
	return w.inner.Load(ctx, key)
}

func (w *watched) Apply(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
	if err := w.at("apply", &w.apply); err != nil {
		return 0, err
	}
	v, err := w.inner.Apply(ctx, key, ch)
	return v, w.done("apply", err)
}

func (w *watched) Delete(ctx context.Context, key beaker.RecordKey) error {
	if err := w.at("delete", &w.delete); err != nil {
		return err
	}
	return w.done("delete", w.inner.Delete(ctx, key))
}

// session runs f with the request's session in a handler that then answers 200.
func (a *app) session(f func(s *beaker.Session, r *http.Request)) http.Handler {
	return a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := a.Get(r.Context())
		if err != nil {
			a.Error(w, r, err)
			return
		}
		f(s, r)
		w.WriteHeader(http.StatusOK)
	}))
}

// browser holds the session cookie as a browser does, on https://example.com.
type browser struct {
	t      *testing.T
	name   string
	cookie string // the value; empty: none
}

func newBrowser(t *testing.T) *browser { return &browser{t: t, name: "__Host-session"} }

// clone is a second tab, or a thief's copy.
func (b *browser) clone() *browser { c := *b; return &c }

func (b *browser) request() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://example.com/", nil)
	if b.cookie != "" {
		r.Header.Set("Cookie", b.name+"="+b.cookie)
	}
	return r
}

// do makes a request and keeps the cookie of the answer.
func (b *browser) do(h http.Handler) *httptest.ResponseRecorder {
	b.t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, b.request())
	leaks.Response(b.t, w.Header(), w.Body.Bytes())
	b.keep(w)
	return w
}

// record is a request by itself.
func record(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func (b *browser) keep(w *httptest.ResponseRecorder) {
	b.t.Helper()
	lines := setCookies(w)
	switch len(lines) {
	case 0:
		return
	case 1:
	default:
		b.t.Fatalf("%d session cookies in one response", len(lines))
	}
	c, err := http.ParseSetCookie(lines[0])
	if err != nil {
		b.t.Fatal(err)
	}
	if !strings.Contains(w.Header().Get("Cache-Control"), "no-store") {
		b.t.Error("a response with a session cookie can be cached")
	}
	b.cookie = c.Value
	if c.MaxAge < 0 {
		b.cookie = ""
	}
}

// setCookies returns the session's Set-Cookie lines.
func setCookies(w *httptest.ResponseRecorder) (lines []string) {
	for _, l := range w.Result().Header["Set-Cookie"] {
		if strings.HasPrefix(l, "__Host-session=") {
			lines = append(lines, l)
		}
	}
	return lines
}

// inFlight is a request that is held inside its handler.
type inFlight struct {
	t       *testing.T
	b       *browser
	reached chan struct{}
	release chan struct{}
	done    chan *httptest.ResponseRecorder
}

// fly starts a request that runs before, then is held, then runs after.
func (a *app) fly(b *browser, before, after func(s *beaker.Session, r *http.Request)) *inFlight {
	f := &inFlight{t: a.t, b: b, reached: make(chan struct{}), release: make(chan struct{}), done: make(chan *httptest.ResponseRecorder, 1)}
	h := a.session(func(s *beaker.Session, r *http.Request) {
		before(s, r)
		close(f.reached)
		<-f.release
		after(s, r)
	})
	go func() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, b.request())
		f.done <- w
	}()
	select {
	case <-f.reached:
	case w := <-f.done:
		a.t.Fatalf("the request did not reach its barrier: %d %s", w.Code, w.Body)
	}
	return f
}

// land lets it finish. The browser keeps the cookie as late as it comes.
func (f *inFlight) land() *httptest.ResponseRecorder {
	f.t.Helper()
	close(f.release)
	w := <-f.done
	f.b.keep(w)
	return w
}

func nothing(*beaker.Session, *http.Request) {}
