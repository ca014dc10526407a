package site_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/cmd/beaker/internal/site"
	"github.com/seed12c5fab1/beaker/internal/leaks"
	"github.com/seed12c5fab1/beaker/memstore"
)

// What opens a session is in no page and no line of the log.
func TestMain(m *testing.M) { os.Exit(leaks.Watch(m).Run()) }

// fixture is a site on a store that can be made to fail.
type fixture struct {
	*site.Site
	store *faulty
	log   *logged
}

// logged is what the site wrote to its log.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

type waiter func(ctx context.Context, d time.Duration) error

func newSite(t *testing.T, wait waiter) *fixture {
	t.Helper()
	store, err := memstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{store: &faulty{Store: store}, log: &logged{}}
	f.Site = newSiteOn(t, f.store, wait, f.log)
	return f
}

func newSiteOn(t testing.TB, store beaker.Store, wait waiter, log io.Writer) *site.Site {
	t.Helper()
	return newSiteWith(t, beaker.Config{Store: store}, wait, log)
}

func newSiteWith(t testing.TB, sessions beaker.Config, wait waiter, log io.Writer) *site.Site {
	t.Helper()
	secrets, err := beaker.ParseSecrets(beaker.NewSecret())
	if err != nil {
		t.Fatal(err)
	}
	// A clock that never shows the same millisecond twice: a sign-in within that of a
	// revocation counts as older, and here requests follow each other faster than that.
	began, ticks := time.Now(), new(atomic.Int64)
	now := func() time.Time { return began.Add(time.Duration(ticks.Add(1)) * time.Millisecond) }
	sessions.Secrets, sessions.Now = secrets, now
	all := &logged{}
	s, err := site.New(site.Config{
		Sessions: sessions,
		Log:      slog.New(slog.NewTextHandler(io.MultiWriter(log, all), &slog.HandlerOptions{Level: slog.LevelDebug})),
		Wait:     wait,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		leaks.Check(t, "the log", []byte(all.String()))
	})
	return s
}

var errDown = errors.New("the disk is on fire")

// faulty is a memstore that fails while down names the operation.
type faulty struct {
	*memstore.Store
	mu   sync.Mutex
	down string
}

func (f *faulty) fail(op string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = op
}

func (f *faulty) check(op string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down == op {
		return errDown
	}
	return nil
}

func (f *faulty) Load(ctx context.Context, key beaker.RecordKey) (*beaker.Record, error) {
	if err := f.check("load"); err != nil {
		return nil, err
	}
	return f.Store.Load(ctx, key)
}

func (f *faulty) Create(ctx context.Context, rec *beaker.Record) error {
	if err := f.check("create"); err != nil {
		return err
	}
	return f.Store.Create(ctx, rec)
}

func (f *faulty) Apply(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
	if err := f.check("apply"); err != nil {
		return 0, err
	}
	return f.Store.Apply(ctx, key, ch)
}

func (f *faulty) Delete(ctx context.Context, key beaker.RecordKey) error {
	if err := f.check("delete"); err != nil {
		return err
	}
	return f.Store.Delete(ctx, key)
}

func (f *faulty) List(ctx context.Context, q beaker.ListQuery) ([]*beaker.Record, string, error) {
	if err := f.check("list"); err != nil {
		return nil, "", err
	}
	return f.Store.List(ctx, q)
}

// browser keeps cookies as a browser on http://localhost does.
type browser struct {
	t       *testing.T
	handler http.Handler
	agent   string
	remote  string

	mu      sync.Mutex
	cookies map[string]string
}

func (f *fixture) browser(t *testing.T) *browser { return newBrowser(t, f) }

func newBrowser(t *testing.T, h http.Handler) *browser {
	return &browser{t: t, handler: h, cookies: map[string]string{}}
}

// other is another browser with the same cookies.
func (b *browser) other() *browser {
	c := newBrowser(b.t, b.handler)
	b.mu.Lock()
	defer b.mu.Unlock()
	maps.Copy(c.cookies, b.cookies)
	return c
}

func (b *browser) request(method, target, body string) *http.Request {
	r := httptest.NewRequest(method, "http://localhost"+target, strings.NewReader(body))
	if b.agent != "" {
		r.Header.Set("User-Agent", b.agent)
	}
	if b.remote != "" {
		r.RemoteAddr = b.remote
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return r
}

func (b *browser) send(r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	leaks.Response(b.t, w.Header(), w.Body.Bytes())
	resp := w.Result()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range resp.Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
			continue
		}
		b.cookies[c.Name] = c.Value
	}
	return resp
}

func (b *browser) do(method, target, body string) *http.Response {
	return b.send(b.request(method, target, body))
}

// submit sends a form as the pages do, and follows where it leads.
func (b *browser) submit(target string, form url.Values) *http.Response {
	b.t.Helper()
	r := b.request(http.MethodPost, target, form.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	resp := b.send(r)
	if resp.StatusCode != http.StatusSeeOther {
		b.t.Fatalf("POST %s: status %d, want a redirect; body: %s", target, resp.StatusCode, text(b.t, resp))
	}
	path, _, _ := strings.Cut(resp.Header.Get("Location"), "#") // a place on the page is not sent
	return b.do(http.MethodGet, path, "")
}

// must is do for a step that is not what the test is about.
func (b *browser) must(method, target, body string) string {
	b.t.Helper()
	resp := b.do(method, target, body)
	got := text(b.t, resp)
	if resp.StatusCode != http.StatusOK {
		b.t.Fatalf("%s %s: status %d: %s", method, target, resp.StatusCode, got)
	}
	return got
}

func text(t *testing.T, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func decode[T any](t *testing.T, body string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return v
}

// view is the answer of GET /api/session, spelled out once more: it is documented.
type view struct {
	New              *bool                      `json:"new"`
	Handle           string                     `json:"handle"`
	Subject          *string                    `json:"subject"`
	Created          time.Time                  `json:"created"`
	LastAccessed     *time.Time                 `json:"last_accessed"`
	IdleDeadline     *time.Time                 `json:"idle_deadline"`
	AbsoluteDeadline time.Time                  `json:"absolute_deadline"`
	Values           map[string]json.RawMessage `json:"values"`
	Request          struct {
		Loaded      bool `json:"loaded"`
		StoreCalls  int  `json:"store_calls"`
		CookieBytes int  `json:"cookie_bytes"`
	} `json:"request"`
}

func (b *browser) session() view {
	b.t.Helper()
	v := decode[view](b.t, b.must(http.MethodGet, "/api/session", ""))
	if v.New == nil || v.Subject == nil || len(v.Handle) != 64 || v.Values == nil {
		b.t.Fatalf("a field is missing: %+v", v)
	}
	return v
}

type deviceList struct {
	Devices []struct {
		Handle   string    `json:"handle"`
		Kind     string    `json:"kind"`
		Browser  string    `json:"browser"`
		System   string    `json:"system"`
		Network  string    `json:"network"`
		SignedIn time.Time `json:"signed_in"`
		LastSeen time.Time `json:"last_seen"`
		Expires  time.Time `json:"expires"`
		Current  bool      `json:"current"`
	} `json:"devices"`
}

func (b *browser) devices() deviceList {
	b.t.Helper()
	return decode[deviceList](b.t, b.must(http.MethodGet, "/api/devices", ""))
}
