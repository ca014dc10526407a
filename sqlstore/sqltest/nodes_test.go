package sqltest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	servers "github.com/seed12c5fab1/beaker/internal/engines"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

// A node is what an application runs: a web server with a manager, on a store. Here
// two of them, in two processes, count in one session while something is killed.

// node serves sessions in a database: PUT /name sets a value, POST /name adds one to
// that number and to the number "n", GET / tells whether there is a session.
func node(s *sqlstore.Store, secrets string) (http.Handler, func() error, error) {
	parsed, err := beaker.ParseSecrets(secrets)
	if err != nil {
		return nil, nil, err
	}
	m, err := beaker.New(beaker.Config{
		Store: s, Secrets: parsed, PurgeInterval: -1,
		Observer: beaker.ObserverFunc(func(context.Context, beaker.Event) {}), // a server that is down is no news here
	})
	if err != nil {
		return nil, nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		session, err := m.Get(r.Context())
		if err != nil {
			m.Error(w, r, err)
			return
		}
		fmt.Fprint(w, session.IsNew())
	})
	mux.HandleFunc("PUT /{name}", func(w http.ResponseWriter, r *http.Request) {
		session, err := m.Get(r.Context())
		if err != nil {
			m.Error(w, r, err)
			return
		}
		session.Set(r.PathValue("name"), 0)
	})
	mux.HandleFunc("POST /{name}", func(w http.ResponseWriter, r *http.Request) {
		err := m.Update(r.Context(), func(session *beaker.Session) error {
			if session.IsNew() {
				return errors.New("the session is gone")
			}
			for _, key := range []beaker.Key[int]{beaker.NewKey[int](r.PathValue("name")), all} {
				n, _ := key.Get(session)
				key.Set(session, n+1)
			}
			return nil
		})
		if err != nil {
			m.Error(w, r, err)
		}
	})
	return m.Wrap(mux), m.Close, nil
}

var all = beaker.NewKey[int]("n")

// serveNode is the child process that is a node: it serves on an address until it is
// killed, or its standard input ends.
func serveNode(s *sqlstore.Store, addr, secrets string) error {
	h, stop, err := node(s, secrets)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	fmt.Println(l.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // until the parent is gone
		_ = srv.Close()
	}()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return stop()
}

// user sends requests with the cookie of one session.
type user struct {
	client *http.Client
	cookie string
}

// do returns the status of an answer, and an error if it is not as it must be.
func (u *user) do(ctx context.Context, method, url string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, http.NoBody)
	if err != nil {
		return 0, err
	}
	if u.cookie != "" {
		req.Header.Set("Cookie", u.cookie)
	}
	res, err := u.client.Do(req)
	if err != nil {
		return 0, nil // the node is down, which is no answer
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, nil // the node went down
	}
	set := res.Header.Get("Set-Cookie")
	if u.cookie == "" {
		u.cookie, _, _ = strings.Cut(set, ";")
		set = ""
	}
	switch {
	case set != "":
		return res.StatusCode, fmt.Errorf("%s %d with a cookie: the session was taken for gone", method, res.StatusCode)
	case res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") == "":
		return res.StatusCode, errors.New("503 without Retry-After")
	case res.StatusCode != http.StatusOK && res.StatusCode != http.StatusServiceUnavailable:
		return res.StatusCode, fmt.Errorf("%s: %d %.100s", method, res.StatusCode, body)
	case method == http.MethodGet && res.StatusCode == http.StatusOK && string(body) != "false":
		return res.StatusCode, errors.New("the session is not found")
	}
	return res.StatusCode, nil
}

// tally counts answers, and wakes those who wait for some.
type tally struct {
	mu     sync.Mutex
	change *sync.Cond
	ok     map[string]int // counted and acknowledged, for each worker
	failed map[string]int // 503 or no answer: counted or not
}

func newTally() *tally {
	c := &tally{ok: map[string]int{}, failed: map[string]int{}}
	c.change = sync.NewCond(&c.mu)
	return c
}

func (c *tally) add(worker string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ok {
		c.ok[worker]++
	} else {
		c.failed[worker]++
	}
	c.change.Broadcast()
}

// wait waits until each of the workers has more answers of a kind, by n.
func (c *tally) wait(t *testing.T, what string, counts map[string]int, n int, workers ...string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	stop := time.AfterFunc(2*time.Minute, func() {
		t.Errorf("waited too long for %d times %q of %v", n, what, workers)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.change.Broadcast()
	})
	defer stop.Stop()
	for _, worker := range workers {
		for want := counts[worker] + n; counts[worker] < want; c.change.Wait() {
			if t.Failed() {
				t.FailNow()
			}
		}
	}
}

