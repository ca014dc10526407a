package memcachetest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/memcachestore"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

// pairs is how many pairs of requests a race has. Stores share nothing but the servers,
// so two of them in one process are what two processes are.
func pairs() int {
	if soak() {
		return 10_000
	}
	return 500
}

// together lets both run at once, and returns their errors when both have ended.
func together(a, b func() error) (aErr, bErr error) {
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	for _, one := range []struct {
		do  func() error
		err *error
	}{{a, &aErr}, {b, &bErr}} {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-start
			*one.err = one.do()
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
	return aErr, bErr
}

// eachPair runs a race on two nodes, each pair on a session of its own that both nodes
// have read before either of them changes it.
func eachPair(t *testing.T, meta func(subject string) beaker.Meta, race func(a, b *memcachestore.Store, ra, rb *beaker.Record, subject string)) {
	t.Helper()
	p := newPlace(t)
	a, b := p.store(t), p.store(t)
	for i := range pairs() {
		subject := fmt.Sprintf("user-%d", i)
		rec := created(t, a, meta(subject), "k", "v")
		race(a, b, loaded(t, a, rec.Key()), loaded(t, b, rec.Key()), subject)
		if t.Failed() {
			t.Fatalf("in pair %d", i)
		}
	}
}

func anonymous(string) beaker.Meta { return newMeta() }

func doApply(t *testing.T, s beaker.Store, ch *beaker.Change) func() error {
	key := ch.Base.Key()
	return func() error { _, err := s.Apply(t.Context(), key, ch); return err }
}

func TestPairsOfWritesLoseNothing(t *testing.T) {
	eachPair(t, anonymous, func(a, b *memcachestore.Store, ra, rb *beaker.Record, _ string) {
		aErr, bErr := together(doApply(t, a, setting(ra, "a", "1")), doApply(t, b, setting(rb, "b", "1")))
		got := loaded(t, a, ra.Key())
		if aErr != nil || bErr != nil || value(got, "a") != "1" || value(got, "b") != "1" || value(got, "k") != "v" || got.Version() != 3 {
			t.Errorf("lost: %v, %v; a %s, b %s", aErr, bErr, value(got, "a"), value(got, "b"))
		}
	})
	t.Logf("%d pairs, 0 lost", pairs())
}

func TestPairsOfWriteAndDeleteReviveNothing(t *testing.T) {
	eachPair(t, anonymous, func(a, b *memcachestore.Store, ra, rb *beaker.Record, _ string) {
		aErr, bErr := together(doApply(t, a, setting(ra, "a", "1")), func() error { return b.Delete(t.Context(), rb.Key()) })
		if aErr != nil && !errors.Is(aErr, beaker.ErrNotFound) || bErr != nil {
			t.Errorf("Apply: %v; Delete: %v", aErr, bErr)
		}
		absent(t, a, ra.Key(), "after Delete")
		absent(t, b, ra.Key(), "after Delete")
	})
	t.Logf("%d pairs, 0 resurrected", pairs())
}

func TestPairsOfWriteAndRotationLeaveNoOldProof(t *testing.T) {
	eachPair(t, anonymous, func(a, b *memcachestore.Store, ra, rb *beaker.Record, _ string) {
		rotation := changeOf(rb)
		rotation.Rotate = &beaker.Rotation{Next: unique("next")}
		aErr, bErr := together(doApply(t, a, setting(ra, "a", "1")), doApply(t, b, rotation))
		got := loaded(t, b, ra.Key())
		if bErr != nil || (aErr == nil) != (value(got, "a") == "1") || aErr != nil && !errors.Is(aErr, beaker.ErrNotFound) {
			t.Errorf("write: %v, a is %s; rotation: %v", aErr, value(got, "a"), bErr)
		}
		if _, err := a.Apply(t.Context(), ra.Key(), setting(ra, "a", "late")); !errors.Is(err, beaker.ErrNotFound) {
			t.Errorf("a write with the old proof: %v", err)
		}
	})
}

func TestPairsOfLateSignInAndRevocation(t *testing.T) {
	outcomes := map[string]int{}
	eachPair(t, anonymous, func(a, b *memcachestore.Store, ra, rb *beaker.Record, subject string) {
		loginErr, err := together(doApply(t, a, signingIn(ra, subject)), func() error {
			_, err := b.RevokeSubject(t.Context(), subject, epoch+minute)
			return err
		})
		if err != nil || loginErr != nil && !errors.Is(loginErr, beaker.ErrRevoked) {
			t.Errorf("sign-in: %v; revocation: %v", loginErr, err)
		}
		outcomes[fmt.Sprint(loginErr)]++
		absent(t, a, ra.Key(), "after a revocation and a sign-in that began before it")
		absent(t, b, ra.Key(), "after a revocation and a sign-in that began before it")
	})
	t.Logf("%d pairs, 0 sessions outlived the revocation: %v", pairs(), outcomes)
}

func TestPairsOfWriteAndRevocation(t *testing.T) {
	eachPair(t, metaOf, func(a, b *memcachestore.Store, ra, rb *beaker.Record, subject string) {
		aErr, err := together(doApply(t, a, setting(ra, "a", "1")), func() error {
			n, err := b.RevokeSubject(t.Context(), subject, epoch+minute)
			if err == nil && n != 1 {
				err = fmt.Errorf("it ended %d sessions", n)
			}
			return err
		})
		if err != nil || aErr != nil && !errors.Is(aErr, beaker.ErrNotFound) {
			t.Errorf("write: %v; revocation: %v", aErr, err)
		}
		absent(t, a, ra.Key(), "after the revocation")
	})
}

// Counts by Manager.Update on two nodes at once are exact.
func TestUpdatesOfTwoNodesCountExactly(t *testing.T) {
	p := newPlace(t)
	site := newSite(t, p.store(t), p.store(t))
	cookie := site.post(t, 0, "/n/0", nil)
	const each = 4
	per := 25
	if soak() {
		per = 1000
	}
	var wg sync.WaitGroup
	for i := range 2 * each {
		wg.Go(func() {
			for range per {
				if resp := site.request(t, i%2, http.MethodPost, "/count", cookie); resp.Code != http.StatusOK {
					t.Errorf("count: %d %s", resp.Code, resp.Body)
					return
				}
			}
		})
	}
	wg.Wait()
	if got, want := site.get(t, 0, "/n", cookie), strconv.Itoa(2*each*per); got != want {
		t.Errorf("the count is %s, want %s", got, want)
	}
	t.Logf("%d updates, %d runs of the function", 2*each*per, site.runs.Load())
}

// site is a small application on one or more nodes.
type site struct {
	nodes []http.Handler
	runs  atomic.Int64 // of functions given to Update
	mgrs  []*beaker.Manager
}

var counter = beaker.NewKey[int]("n")

func newSite(tb testing.TB, stores ...beaker.Store) *site {
	tb.Helper()
	secrets, err := beaker.ParseSecrets(beaker.NewSecret())
	if err != nil {
		tb.Fatal(err)
	}
	s := &site{}
	for _, store := range stores {
		m, err := beaker.New(beaker.Config{Store: store, Secrets: secrets, StoreTimeout: time.Minute, Observer: &sessiontest.Events{}})
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() {
			if err := m.Close(); err != nil {
				tb.Error(err)
			}
		})
		s.mgrs = append(s.mgrs, m)
		s.nodes = append(s.nodes, m.Wrap(s.handler(m)))
	}
	return s
}

