package memcachetest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/memcachestore"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

// eachPair races a call of this process with one of another process, each pair on a
// session of its own. Both have read it, both calls have begun, and neither has sent its
// first command, when both are let go. judge looks at what came out.
func eachPair(t *testing.T, meta func() beaker.Meta, mine, theirs string, judge func(s *memcachestore.Store, rec *beaker.Record, mine, theirs string)) {
	t.Helper()
	p := newPlace(t)
	s, w := p.watched(t)
	c := p.child(t, "")
	n := 500
	if soak() {
		n = 10_000
	}
	outcomes := map[string]int{}
	for i := range n {
		rec := created(t, s, meta(), "k", "v")
		call, err := callOf(s, mine, rec.Key())
		if err != nil {
			t.Fatal(err)
		}
		c.tell(theirs, rec.Key())
		met := false
		w.on(onFirst(func() {
			if got := c.answer(); got != "there" {
				t.Errorf("the child says %q", got)
				return
			}
			met = true
			// In turn one of them is a little earlier: they are most often less apart than a
			// command takes, and both orders happen.
			moment := time.Now().Add(150 * time.Microsecond).UnixNano()
			c.tell(moment + int64(i%41-20)*5_000)
			spinUntil(moment)
		}))
		how := outcome(call())
		w.on(nil)
		if !met {
			t.Fatalf("the calls of pair %d did not meet", i)
		}
		howTheirs := c.answer()
		outcomes[how+" and "+howTheirs]++
		judge(s, rec, how, howTheirs)
		if t.Failed() {
			t.Fatalf("in pair %d", i)
		}
	}
	t.Logf("report: %s and %s: %d pairs, all of them overlapping: %v", mine, theirs, n, outcomes)
}

// signedIn is a session of the subject that callOf revokes.
func signedIn() beaker.Meta {
	m := newMeta()
	m.Subject, m.AuthenticatedAt = subjectOf(m.Key), epoch
	return m
}

func TestPairsOfWritesLoseNothing(t *testing.T) {
	eachPair(t, newMeta, "mine", "theirs", func(s *memcachestore.Store, rec *beaker.Record, mine, theirs string) {
		got := loaded(t, s, rec.Key())
		if mine != "ok" || theirs != "ok" || value(got, "mine") != "1" || value(got, "theirs") != "1" || value(got, "k") != "v" || got.Version() != 3 {
			t.Errorf("%s and %s: mine %s, theirs %s, version %d", mine, theirs, value(got, "mine"), value(got, "theirs"), got.Version())
		}
	})
}

func TestPairsOfWriteAndTouchLoseNothing(t *testing.T) {
	eachPair(t, newMeta, "mine", "touch", func(s *memcachestore.Store, rec *beaker.Record, mine, theirs string) {
		got := loaded(t, s, rec.Key())
		if mine != "ok" || theirs != "ok" || value(got, "mine") != "1" || got.Version() != 2 || got.Touched() != epoch+1000 {
			t.Errorf("%s and %s: mine %s, version %d, touched %d", mine, theirs, value(got, "mine"), got.Version(), got.Touched()-epoch)
		}
	})
}

func TestPairsOfWriteAndDeleteReviveNothing(t *testing.T) {
	eachPair(t, newMeta, "mine", "delete", func(s *memcachestore.Store, rec *beaker.Record, mine, theirs string) {
		if mine != "ok" && mine != "ErrNotFound" || theirs != "ok" {
			t.Errorf("Apply: %s; Delete: %s", mine, theirs)
		}
		absent(t, s, rec.Key(), "after Delete")
	})
}

func TestPairsOfWriteAndRotationLeaveNoOldProof(t *testing.T) {
	eachPair(t, newMeta, "mine", "rotate", func(s *memcachestore.Store, rec *beaker.Record, mine, theirs string) {
		got := loaded(t, s, rec.Key())
		if theirs != "ok" || (mine == "ok") != (value(got, "mine") == "1") || mine != "ok" && mine != "ErrNotFound" {
			t.Errorf("write: %s, mine is %s; rotation: %s", mine, value(got, "mine"), theirs)
		}
		if _, err := s.Apply(t.Context(), rec.Key(), setting(rec, "mine", "late")); !errors.Is(err, beaker.ErrNotFound) {
			t.Errorf("a write with the old proof: %v", err)
		}
	})
}

func TestPairsOfRotationsHaveOneWinner(t *testing.T) {
	eachPair(t, newMeta, "rotate", "rotate", func(s *memcachestore.Store, rec *beaker.Record, mine, theirs string) {
		if mine == theirs || mine != "ok" && mine != "ErrNotFound" || theirs != "ok" && theirs != "ErrNotFound" {
			t.Errorf("rotations: %s and %s", mine, theirs)
		}
		if got := loaded(t, s, rec.Key()); got.Version() != 2 {
			t.Errorf("version %d after two rotations that race, want 2", got.Version())
		}
	})
}

func TestPairsOfLateSignInAndRevocation(t *testing.T) {
	eachPair(t, newMeta, "login", "revoke", func(s *memcachestore.Store, rec *beaker.Record, mine, theirs string) {
		if mine != "ok" && mine != "ErrRevoked" || theirs != "ok" {
			t.Errorf("sign-in: %s; revocation: %s", mine, theirs)
		}
		absent(t, s, rec.Key(), "after a revocation and a sign-in that began before it")
	})
}

func TestPairsOfWriteAndRevocation(t *testing.T) {
	eachPair(t, signedIn, "mine", "revoke", func(s *memcachestore.Store, rec *beaker.Record, mine, theirs string) {
		if mine != "ok" && mine != "ErrNotFound" || theirs != "ok" {
			t.Errorf("write: %s; revocation: %s", mine, theirs)
		}
		absent(t, s, rec.Key(), "after the revocation")
	})
}

