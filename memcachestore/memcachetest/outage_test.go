package memcachetest

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/memcachestore"
)

// A server that is killed: 503 while it is away, for its sessions only, and no cookie is
// touched. When it is back, its visitors are signed out, nobody is who he was not, and
// all goes on without a restart of the application. With Open nothing fails then: the
// connections that died are noticed before anything is sent.
func TestServerIsKilledAndStartedAgain(t *testing.T) {
	p := placeOn(ownServer(t), ownServer(t))
	store := p.store(t)
	site := newSite(t, store)

	// Visitors of both servers, and a pool of connections to them.
	type visitor struct {
		cookie *http.Cookie
		server int
	}
	var visitors []visitor
	var counts [2]int
	for range 40 {
		before := [2]int{p.items(t, 0), p.items(t, 1)}
		v := visitor{cookie: site.post(t, 0, "/n/7", nil)}
		if p.items(t, 1) > before[1] {
			v.server = 1
		}
		counts[v.server]++
		visitors = append(visitors, v)
	}
	if counts[0] == 0 || counts[1] == 0 {
		t.Fatalf("all sessions are on one server: %v", counts)
	}
	fill := make(chan struct{})
	for range 20 {
		go func() {
			site.request(t, 0, http.MethodGet, "/n", visitors[0].cookie)
			site.request(t, 0, http.MethodGet, "/n", visitors[1].cookie)
			fill <- struct{}{}
		}()
	}
	for range 20 {
		<-fill
	}

	p.servers[1].Kill()
	for _, v := range visitors {
		for _, path := range []string{"GET /n", "POST /n/8", "POST /logout"} {
			method, path, _ := strings.Cut(path, " ")
			if v.server == 0 && method == http.MethodPost {
				continue
			}
			w := site.request(t, 0, method, path, v.cookie)
			switch {
			case v.server == 0 && (w.Code != http.StatusOK || w.Body.String() != "7"):
				t.Errorf("a visitor of the server that runs: %d %s", w.Code, w.Body)
			case v.server == 1 && w.Code != http.StatusServiceUnavailable:
				t.Errorf("a visitor of the server that was killed: %s %s: %d %s", method, path, w.Code, w.Body)
			case v.server == 1 && len(w.Result().Cookies()) != 0:
				t.Errorf("it sends a cookie: %v", w.Result().Cookies())
			}
		}
	}
	err := store.Ping(t.Context())
	if err == nil || !strings.Contains(err.Error(), p.servers[1].Addr) || !strings.Contains(err.Error(), "check that memcached runs") {
		t.Errorf("Ping: %v", err)
	}

	if err := p.servers[1].Again(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := store.Ping(t.Context()); err != nil {
		t.Errorf("Ping after it was started again: %v", err)
	}
	for _, v := range visitors {
		want := "7"
		if v.server == 1 {
			want = "none"
		}
		if got := site.get(t, 0, "/n", v.cookie); got != want {
			t.Errorf("server %d: n is %s, want %s", v.server, got, want)
		}
	}
	for range 40 { // new sessions, on both, at once
		cookie := site.post(t, 0, "/n/9", nil)
		if got := site.get(t, 0, "/n", cookie); got != "9" {
			t.Errorf("n is %s", got)
		}
	}
}

// items is how many items a server holds.
func (p *place) items(tb testing.TB, server int) int {
	tb.Helper()
	stats, err := p.servers[server].Stats(tb.Context(), "stats")
	if err != nil {
		tb.Fatal(err)
	}
	n := 0
	for _, c := range stats["curr_items"] {
		n = n*10 + int(c-'0')
	}
	return n
}

// With the application's own client a dead connection shows when it is used. Reads pass
// over as many as there can be, and so do changes and deletes; of a new session nobody
// knows then, and the next one is well.
func TestRestartWithTheApplicationsClient(t *testing.T) {
	m := ownServer(t)
	client := memcache.New(m.Addr)
	client.MaxIdleConns, client.Timeout = 8, 30*time.Second
	s, err := memcachestore.New(client, &memcachestore.Options{Generation: "1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, call := range []struct {
		what string
		do   func() error
		want error
	}{
		{"Load", func() error { _, err := s.Load(t.Context(), unique("key")); return err }, beaker.ErrNotFound},
		{"Delete", func() error { return s.Delete(t.Context(), unique("key")) }, nil},
		{"Apply", func() error {
			_, err := s.Apply(t.Context(), unique("key"), &beaker.Change{Now: epoch, AnyProof: true, Set: values("k", "v")})
			return err
		}, beaker.ErrNotFound},
		{"RevokeSubject", func() error { _, err := s.RevokeSubject(t.Context(), "user", epoch); return err }, nil},
		{"Ping", func() error { return s.Ping(t.Context()) }, nil},
		{"Create", func() error { return s.Create(t.Context(), newRecord(t, newMeta())) }, beaker.ErrUncertain},
		{"Create again", func() error { return s.Create(t.Context(), newRecord(t, newMeta())) }, nil},
	} {
		if call.what != "Create again" {
			fillPool(t, s, 8)
			m.Kill()
			if err := m.Again(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := call.do(); !errors.Is(err, call.want) || (err == nil) != (call.want == nil) {
			t.Errorf("%s after a restart: %v, want %v", call.what, err, call.want)
		}
	}
}

// With Open all connections may have died while they were idle, and no call fails.
func TestRestartFailsNothingWithOpen(t *testing.T) {
	m := ownServer(t)
	p := placeOn(m)
	s := p.store(t)
	for _, call := range []struct {
		what string
		do   func() error
		want error
	}{
		{"Create", func() error { return s.Create(t.Context(), newRecord(t, newMeta())) }, nil},
		{"Create with a subject", func() error { return s.Create(t.Context(), newRecord(t, metaOf("user"))) }, nil},
		{"Load", func() error { _, err := s.Load(t.Context(), unique("key")); return err }, beaker.ErrNotFound},
		{"Delete", func() error { return s.Delete(t.Context(), unique("key")) }, nil},
		{"RevokeSubject", func() error { _, err := s.RevokeSubject(t.Context(), "user", epoch); return err }, nil},
	} {
		fillPool(t, s, 8)
		m.Kill()
		if err := m.Again(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := call.do(); !errors.Is(err, call.want) || (err == nil) != (call.want == nil) {
			t.Errorf("%s after a restart: %v, want %v", call.what, err, call.want)
		}
	}
}

// fillPool makes n connections and leaves them idle.
func fillPool(t *testing.T, s *memcachestore.Store, n int) {
	t.Helper()
	done := make(chan error)
	for range n {
		go func() {
			for range 20 {
				if _, err := s.Load(t.Context(), beaker.RecordKey{1}); !errors.Is(err, beaker.ErrNotFound) {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range n {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

// A write that meets a server which has come back empty finds no session, and makes none.
func TestWriteAcrossARestart(t *testing.T) {
	m := ownServer(t)
	p := placeOn(m)
	s := p.store(t)
	rec := created(t, s, newMeta(), "k", "v")
	user := created(t, s, metaOf("user"), "k", "v")
	base, userBase := loaded(t, s, rec.Key()), loaded(t, s, user.Key())
	m.Kill()
	for _, b := range []*beaker.Record{base, userBase} {
		_, err := s.Apply(t.Context(), b.Key(), setting(b, "k", "w"))
		if err == nil || errors.Is(err, beaker.ErrNotFound) || errors.Is(err, beaker.ErrUncertain) {
			t.Errorf("Apply while it is away: %v, want an error that says that nothing was done", err)
		}
	}
	if err := m.Again(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 100 { // so that cas ids of before are given out once more
		created(t, s, newMeta())
	}
	for _, b := range []*beaker.Record{base, userBase} {
		if _, err := s.Apply(t.Context(), b.Key(), setting(b, "k", "w")); !errors.Is(err, beaker.ErrNotFound) {
			t.Errorf("Apply after the restart: %v, want ErrNotFound", err)
		}
		absent(t, s, b.Key(), "after the restart")
	}
}

// Something that takes connections and closes them, as a proxy does whose servers are
// away, is not asked over and over.
func TestServerThatClosesConnectionsIsNotAttacked(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // accepting ends with it
	var accepted atomic.Int64
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			_ = c.Close()
		}
	}()
	s, err := memcachestore.Open([]string{l.Addr().String()}, &memcachestore.Options{Generation: "1", Timeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for what, do := range map[string]func() error{
		"Load":   func() error { _, err := s.Load(t.Context(), unique("key")); return err },
		"Delete": func() error { return s.Delete(t.Context(), unique("key")) },
		"Create": func() error { return s.Create(t.Context(), newRecord(t, newMeta())) },
	} {
		accepted.Store(0)
		if err := do(); err == nil || errors.Is(err, beaker.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
		if n := accepted.Load(); n > 6 {
			t.Errorf("%s made %d connections, want a few", what, n)
		}
	}
}
