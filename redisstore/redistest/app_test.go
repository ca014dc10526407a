package redistest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

var (
	keyWho = beaker.NewKey[string]("who")
	keyN   = beaker.NewKey[int]("n")
)

// node is one of the processes that serve an application.
type node struct {
	*beaker.Manager
	calls atomic.Int64 // of the functions given to Update
}

// app is an application on several nodes that share secrets, as behind a load balancer
// that knows no stickiness. A request says by its header Node who serves it.
type app struct {
	nodes []*node
}

func newApp(tb testing.TB, change func(c *beaker.Config), stores ...beaker.Store) *app {
	tb.Helper()
	secrets, err := beaker.ParseSecrets(beaker.NewSecret())
	if err != nil {
		tb.Fatal(err)
	}
	a := &app{}
	for _, s := range stores {
		c := beaker.Config{Store: s, Secrets: secrets, PurgeInterval: -1, Observer: silent{}}
		if change != nil {
			change(&c)
		}
		m, err := beaker.New(c)
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() {
			if err := m.Close(); err != nil {
				tb.Errorf("closing a manager: %v", err)
			}
		})
		a.nodes = append(a.nodes, &node{Manager: m})
	}
	return a
}

type silent struct{}

func (silent) Observe(context.Context, beaker.Event) {}

// browser returns a browser that is served by the node that each request names.
func (a *app) browser() *sessiontest.Browser {
	return sessiontest.NewBrowser(a, "https://app.example")
}

// ServeHTTP implements [http.Handler].
func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i, err := strconv.Atoi("0" + r.Header.Get("Node"))
	if err != nil || i >= len(a.nodes) {
		http.Error(w, "no such node", http.StatusTeapot)
		return
	}
	n := a.nodes[i]
	n.Wrap(http.HandlerFunc(n.serve)).ServeHTTP(w, r)
}

func (n *node) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/untouched" {
		fmt.Fprint(w, "static")
		return
	}
	ctx := r.Context()
	if r.URL.Path == "/count" {
		err := n.Update(ctx, func(s *beaker.Session) error {
			n.calls.Add(1)
			c, _ := keyN.Get(s)
			keyN.Set(s, c+1)
			return nil
		})
		if err != nil {
			w.Header().Set("Uncertain", fmt.Sprint(errors.Is(err, beaker.ErrUncertain)))
			n.Error(w, r, err)
		}
		return
	}
	s, err := n.Get(ctx)
	if err != nil {
		n.Error(w, r, err)
		return
	}
	switch q := r.URL.Query(); r.URL.Path {
	case "/read":
		who, _ := keyWho.Get(s)
		c, _ := keyN.Get(s)
		fmt.Fprintf(w, "%s %d", who, c)
	case "/set":
		s.Set(q.Get("name"), q.Get("value"))
	case "/get":
		v, _ := s.Get(q.Get("name"))
		fmt.Fprint(w, v)
	case "/login":
		keyWho.Set(s, q.Get("who"))
		err = s.SetSubject(q.Get("who"))
	case "/renew":
		err = s.Regenerate()
	case "/logout":
		err = s.Destroy(ctx)
	}
	if err != nil {
		n.Error(w, r, err)
	}
}

// ask sends a browser's request to a node.
func ask(b *sessiontest.Browser, node int, ref string) *sessiontest.Response {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, ref, nil)
	if err != nil {
		panic(err) // the tests' own
	}
	req.Header.Set("Node", strconv.Itoa(node))
	return b.Do(req)
}

// mustAsk is ask for what has to work.
func mustAsk(tb testing.TB, b *sessiontest.Browser, node int, ref string) *sessiontest.Response {
	tb.Helper()
	r := ask(b, node, ref)
	if r.Status != http.StatusOK {
		tb.Fatalf("%v: %s", r, r.Body)
	}
	return r
}

// wantUnavailable checks an answer of a node that cannot reach its store: 503, when to
// come back, and the browser's cookie as it was.
func wantUnavailable(tb testing.TB, r *sessiontest.Response) {
	tb.Helper()
	if r.Status != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" || len(r.SetCookies) != 0 {
		tb.Errorf("%v, Retry-After %q: want 503 with Retry-After and without a cookie", r, r.Header.Get("Retry-After"))
	}
}

// handleOf returns the handle of the browser's session.
func handleOf(tb testing.TB, a *app, b *sessiontest.Browser) (h beaker.Handle) {
	tb.Helper()
	sessiontest.InSession(tb, a.nodes[0].Manager, b, func(s *beaker.Session) { h = s.Handle() })
	return h
}

const patience = 2 * time.Minute