// Counts by Manager.Update are exact, with two processes that count at once, and with two
// managers in one of them.
func TestUpdatesOfTwoNodesCountExactly(t *testing.T) {
	p := newPlace(t)
	a, _ := p.watched(t)
	b, _ := p.watched(t)
	site := newSite(t, a, b)
	cookie := site.post(t, 0, "/n/0", nil)
	const each = 4
	per := 25
	if soak() {
		per = 1000
	}
	c := p.child(t, site.secret)
	theirs := each * per
	c.tell("count", theirs, cookie.Value)
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
	runs, err := strconv.ParseInt(c.answer(), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := site.get(t, 0, "/n", cookie), strconv.Itoa(2*each*per+theirs); got != want {
		t.Errorf("the count is %s, want %s", got, want)
	}
	t.Logf("report: %d updates by two processes, %d runs of the function", 2*each*per+theirs, site.runs.Load()+runs)
	if runs == int64(theirs) && site.runs.Load() == int64(2*each*per) {
		t.Error("nobody ever met anybody: this shows nothing")
	}
}

// What becomes of the commands of an Update: the count stands between what was
// acknowledged and that plus what is uncertain, and the function is not run again for a
// request of which nobody knows whether it was done.
func TestUpdateWithCommandsThatAreLost(t *testing.T) {
	p := newPlace(t)
	store, w := p.watched(t)
	site := newSite(t, store)
	cookie := site.post(t, 0, "/n/0", nil)
	rounds := 20
	if soak() {
		rounds = 1000
	}
	var acked, uncertain, failed, late int
	seen := map[string]int{}
	one := func(f fate, lasting bool, what string) {
		t.Helper()
		lost := false
		w.on(func(command string) fate {
			if lost && !lasting || !lost && !strings.HasPrefix(command, "cas ") {
				return goes
			}
			lost = true
			return f
		})
		before := site.runs.Load()
		r := site.request(t, 0, http.MethodPost, "/count", cookie)
		runs := site.runs.Load() - before
		w.on(nil)
		late += w.deliver() // what the network has held back comes now
		if runs != 1 {
			t.Errorf("%s: the function was run %d times, with nobody else there", what, runs)
		}
		switch {
		case r.Code == http.StatusOK:
			acked++
		case r.Header().Get("Uncertain") == "true":
			uncertain++
		default:
			failed++
		}
		if r.Code != http.StatusOK && (r.Code != http.StatusServiceUnavailable || r.Header().Get("Retry-After") == "" || len(r.Result().Cookies()) != 0) {
			t.Errorf("%s: %d, Retry-After %q, cookies %v; want 503 with Retry-After and without a cookie", what, r.Code, r.Header().Get("Retry-After"), r.Result().Cookies())
		}
		seen[fmt.Sprintf("%s: %d", what, r.Code)]++
	}
	for range rounds {
		one(goes, false, "nothing is lost")
		for f, name := range map[fate]string{
			answerLost: "the answer is lost", answerLate: "the answer is late", neverSent: "the write is lost", sentLater: "the write is late",
		} {
			one(f, false, name)
			one(f, true, name+", and so is what follows")
		}
		n, err := strconv.Atoi(site.get(t, 0, "/n", cookie))
		if err != nil {
			t.Fatal(err)
		}
		if n < acked || n > acked+uncertain {
			t.Fatalf("counted %d, acknowledged %d, uncertain %d: %v", n, acked, uncertain, seen)
		}
		if n == acked || n == acked+uncertain {
			t.Errorf("counted %d, acknowledged %d, uncertain %d: of the uncertain ones all were done, or none: that shows too little", n, acked, uncertain)
		}
	}
	t.Logf("report: counted %s, acknowledged %d, uncertain %d, failed %d; %d commands came late: %v", site.get(t, 0, "/n", cookie), acked, uncertain, failed, late, seen)
	if late == 0 || failed > 0 {
		t.Errorf("%d commands came late, %d updates failed that sent something", late, failed)
	}
}

// site is a small application on one or more nodes.
type site struct {
	nodes []http.Handler
	runs  atomic.Int64 // of functions given to Update
	mgrs  []*beaker.Manager

	secret string
}

const cookieName = "__Host-session"

var counter = beaker.NewKey[int]("n")

func newSite(tb testing.TB, stores ...beaker.Store) *site {
	tb.Helper()
	s := &site{secret: beaker.NewSecret()}
	for _, store := range stores {
		done, err := s.add(store, s.secret)
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() {
			if err := done(); err != nil {
				tb.Error(err)
			}
		})
	}
	return s
}

// add adds a node, which done takes away.
func (s *site) add(store beaker.Store, secret string) (done func() error, err error) {
	secrets, err := beaker.ParseSecrets(secret)
	if err != nil {
		return nil, err
	}
	m, err := beaker.New(beaker.Config{Store: store, Secrets: secrets, StoreTimeout: time.Minute, Observer: &sessiontest.Events{}})
	if err != nil {
		return nil, err
	}
	s.mgrs = append(s.mgrs, m)
	s.nodes = append(s.nodes, m.Wrap(s.handler(m)))
	return m.Close, nil
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
			w.Header().Set("Uncertain", strconv.FormatBool(errors.Is(err, beaker.ErrUncertain)))
			m.Error(w, r, err)
		}
	})
	return mux
}

func (s *site) request(tb testing.TB, node int, method, path string, cookie *http.Cookie) *httptest.ResponseRecorder {
	return s.ask(context.WithoutCancel(tb.Context()), node, method, path, cookie)
}

func (s *site) ask(ctx context.Context, node int, method, path string, cookie *http.Cookie) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, method, "https://app.example"+path, http.NoBody)
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
