package redistest

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

// The same user's requests meet on two nodes, as users see it: over HTTP, with cookies.
func TestRequestsMeetOnTwoNodes(t *testing.T) {
	rounds := 100
	if soak() {
		rounds = 5000
	}
	for _, get := range []func(testing.TB) *site{single, cluster, sentinel} {
		s := get(t)
		t.Run(s.name, func(t *testing.T) {
			p := newPlace(t, s)
			// The clock stands still: a login and a revocation begin at the same moment, and
			// then the revocation counts.
			clock := sessiontest.NewClock(time.Now())
			a := newApp(t, func(c *beaker.Config) { c.Now = clock.Now }, p.store(t), p.store(t))
			both := func(left, right func()) {
				start := make(chan struct{})
				var wg sync.WaitGroup
				for _, f := range []func(){left, right} {
					wg.Go(func() { <-start; f() })
				}
				close(start)
				wg.Wait()
			}
			revoked := 0
			for i := range rounds {
				user := fmt.Sprintf("user-%d", i)
				b := a.browser()
				mustAsk(t, b, i%2, "/set?name=cart&value=1")
				tab := b.Copy()

				both(
					func() { mustAsk(t, b, 0, "/set?name=left&value=1") },
					func() { mustAsk(t, tab, 1, "/set?name=right&value=1") },
				)
				for n := range 2 {
					for _, name := range []string{"left", "right", "cart"} {
						if r := mustAsk(t, b, n, "/get?name="+name); r.Body != "1" {
							t.Errorf("%s is %q on node %d after both were set at once", name, r.Body, n)
						}
					}
				}

				var login *sessiontest.Response
				both(
					func() { login = ask(b, 0, "/login?who="+user) },
					func() {
						if _, err := a.nodes[1].RevokeAll(t.Context(), user); err != nil {
							t.Errorf("RevokeAll: %v", err)
						}
					},
				)
				if login.Status != http.StatusOK && login.Status != http.StatusConflict {
					t.Errorf("a login that a revocation meets: %v", login)
				}
				if login.Status == http.StatusConflict {
					revoked++
				}
				for n := range 2 {
					if r := mustAsk(t, b, n, "/read"); r.Body != " 0" {
						t.Errorf("who signed in when all sessions were revoked is %q on node %d", r.Body, n)
					}
				}

				clock.Advance(time.Millisecond)
				mustAsk(t, b, 0, "/login?who="+user)
				tab = b.Copy()
				both(
					func() { mustAsk(t, b, 0, "/logout") },
					func() {
						if r := ask(tab, 1, "/set?name=late&value=1"); r.Status != http.StatusOK && r.Status != http.StatusConflict {
							t.Errorf("a write that a logout meets: %v", r)
						}
					},
				)
				for n := range 2 {
					if r := mustAsk(t, tab, n, "/read"); r.Body != " 0" {
						t.Errorf("after the logout, the other tab is %q on node %d", r.Body, n)
					}
				}
				if t.Failed() {
					return
				}
			}
			t.Logf("report: %d rounds; %d logins were refused by a revocation, the others were ended by it", rounds, revoked)
		})
	}
}

// Update on two nodes: every acknowledged count is there.
func TestUpdateCountsExactlyOnTwoNodes(t *testing.T) {
	each := 25
	if soak() {
		each = 1000
	}
	for _, get := range []func(testing.TB) *site{single, cluster, sentinel} {
		s := get(t)
		t.Run(s.name, func(t *testing.T) {
			p := newPlace(t, s)
			a := newApp(t, nil, p.store(t), p.store(t))
			b := a.browser()
			mustAsk(t, b, 0, "/login?who=fred")
			const tabs = 8
			var wg sync.WaitGroup
			for i := range tabs {
				tab := b.Copy()
				wg.Go(func() {
					for range each {
						if r := ask(tab, i%2, "/count"); r.Status != http.StatusOK {
							t.Errorf("count: %v %s", r, r.Body)
						}
					}
				})
			}
			wg.Wait()
			if r := mustAsk(t, b, 1, "/read"); r.Body != fmt.Sprintf("fred %d", tabs*each) {
				t.Errorf("%q after %d counts", r.Body, tabs*each)
			}
			t.Logf("report: %d counts took %d runs of the function", tabs*each, a.nodes[0].calls.Load()+a.nodes[1].calls.Load())
		})
	}
}
