package redistest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/internal/engines"
	"github.com/seed12c5fab1/beaker/redisstore"
)

// refusal is a state of a server in which it refuses to do things.
type refusal struct {
	name string
	// begin brings the server into it, and returns what undoes that.
	begin func(t *testing.T, s *site) (undo func())
	// says is part of the error's text: what an operator would search for.
	says string
	// works are the calls that are done all the same, and must be.
	works []string
	// closes is where all connections are closed.
	closes bool
	// vague is where new ones are closed before they say why.
	vague bool
}

// tell sends the server a command that must succeed.
func (s *site) tell(tb testing.TB, args ...string) any {
	tb.Helper()
	v, err := s.nodes[0].Do(context.WithoutCancel(tb.Context()), args...)
	if err != nil {
		tb.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
	return v
}

var (
	allCalls = []string{
		"Create", "Create with a subject", "Load", "Apply", "Apply of a touch", "Apply of a rotation", "Apply of a sign-in",
		"Delete", "Delete with a subject", "RevokeSubject", "List", "List of all", "Purge",
	}
	readingCalls = []string{"Load", "List", "List of all"}
	nothing      []string
)

var refusals = []refusal{
	// Whoever logs out, or is logged out, is, and a session that is used lives on.
	{"memory is full, and nothing may be evicted", func(t *testing.T, s *site) func() {
		s.tell(t, "CONFIG", "SET", "maxmemory-policy", "noeviction")
		s.tell(t, "CONFIG", "SET", "maxmemory", "1")
		return func() { s.tell(t, "CONFIG", "SET", "maxmemory", "0") }
	}, "OOM", []string{"Load", "Apply of a touch", "Delete", "Delete with a subject", "RevokeSubject", "List", "List of all", "Purge"}, false, false},

	{"the server has become a replica", func(t *testing.T, s *site) func() {
		s.tell(t, "REPLICAOF", "127.0.0.1", "1")
		return func() { s.tell(t, "REPLICAOF", "NO", "ONE") }
	}, "READONLY", readingCalls, false, false},

	{"a replica that has lost its master and serves nothing", func(t *testing.T, s *site) func() {
		s.tell(t, "CONFIG", "SET", "replica-serve-stale-data", "no")
		s.tell(t, "REPLICAOF", "127.0.0.1", "1")
		return func() {
			s.tell(t, "REPLICAOF", "NO", "ONE")
			s.tell(t, "CONFIG", "SET", "replica-serve-stale-data", "yes")
		}
	}, "MASTERDOWN", nothing, false, false},

	{"there are fewer replicas than the server insists on", func(t *testing.T, s *site) func() {
		s.tell(t, "CONFIG", "SET", "min-replicas-to-write", "1")
		return func() { s.tell(t, "CONFIG", "SET", "min-replicas-to-write", "0") }
	}, "NOREPLICAS", readingCalls, false, false},

	{"the server cannot save its data, and so takes none", func(t *testing.T, s *site) func() {
		dir, err := os.MkdirTemp("", "redistest") //nolint:usetesting // it is removed below
		if err != nil {
			t.Fatal(err)
		}
		s.tell(t, "CONFIG", "SET", "dir", dir)
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
		s.tell(t, "CONFIG", "SET", "save", "100000 100000")
		s.tell(t, "BGSAVE")
		until(t, "a save that fails", func() bool {
			status, err := s.nodes[0].Info(t.Context(), "rdb_last_bgsave_status")
			return err == nil && status == "err"
		})
		return func() { s.tell(t, "CONFIG", "SET", "save", "") }
	}, "MISCONF", readingCalls, false, false},

	{"a script of somebody else runs and runs", func(t *testing.T, s *site) func() {
		s.tell(t, "CONFIG", "SET", "busy-reply-threshold", "1")
		c, err := engines.DialRedis(t.Context(), s.nodes[0].Addr)
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = c.Do(context.WithoutCancel(t.Context()), "EVAL", "while true do end", "0") // it is killed
		}()
		until(t, "a busy server", func() bool {
			_, err := s.nodes[0].Do(t.Context(), "PING")
			return err != nil && strings.HasPrefix(err.Error(), "BUSY")
		})
		return func() {
			s.tell(t, "SCRIPT", "KILL")
			<-ended
			_ = c.Close()
		}
	}, "BUSY", nothing, false, false},

	{"the server is loading its data", func(t *testing.T, s *site) func() {
		s.tell(t, "DEBUG", "POPULATE", "20000", "filler", "10")
		s.tell(t, "CONFIG", "SET", "loading-process-events-interval-bytes", "1024")
		s.tell(t, "CONFIG", "SET", "key-load-delay", "1000")
		c, err := engines.DialRedis(t.Context(), s.nodes[0].Addr)
		if err != nil {
			t.Fatal(err)
		}
		loaded := make(chan struct{})
		go func() {
			defer close(loaded)
			_, _ = c.Do(context.WithoutCancel(t.Context()), "DEBUG", "RELOAD") // what it says shows
		}()
		until(t, "a server that loads", func() bool {
			_, err := s.nodes[0].Do(t.Context(), "PING")
			return err != nil && strings.HasPrefix(err.Error(), "LOADING")
		})
		return func() {
			s.tell(t, "CONFIG", "SET", "key-load-delay", "0")
			<-loaded
			_ = c.Close()
			s.tell(t, "EVAL", "for i=0,19999 do redis.call('DEL','filler:'..i) end", "0")
		}
	}, "LOADING", nothing, false, false},

	{"the user may not do that", func(t *testing.T, s *site) func() {
		s.tell(t, "ACL", "SETUSER", "default", "-@write", "-@scripting", "-@read")
		return func() { s.tell(t, "ACL", "SETUSER", "default", "+@all") }
	}, "NOPERM", nothing, false, false},

	{"the user has no such keys", func(t *testing.T, s *site) func() {
		s.tell(t, "ACL", "SETUSER", "default", "resetkeys", "~other:*")
		return func() { s.tell(t, "ACL", "SETUSER", "default", "allkeys") }
	}, "NOPERM", nothing, false, false},

	{"a password was set, and all connections were closed", func(t *testing.T, s *site) func() {
		s.tell(t, "CONFIG", "SET", "requirepass", "geheim")
		c, err := engines.DialRedis(t.Context(), s.nodes[0].Addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Do(t.Context(), "AUTH", "geheim"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Do(t.Context(), "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"); err != nil {
			t.Fatal(err)
		}
		return func() {
			if _, err := c.Do(context.WithoutCancel(t.Context()), "CONFIG", "SET", "requirepass", ""); err != nil {
				t.Fatal(err)
			}
			_ = c.Close()
		}
	}, "NOAUTH", nothing, true, false},

	{"there are too many clients", func(t *testing.T, s *site) func() {
		c, err := engines.DialRedis(t.Context(), s.nodes[0].Addr)
		if err != nil {
			t.Fatal(err)
		}
		for _, cmd := range [][]string{{"CONFIG", "SET", "maxclients", "1"}, {"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"}} {
			if _, err := c.Do(t.Context(), cmd...); err != nil {
				t.Fatal(err)
			}
		}
		return func() {
			if _, err := c.Do(context.WithoutCancel(t.Context()), "CONFIG", "SET", "maxclients", "1000"); err != nil {
				t.Fatal(err)
			}
			_ = c.Close()
		}
	}, "max number of clients", nothing, true, true},
}

// A server that refuses, whatever the reason, is an error that names the reason, is
// nobody's fault, and is over when the server's trouble is. What it refused it has not
// done; what it can do, above all ending sessions where memory is full, it does.
func TestServerRefuses(t *testing.T) {
	for _, r := range refusals {
		t.Run(r.name, func(t *testing.T) {
			s := ownSingle(t, "--enable-protected-configs", "yes")
			p := newPlace(t, s)
			store := p.store(t)
			a := newApp(t, func(c *beaker.Config) { c.StoreTimeout = time.Second }, store)
			b := a.browser()
			mustAsk(t, b, 0, "/login?who=fred")
			warm(t, store)

			type attempt struct {
				do   func(ctx context.Context) error
				rec  *beaker.Record // what it is about
				gone bool           // the record is not there before
			}
			attempts := map[string]attempt{}
			subject := func() string { return fmt.Sprintf("user-%x", unique("subject")) }
			add := func(name string, rec *beaker.Record, gone bool, do func(ctx context.Context, rec *beaker.Record) error) {
				attempts[name] = attempt{func(ctx context.Context) error { return do(ctx, rec) }, rec, gone}
			}
			create := func(ctx context.Context, rec *beaker.Record) error { return store.Create(ctx, rec) }
			apply := func(edit func(rec *beaker.Record) *beaker.Change) func(ctx context.Context, rec *beaker.Record) error {
				return func(ctx context.Context, rec *beaker.Record) error {
					_, err := store.Apply(ctx, rec.Key(), edit(rec))
					return err
				}
			}
			one := func() *beaker.Record { return created(t, store, newMeta(), "k", "v") }
			somebody := func() *beaker.Record { return created(t, store, metaOf(subject()), "k", "v") }
			del := func(ctx context.Context, rec *beaker.Record) error { return store.Delete(ctx, rec.Key()) }
			add("Create", newRecord(t, newMeta(), "k", "v"), true, create)
			add("Create with a subject", newRecord(t, metaOf(subject()), "k", "v"), true, create)
			add("Load", one(), false, func(ctx context.Context, rec *beaker.Record) error { _, err := store.Load(ctx, rec.Key()); return err })
			add("Apply", one(), false, apply(func(rec *beaker.Record) *beaker.Change { return setting(rec, "k", strings.Repeat("w", 1000)) }))
			add("Apply of a touch", one(), false, apply(func(rec *beaker.Record) *beaker.Change {
				ch := changeOf(rec)
				ch.Touch = ch.Now
				return ch
			}))
			add("Apply of a rotation", one(), false, apply(rotating))
			add("Apply of a sign-in", one(), false, apply(func(rec *beaker.Record) *beaker.Change { return signingIn(rec, subject()) }))
			add("Delete", one(), false, del)
			add("Delete with a subject", somebody(), false, del)
			add("RevokeSubject", somebody(), false, func(ctx context.Context, rec *beaker.Record) error {
				n, err := store.RevokeSubject(ctx, rec.Subject(), epoch+1000)
				if err == nil && n != 1 {
					t.Errorf("RevokeSubject ended %d sessions, want 1", n)
				}
				return err
			})
			add("List", somebody(), false, func(ctx context.Context, rec *beaker.Record) error {
				_, _, err := store.List(ctx, beaker.ListQuery{Subject: rec.Subject()})
				return err
			})
			add("List of all", one(), false, func(ctx context.Context, _ *beaker.Record) error {
				_, _, err := store.List(ctx, beaker.ListQuery{})
				return err
			})
			short := newMeta()
			short.Idle = time.Second
			add("Purge", created(t, store, short), false, func(ctx context.Context, _ *beaker.Record) error {
				n, err := store.Purge(ctx, epoch+5000, 10)
				if err == nil && n != 1 {
					t.Errorf("Purge removed %d sessions, want 1", n)
				}
				return err
			})

			undo := r.begin(t, s)
			if r.closes {
				until(t, "the client has noticed", func() bool {
					ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
					defer cancel()
					_, err := store.Load(ctx, unique("nothing"))
					return err != nil && !errors.Is(err, beaker.ErrNotFound) && (r.vague || strings.Contains(err.Error(), r.says))
				})
			}
			errs := map[string]error{}
			for _, name := range allCalls {
				ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
				errs[name] = attempts[name].do(ctx)
				cancel()
			}
			refused := ask(b, 0, "/set?name=a&value=1")
			undo()

			for _, name := range allCalls {
				err, works := errs[name], slices.Contains(r.works, name)
				switch {
				case works && err != nil:
					t.Errorf("%s: %v; want it done", name, err)
				case works:
					continue
				case err == nil:
					t.Errorf("%s: no error", name)
					continue
				}
				for _, wrong := range []error{beaker.ErrNotFound, beaker.ErrExists, beaker.ErrConflict, beaker.ErrRevoked, beaker.ErrCorrupt, beaker.ErrUncertain, beaker.ErrClosed} {
					if errors.Is(err, wrong) && (!r.vague || !errors.Is(wrong, beaker.ErrUncertain)) {
						t.Errorf("%s: %v; it is %v", name, err, wrong)
					}
				}
				if again := errors.Is(err, context.DeadlineExceeded) && (slices.Contains(readingCalls, name) || name == "Purge"); !r.vague && !again && !strings.Contains(err.Error(), r.says) {
					// A read is repeated until its time is over, which is then all that is known.
					t.Errorf("%s: %v; want it to say %s", name, err, r.says)
				}
				at := attempts[name]
				for _, secret := range []string{at.rec.Key().String(), "user-", "geheim"} {
					if strings.Contains(err.Error(), secret) {
						t.Errorf("%s: the error shows %s: %v", name, secret, err)
					}
				}
				if status := beaker.StatusOf(err); status != http.StatusServiceUnavailable {
					t.Errorf("%s: status %d, want 503", name, status)
				}
			}
			wantUnavailable(t, refused)
			t.Logf("Load: %v", errs["Load"])
			t.Logf("Apply: %v", errs["Apply"])

			warm(t, store)
			for _, name := range allCalls {
				if at := attempts[name]; errs[name] != nil && !errors.Is(errs[name], beaker.ErrUncertain) {
					// A refused sign-in may have ended the session that it was for: it was not in
					// the index yet.
					got, err := store.Load(t.Context(), at.rec.Key())
					switch {
					case at.gone && !errors.Is(err, beaker.ErrNotFound):
						t.Errorf("%s was refused, and yet the record is there: %v", name, err)
					case !at.gone && err != nil:
						t.Errorf("%s was refused, and the record is gone: %v", name, err)
					case !at.gone && (got.Version() != 1 || got.Touched() != at.rec.Touched() || got.Meta().Proof != at.rec.Meta().Proof):
						t.Errorf("%s was refused, and the record has changed", name)
					}
				}
			}
			if r := mustAsk(t, b, 0, "/read"); r.Body != "fred 0" {
				t.Errorf("when the trouble is over: %q", r.Body)
			}
		})
	}
}

// What a server refuses when a store is opened is told at once, with the reason.
func TestServerRefusesAtOpen(t *testing.T) {
	s := ownSingle(t)
	addr := s.nodes[0].Addr
	away, err := engines.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	s.tell(t, "ACL", "SETUSER", "sessions", "on", ">right", "~*", "+@all")
	s.tell(t, "ACL", "SETUSER", "reader", "on", ">right", "~*", "+@read", "+@connection")
	s.tell(t, "ACL", "SETUSER", "default", "off")
	for _, c := range []struct{ name, url, says string }{
		{"nobody listens", fmt.Sprintf("redis://127.0.0.1:%d", away), "connection refused"},
		{"no password", "redis://" + addr, "NOAUTH"},
		{"a wrong password", "redis://sessions:wrong-" + "secret@" + addr, "WRONGPASS"},
		{"a user that may not write", "redis://reader:right@" + addr, "NOPERM"},
		{"not a URL", "redis://sessions:wrong-secret@[", "URL"},
		{"another scheme", "http://sessions:wrong-secret@" + addr, "redis://"},
	} {
		t.Run(c.name, func(t *testing.T) {
			store, err := redisstore.Open(t.Context(), c.url, &redisstore.Options{Logger: quiet})
			if err == nil {
				_ = store.Close()
				t.Fatal("no error")
			}
			t.Log(err)
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v; want it to say %s", err, c.says)
			}
			if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "right") {
				t.Errorf("the error shows a password: %v", err)
			}
		})
	}
	store, err := redisstore.Open(t.Context(), "redis://sessions:right@"+addr, &redisstore.Options{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	created(t, store, newMeta(), "k", "v")
	if err := store.Close(); err != nil {
		t.Error(err)
	}
}

// A key that is no session's: nothing of it is taken for a session, and it is left as it
// is until somebody deletes it.
func TestKeyOfAnotherType(t *testing.T) {
	s := ownSingle(t)
	p := newPlace(t, s)
	store := p.store(t)
	for _, make := range [][]string{
		{"SET", "", "text"}, {"RPUSH", "", "a", "b"}, {"SADD", "", "m"}, {"ZADD", "", "1", "m"}, {"XADD", "", "*", "m", "1"}, {"HSET", "", "m", "x"}, {"HSET", "", "other", "x"},
	} {
		t.Run(strings.Join(make, " "), func(t *testing.T) {
			rec := newRecord(t, newMeta(), "k", "v")
			make[1] = p.sessionKey(rec.Key())
			s.tell(t, make...)
			s.tell(t, "EXPIRE", make[1], "1000")
			before := s.tell(t, "DUMP", make[1])
			_, err := store.Load(t.Context(), rec.Key())
			if !errors.Is(err, beaker.ErrCorrupt) {
				t.Errorf("Load: %v, want ErrCorrupt", err)
			}
			if err := store.Create(t.Context(), rec); !errors.Is(err, beaker.ErrExists) {
				t.Errorf("Create: %v, want ErrExists", err)
			}
			if _, err := store.Apply(t.Context(), rec.Key(), setting(rec, "k", "w")); !errors.Is(err, beaker.ErrCorrupt) {
				t.Errorf("Apply: %v, want ErrCorrupt", err)
			}
			if _, err := store.Purge(t.Context(), epoch.Add(1000*hour), 100); err != nil {
				t.Errorf("Purge: %v", err)
			}
			if page, _, err := store.List(t.Context(), beaker.ListQuery{}); err != nil || len(page) != 0 {
				t.Errorf("List: %d sessions, %v", len(page), err)
			}
			if after := s.tell(t, "DUMP", make[1]); after != before {
				t.Error("what lay there was changed")
			}
			if err := store.Delete(t.Context(), rec.Key()); err != nil {
				t.Errorf("Delete: %v", err)
			}
			wantGone(t, store, rec.Key(), "after Delete")
		})
	}
	t.Run("an index that is none", func(t *testing.T) {
		s.tell(t, "SET", p.indexKey("fred"), "text", "EX", "1000")
		for name, err := range map[string]error{
			"Create":        store.Create(t.Context(), newRecord(t, metaOf("fred"))),
			"RevokeSubject": func() error { _, err := store.RevokeSubject(t.Context(), "fred", epoch); return err }(),
			"List":          func() error { _, _, err := store.List(t.Context(), beaker.ListQuery{Subject: "fred"}); return err }(),
		} {
			if err == nil || !strings.Contains(err.Error(), "WRONGTYPE") {
				t.Errorf("%s: %v, want it to say WRONGTYPE", name, err)
			}
		}
	})
}

// A client that is not told that it talks to a cluster gets words about that, and not
// "no such session".
func TestMovedWithoutClusterClient(t *testing.T) {
	s := cluster(t)
	p := newPlace(t, s)
	good := p.store(t)
	c := s.client(t, func(o *rueidis.ClientOption) { o.ForceSingleClient, o.InitAddress = true, s.addrs[:1] })
	lame, err := redisstore.New(t.Context(), c, &p.opts)
	if err != nil {
		if !strings.Contains(err.Error(), "cluster") {
			t.Errorf("New: %v; want it to speak of the cluster", err)
		}
		return
	}
	moved := 0
	for range 50 {
		rec := created(t, good, newMeta(), "k", "v")
		_, err := lame.Load(t.Context(), rec.Key())
		_, applyErr := lame.Apply(t.Context(), rec.Key(), setting(rec, "k", "w"))
		for _, err := range []error{err, applyErr} {
			if err == nil {
				continue
			}
			if moved++; !strings.Contains(err.Error(), "MOVED") || !strings.Contains(err.Error(), "cluster") || errors.Is(err, beaker.ErrNotFound) || errors.Is(err, beaker.ErrUncertain) {
				t.Errorf("%v; want it to say MOVED and to speak of the cluster", err)
			}
		}
	}
	if moved == 0 {
		t.Error("all sessions lie on one node: that shows nothing")
	}
}

// A server that has too many clients says so to a new one before it is asked anything,
// which rueidis takes for a bug in the protocol, and panics, if it has begun to read by
// then. redisstore.DialTCP is why this process goes on.
func TestTooManyClients(t *testing.T) {
	s := ownSingle(t)
	store := newPlace(t, s).store(t)
	c, err := engines.DialRedis(t.Context(), s.nodes[0].Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s.tell(t, "CONFIG", "SET", "maxclients", "1")
	refused := 0
	for range 20 {
		if _, err := c.Do(t.Context(), "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		for _, err := range []error{
			store.Delete(ctx, unique("nothing")),
			func() error { _, err := store.Load(ctx, unique("nothing")); return err }(),
		} {
			if err != nil && !errors.Is(err, beaker.ErrNotFound) {
				refused++
			}
		}
		cancel()
	}
	if refused < 20 {
		t.Errorf("only %d of 40 calls failed", refused)
	}
	if _, err := c.Do(t.Context(), "CONFIG", "SET", "maxclients", "1000"); err != nil {
		t.Fatal(err)
	}
	warm(t, store)
}