// Two nodes, one session, and kill -9 in the middle: of the database's server or, where
// there is none, of a node. Meanwhile requests are answered 503; afterwards both nodes
// go on by themselves. Every count that was acknowledged is there, and none is there
// that was not asked for.
func TestKilledInTheMiddle(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		var server interface {
			Kill()
			Again(context.Context) error
		}
		if e.server != nil {
			srv := own(t, e, servers.DatabaseOptions{})
			server = srv
			e.dsn = func(testing.TB) string { return srv.DSN }
		}
		p := newPlace(t, e)
		secrets := beaker.NewSecret()
		h, stop, err := node(p.store(t), secrets)
		if err != nil {
			t.Fatal(err)
		}
		here, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
		go func() { _ = srv.Serve(here) }() // until Close
		t.Cleanup(func() {
			if err := errors.Join(srv.Close(), stop()); err != nil {
				t.Error(err)
			}
		})
		there := p.child(t, "node 127.0.0.1:0 "+secrets)
		addr := there.answer()

		first := &user{client: &http.Client{}}
		nodes := []string{"http://" + here.Addr().String(), "http://" + addr}
		if status, err := first.do(t.Context(), http.MethodPut, nodes[0]+"/n"); status != http.StatusOK || err != nil {
			t.Fatalf("no session: %d, %v", status, err)
		}
		counts := newTally()
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		var workers [2][]string // of each node
		for i, url := range nodes {
			for w := range 3 {
				name := fmt.Sprintf("node%d-%d", i, w)
				workers[i] = append(workers[i], name)
				u := &user{&http.Client{Transport: &http.Transport{}}, first.cookie}
				wg.Go(func() {
					for ctx.Err() == nil {
						status, err := u.do(context.WithoutCancel(ctx), http.MethodPost, url+"/"+name)
						if err != nil {
							t.Errorf("%s: %v", name, err)
						}
						counts.add(name, status == http.StatusOK)
						if status, err := u.do(context.WithoutCancel(ctx), http.MethodGet, url+"/"); err != nil {
							t.Errorf("%s: %d, %v", name, status, err)
						}
						if t.Failed() {
							return
						}
					}
				})
			}
		}
		everybody := append(workers[0], workers[1]...)
		kills := 1
		if soak() {
			kills = 20
		}
		for range kills {
			counts.wait(t, "ok", counts.ok, 5, everybody...)
			if server != nil {
				server.Kill()
				counts.wait(t, "503", counts.failed, 2, everybody...)
				if err := server.Again(t.Context()); err != nil {
					t.Fatal(err)
				}
			} else {
				there.kill()
				counts.wait(t, "no answer", counts.failed, 2, workers[1]...)
				counts.wait(t, "ok at the other node", counts.ok, 5, workers[0]...)
				there = p.child(t, "node "+addr+" "+secrets)
				there.answer()
			}
			counts.wait(t, "ok again", counts.ok, 5, everybody...)
		}
		cancel()
		wg.Wait()

		rec := onlyRecord(t, p)
		sum := 0
		for _, name := range everybody {
			n, ok, failed := number(rec, name), counts.ok[name], counts.failed[name]
			if n < ok || n > ok+failed {
				t.Errorf("%s: counted %d, acknowledged %d, without an answer that says so %d", name, n, ok, failed)
			}
			if server == nil && strings.HasPrefix(name, "node0") && failed > 0 {
				t.Errorf("%s: %d requests failed when the other node was killed", name, failed)
			}
			t.Logf("report: %s: counted %d, acknowledged %d, without an answer that says so %d", name, n, ok, failed)
			sum += n
		}
		if n := number(rec, all.Name()); n != sum {
			t.Errorf("together they counted %d, and the number that all of them count is %d", sum, n)
		}
	})
}

// onlyRecord returns what is in a table with one session.
func onlyRecord(t *testing.T, p *place) *beaker.Record {
	t.Helper()
	page, _, err := p.store(t).List(t.Context(), beaker.ListQuery{})
	if err != nil || len(page) != 1 {
		t.Fatalf("%d sessions, %v; want 1", len(page), err)
	}
	return page[0]
}

// number returns a number in a session as the codec of a manager writes it.
func number(rec *beaker.Record, name string) int {
	text, ok := rec.Lookup(name)
	if !ok {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return n
}
