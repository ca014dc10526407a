package wire_test

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/memstore"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

// serve returns the address of a server that speaks both protocols in the clear.
func serve(t *testing.T, h http.Handler) (addr string) {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// kinds are what every session may be.
var kinds = map[string]func(*beaker.Config){
	"stored": func(*beaker.Config) {},
	"sealed": func(c *beaker.Config) { c.Sealed, c.Store = &beaker.Sealed{Revoker: c.Store}, nil },
	"signed": func(c *beaker.Config) { c.Sealed, c.Store = &beaker.Sealed{Revoker: c.Store, SignOnly: true}, nil },
}

// node is a manager with a server.
type node struct {
	*beaker.Manager
	t       *testing.T
	clock   *sessiontest.Clock
	faults  *sessiontest.Faults
	ask     func(r request) response
	name    string // of the cookie
	secrets string

	mu     sync.Mutex
	do     map[string]func(w http.ResponseWriter, r *http.Request, s *beaker.Session)
	events []beaker.Event
}

type world struct {
	t     *testing.T
	kind  string
	open  func(addr string) client
	store beaker.Store
}

// each runs a test for each kind of session over each protocol.
func each(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	for kind := range kinds {
		for proto, open := range clients {
			t.Run(kind+" over "+proto, func(t *testing.T) {
				store, err := memstore.New(nil)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = store.Close() }) // nothing of it is looked at any more
				f(t, &world{t, kind, open, store})
			})
		}
	}
}

const usual = "__Host-session"

// node starts one. All nodes of a world share the store; give them the same secrets.
func (w *world) node(secrets string, change ...func(*beaker.Config)) *node {
	w.t.Helper()
	s, err := beaker.ParseSecrets(secrets)
	if err != nil {
		w.t.Fatal(err)
	}
	store, faults := sessiontest.NewFaultStore(w.store)
	n := &node{t: w.t, clock: sessiontest.NewClock(time.Time{}), faults: faults, secrets: secrets, do: map[string]func(http.ResponseWriter, *http.Request, *beaker.Session){}}
	cfg := beaker.Config{
		Store: store, Secrets: s, Now: n.clock.Now, PurgeInterval: -1, App: "app", StoreTimeout: time.Minute,
		Observer: beaker.ObserverFunc(func(_ context.Context, e beaker.Event) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.events = append(n.events, e)
		}),
	}
	kinds[w.kind](&cfg)
	for _, f := range change {
		f(&cfg)
	}
	if n.Manager, err = beaker.New(cfg); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = n.Close() }) // it never fails
	n.name = usual
	if cfg.Cookie.Name != "" {
		n.name = cfg.Cookie.Name
	}
	c := w.open(serve(w.t, n.Wrap(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		n.mu.Lock()
		f := n.do[r.URL.Path]
		n.mu.Unlock()
		if r.URL.Path == "/untouched" {
			return
		}
		sess, err := n.Get(r.Context())
		switch {
		case err != nil:
			n.Error(rw, r, err)
		case f != nil:
			f(rw, r, sess)
		default: // who is it?
			_, _ = io.WriteString(rw, sess.Subject()) // the client sees
		}
	}))))
	w.t.Cleanup(c.close)
	n.ask = asker(w.t, c)
	n.on("/in", func(rw http.ResponseWriter, r *http.Request, s *beaker.Session) {
		if err := s.SetSubject(r.URL.Query().Get("who")); err != nil { // it may have ended a moment ago
			n.Error(rw, r, err)
		}
	})
	n.on("/out", func(_ http.ResponseWriter, r *http.Request, s *beaker.Session) { n.must(s.Destroy(r.Context())) })
	n.on("/set", func(_ http.ResponseWriter, _ *http.Request, s *beaker.Session) { s.Set("k", 1) })
	return n
}

func (n *node) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Error(err)
	}
}

// on says what a path does with the session.
func (n *node) on(path string, f func(w http.ResponseWriter, r *http.Request, s *beaker.Session)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.do[path] = f
}

// get asks with cookies, each of which is a header field of its own.
func (n *node) get(path string, cookies ...string) response {
	n.t.Helper()
	r := request{method: "GET", path: path}
	for _, c := range cookies {
		r.fields = append(r.fields, [2]string{"Cookie", c})
	}
	return n.ask(r)
}

// signIn returns the cookie of a new session, as "name=value".
func (n *node) signIn(who string, cookies ...string) string {
	n.t.Helper()
	got := n.get("/in?who="+who, cookies...)
	lines := got.cookies(n.name)
	if got.status != 200 || len(lines) != 1 {
		n.t.Fatalf("signing in: %d %q", got.status, lines)
	}
	pair, _, _ := strings.Cut(lines[0], ";")
	return pair
}

// reasons returns why cookies were refused since it was called last.
func (n *node) reasons() (all []beaker.Reason) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range n.events {
		if e.Name == beaker.EventReject {
			all = append(all, e.Reason)
		}
	}
	n.events = nil
	return all
}

func value(pair string) string { _, v, _ := strings.Cut(pair, "="); return v }