func (s *site) handler(m *beaker.Manager) http.Handler {
	mux := http.NewServeMux()
	with := func(pattern string, do func(sess *beaker.Session, r *http.Request) (string, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			sess, err := m.Get(r.Context())
			if err != nil {
				m.Error(w, r, err)
				return
			}
			out, err := do(sess, r)
			if err != nil {
				m.Error(w, r, err)
				return
			}
			fmt.Fprint(w, out)
		})
	}
	mux.HandleFunc("GET /untouched", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	with("GET /n", func(sess *beaker.Session, _ *http.Request) (string, error) {
		n, ok := counter.Get(sess)
		if !ok {
			return "none", nil
		}
		return strconv.Itoa(n), nil
	})
	with("POST /n/{n}", func(sess *beaker.Session, r *http.Request) (string, error) {
		n, err := strconv.Atoi(r.PathValue("n"))
		counter.Set(sess, n)
		return "ok", err
	})
	with("POST /login/{who}", func(sess *beaker.Session, r *http.Request) (string, error) {
		return "ok", sess.SetSubject(r.PathValue("who"))
	})
	with("POST /logout", func(sess *beaker.Session, r *http.Request) (string, error) { return "ok", sess.Destroy(r.Context()) })
	with("GET /who", func(sess *beaker.Session, _ *http.Request) (string, error) { return "[" + sess.Subject() + "]", nil })
	mux.HandleFunc("POST /count", func(w http.ResponseWriter, r *http.Request) {
		err := m.Update(r.Context(), func(sess *beaker.Session) error {
			s.runs.Add(1)
			n, _ := counter.Get(sess)
			counter.Set(sess, n+1)
			return nil
		})
		if err != nil {
			m.Error(w, r, err)
		}
	})
	return mux
}

func (s *site) request(tb testing.TB, node int, method, path string, cookie *http.Cookie) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.WithoutCancel(tb.Context()), method, "https://app.example"+path, http.NoBody)
	if cookie != nil {
		r.AddCookie(cookie)
	}
	w := httptest.NewRecorder()
	s.nodes[node].ServeHTTP(w, r)
	return w
}

// get returns the answer to a GET that must succeed.
func (s *site) get(tb testing.TB, node int, path string, cookie *http.Cookie) string {
	tb.Helper()
	w := s.request(tb, node, http.MethodGet, path, cookie)
	if w.Code != http.StatusOK {
		tb.Fatalf("GET %s: %d %s", path, w.Code, w.Body)
	}
	return w.Body.String()
}

// post makes a POST that must succeed, and returns the cookie that the browser has then.
func (s *site) post(tb testing.TB, node int, path string, cookie *http.Cookie) *http.Cookie {
	tb.Helper()
	w := s.request(tb, node, http.MethodPost, path, cookie)
	if w.Code != http.StatusOK {
		tb.Fatalf("POST %s: %d %s", path, w.Code, w.Body)
	}
	for _, c := range w.Result().Cookies() {
		cookie = c
	}
	return cookie
}
