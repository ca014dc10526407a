//go:build linux

package redisstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/redisstore"
)

func TestOpenUnderstandsURLs(t *testing.T) {
	socket := t.TempDir() + "/redis.sock"
	node := ownServer(t, "--unixsocket", socket)
	if _, err := node.Do(t.Context(), "CONFIG", "SET", "requirepass", "p@ss/w:rd%"); err != nil {
		t.Fatal(err)
	}
	port := strings.TrimPrefix(node.Addr, "127.0.0.1:")
	const password = "p%40ss%2Fw%3Ard%25"
	for _, url := range []string{
		"redis://:" + password + "@127.0.0.1:" + port,
		"redis://default:" + password + "@127.0.0.1:" + port + "/1",
		"redis://default:" + password + "@localhost:" + port + "?db=2&dial_timeout=1s&write_timeout=2s&client_name=test",
		"valkey://default:" + password + "@127.0.0.1:" + port + "/3",
		"unix://default:" + password + "@" + socket + "?db=4",
	} {
		for _, cached := range []bool{false, true} {
			s, err := redisstore.Open(t.Context(), url, &redisstore.Options{Cache: cached})
			if err != nil {
				t.Errorf("%s: %v", url, err)
				continue
			}
			rec := created(t, s, newMeta(), "k", "v")
			if got := all(t, s, beaker.ListQuery{}); len(got) != 1 || got[0].Key() != rec.Key() {
				t.Errorf("%s, cache %t: %d sessions are listed, want that of this database", url, cached, len(got))
			}
			if err := s.Delete(t.Context(), rec.Key()); err != nil {
				t.Error(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if err := s.Delete(t.Context(), rec.Key()); !errors.Is(err, beaker.ErrClosed) {
				t.Errorf("after Close: %v", err)
			}
		}
	}
}

const secret = "geheim"

// Whatever is wrong with a URL or behind it: the error says what to do, and not the
// password.
func TestOpenSaysWhatIsWrong(t *testing.T) {
	node := ownServer(t)
	if _, err := node.Do(t.Context(), "CONFIG", "SET", "requirepass", "another"); err != nil {
		t.Fatal(err)
	}
	open := ownServer(t, "--rename-command", "EVALSHA", "")
	old := ownServer(t, "--rename-command", "AUTH", "") // it quotes what it does not know
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	silent := l.Addr().String() // it takes connections and says nothing
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		url  string
		o    redisstore.Options
		want string
	}{
		{"", redisstore.Options{}, "redis://USER:PASSWORD@HOST"},
		{"localhost:6379", redisstore.Options{}, "redis://USER:PASSWORD@HOST"},
		{"redis:localhost", redisstore.Options{}, "redis://USER:PASSWORD@HOST"},
		{"redis://", redisstore.Options{}, "redis://USER:PASSWORD@HOST"},
		{"unix://", redisstore.Options{}, "redis://USER:PASSWORD@HOST"},
		{"http://u:geheim@h", redisstore.Options{}, "redis://USER:PASSWORD@HOST"},
		{"redis://u:geheim/more@127.0.0.1:1", redisstore.Options{}, "%2F"},
		{"redis://u:geheim#more@127.0.0.1:1", redisstore.Options{}, "%XX"},
		{"redis://u:geheim?more@127.0.0.1:1", redisstore.Options{}, "%XX"},
		{"redis://u:geheim%zz@127.0.0.1:1", redisstore.Options{}, "%XX"},
		{"redis://u:geheim@127.0.0.1:1/geheim", redisstore.Options{}, "redis://USER:PASSWORD@HOST"},
		{"redis://u:geheim@127.0.0.1:port", redisstore.Options{}, "redis://USER:PASSWORD@HOST"},
		{"redis://127.0.0.1:1?password=geheim", redisstore.Options{}, "parameter"},
		{"redis://127.0.0.1:1?db=1&db=2", redisstore.Options{}, "parameter db"},
		{"redis://127.0.0.1:1/1?db=2", redisstore.Options{}, "parameter db"},
		{"redis://127.0.0.1:1?protocol=geheim", redisstore.Options{}, "parameter protocol"},
		{"redis://127.0.0.1:1?client_cache=off", redisstore.Options{}, "parameter client_cache"},
		{"redis://127.0.0.1:1?max_retries=5", redisstore.Options{}, "parameter max_retries"},
		{"redis://127.0.0.1:1?write_timeout=-1s", redisstore.Options{}, "parameter write_timeout"},
		{"redis://127.0.0.1:1?dial_timeout=3", redisstore.Options{}, "parameter dial_timeout"},
		{"redis://127.0.0.1:1?skip_verify=true", redisstore.Options{}, "parameter skip_verify"},
		{"redis://127.0.0.1:1?sentinel_password=geheim", redisstore.Options{}, "parameter sentinel_password"},
		{"redis://127.0.0.1:1?addr=u:geheim@h:1", redisstore.Options{}, "parameter addr"},
		{"redis://127.0.0.1:1?addr=", redisstore.Options{}, "parameter addr"},
		{"redis://127.0.0.1:1?addr=::2", redisstore.Options{}, "parameter addr"},
		{"redis://127.0.0.1:1?addr=redis://h", redisstore.Options{}, "parameter addr"},
		{"unix:///no/such/socket?addr=h", redisstore.Options{}, "parameter addr"},
		{"redis://u:geheim@127.0.0.1:1?db=geheim", redisstore.Options{}, "redis://USER:PASSWORD@HOST"},
		{"redis://u:geheim@" + nobody, redisstore.Options{}, "check that the server runs"},
		{"redis://u:geheim@no-such-host.invalid", redisstore.Options{}, "check that the server runs"},
		{"redis://u:geheim@" + nobody + "?master_set=m", redisstore.Options{}, "check that the server runs"},
		{"unix:///no/such/socket", redisstore.Options{}, "check that the server runs"},
		{"redis://u:geheim@" + silent, redisstore.Options{}, "does not answer"},
		{"redis://" + node.Addr, redisstore.Options{}, "the server wants a password"},
		{"redis://:geheim@" + node.Addr, redisstore.Options{}, "does not take this user name and password"},
		{"redis://:another@" + node.Addr + "/99", redisstore.Options{}, "DB index is out of range"},
		{"redis://" + open.Addr, redisstore.Options{}, "unknown command 'EVALSHA'"},
		{"redis://u:geheim@" + old.Addr + "?protocol=2", redisstore.Options{}, "unknown command 'AUTH'"},
		{"redis://127.0.0.1:1", redisstore.Options{Prefix: "a b"}, "Options.Prefix"},
		{"redis://127.0.0.1:1?protocol=2", redisstore.Options{Cache: true}, "protocol=2"},
		{"redis://127.0.0.1:1?client_cache=0", redisstore.Options{Cache: true}, "client_cache=0"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		if strings.Contains(c.url, silent) {
			ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
		}
		s, err := redisstore.Open(ctx, c.url, &c.o)
		cancel()
		if err == nil {
			t.Errorf("%s: no error", c.url)
			_ = s.Close()
			continue
		}
		if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "redisstore: ") {
			t.Errorf("%s: %v; want %q", c.url, err, c.want)
		}
		if said := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(said, secret) {
			t.Errorf("the password is in the error: %s", said)
		}
	}
}

func TestNewReportsAllMistakesAtOnce(t *testing.T) {
	_, err := redisstore.New(t.Context(), nil, &redisstore.Options{
		Prefix: "{a}", WaitReplicas: -1, WaitTimeout: time.Microsecond, CacheTTL: -1,
	})
	for _, want := range []string{"client is nil", "Options.Prefix", "Options.WaitReplicas", "Options.WaitTimeout", "Options.CacheTTL"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\ndoes not say %q", err, want)
		}
	}
	for _, prefix := range []string{" ", "a*", "a?", "[a]", "a{", "}", "a\\", "a\n", "a\x00", "\r\nFLUSHALL\r\n", "ä", strings.Repeat("a", 101), "'", "\""} {
		if _, err := redisstore.New(t.Context(), nil, &redisstore.Options{Prefix: prefix}); err == nil || !strings.Contains(err.Error(), "Options.Prefix") {
			t.Errorf("prefix %q: %v", prefix, err)
		}
	}
}

func TestAnEvictingServerIsWarnedOf(t *testing.T) {
	for policy, warn := range map[string]bool{"noeviction": false, "allkeys-lru": true, "volatile-ttl": true} {
		node := ownServer(t, "--maxmemory", "100mb", "--maxmemory-policy", policy)
		client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{node.Addr}})
		if err != nil {
			t.Fatal(err)
		}
		for _, forbidden := range []bool{false, true} {
			if forbidden {
				if _, err := node.Do(t.Context(), "ACL", "SETUSER", "default", "-info", "-config"); err != nil {
					t.Fatal(err)
				}
			}
			var log bytes.Buffer
			storeOn(t, client, redisstore.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			if got := log.String(); strings.Contains(got, policy) != (warn && !forbidden) || (got != "") != (warn && !forbidden) {
				t.Errorf("%s, INFO forbidden %t: the log is %q", policy, forbidden, got)
			}
		}
		client.Close()
	}
}

// The user that the guide tells operators to make can do all that the store does.
func TestTheUserOfTheGuideMayDoEverything(t *testing.T) {
	_, rest, ok := strings.Cut(guide(t), "\nACL SETUSER ")
	line, _, _ := strings.Cut(rest, "\n")
	if !ok || !strings.Contains(line, ">PASSWORD") {
		t.Fatalf("the guide has no such line: %q", line)
	}
	node := ownServer(t)
	if _, err := node.Do(t.Context(), append([]string{"ACL", "SETUSER"}, strings.Fields(strings.ReplaceAll(line, "PASSWORD", secret))...)...); err != nil {
		t.Fatal(err)
	}
	user := strings.Fields(line)[0]
	for _, cached := range []bool{false, true} {
		s, err := redisstore.Open(t.Context(), "redis://"+user+":"+secret+"@"+node.Addr, &redisstore.Options{Cache: cached, WaitReplicas: 1, WaitTimeout: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		told := make(chan beaker.RecordKey, 100)
		ctx, cancel := context.WithCancel(t.Context())
		watched := make(chan error, 1)
		go func() { watched <- s.Watch(ctx, func(key beaker.RecordKey) { told <- key }) }()
		m := newMeta()
		m.Subject, m.AuthenticatedAt = "fred", epoch
		signed := newRecord(t, m, "k", "v")
		plain := created(t, s, newMeta(), "k", "v")
		uncertain := func(what string, err error) {
			t.Helper()
			// There is no replica to wait for: that, and nothing else, is wrong.
			if !errors.Is(err, beaker.ErrUncertain) || !strings.Contains(err.Error(), "fewer replicas") {
				t.Errorf("%s: %v, want fewer replicas", what, err)
			}
		}
		uncertain("Create", s.Create(t.Context(), signed))
		ch := changeOf(plain)
		ch.Set, ch.Remove, ch.Rotate = values("a", "b"), []string{"k"}, &beaker.Rotation{Next: unique("next")}
		_, err = s.Apply(t.Context(), plain.Key(), ch)
		uncertain("Apply", err)
		if _, err := s.Load(t.Context(), plain.Key()); err != nil {
			t.Errorf("Load: %v", err)
		}
		for _, q := range []beaker.ListQuery{{}, {Subject: "fred"}} {
			if got := all(t, s, q); len(got) == 0 {
				t.Errorf("List %+v: nothing", q)
			}
		}
		if _, err := s.Purge(t.Context(), epoch, 10); err != nil {
			t.Errorf("Purge: %v", err)
		}
		// Until the subscription is there, ends are missed.
		for heard := false; !heard; {
			uncertain("Delete", s.Delete(t.Context(), created(t, s, newMeta()).Key()))
			select {
			case <-told:
				heard = true
			case err := <-watched:
				t.Fatalf("Watch: %v", err)
			case <-time.After(10 * time.Millisecond):
			}
		}
		_, err = s.RevokeSubject(t.Context(), "fred", epoch+1)
		uncertain("RevokeSubject", err)
		cancel()
		if err := <-watched; !errors.Is(err, context.Canceled) {
			t.Errorf("Watch: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if _, err := node.Do(t.Context(), "FLUSHALL"); err != nil {
			t.Fatal(err)
		}
	}
}

// What is refused is refused, and not uncertain for want of a replica. What was done
// before and is repeated waits: perhaps it was not waited for the first time.
func TestWhatIsRefusedWaitsForNobody(t *testing.T) {
	s := newPlace(t).store(t, redisstore.Options{WaitReplicas: 1, WaitTimeout: time.Millisecond})
	rec := created(t, s, newMeta())
	rotate := func(next beaker.Proof) *beaker.Change {
		ch := changeOf(rec)
		ch.Rotate = &beaker.Rotation{Next: next}
		return ch
	}
	stranger, late := rotate(unique("next")), rotate(unique("next"))
	stranger.Proof, late.IfVersion = unique("stranger"), 9
	next := beaker.Proof(unique("next"))
	for _, c := range []struct {
		what string
		ch   *beaker.Change
		want error
	}{
		{"a rotation by a stranger", stranger, beaker.ErrNotFound},
		{"a rotation of another version", late, beaker.ErrConflict},
		{"a rotation", rotate(next), beaker.ErrUncertain},
		{"the same again", rotate(next), beaker.ErrUncertain},
		{"another with the old secret", rotate(unique("next")), beaker.ErrNotFound},
	} {
		if _, err := s.Apply(t.Context(), rec.Key(), c.ch); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.what, err, c.want)
		}
	}
	for range 2 {
		if err := s.Delete(t.Context(), rec.Key()); !errors.Is(err, beaker.ErrUncertain) {
			t.Errorf("Delete: %v, want ErrUncertain", err)
		}
	}
}

// Sessions end, whether anybody may be told of it or not.
func TestWhoMayNotPublishMayLogOut(t *testing.T) {
	node := ownServer(t)
	if _, err := node.Do(t.Context(), "ACL", "SETUSER", "default", "-publish", "resetchannels"); err != nil {
		t.Fatal(err)
	}
	s, err := redisstore.Open(t.Context(), "redis://"+node.Addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	m := newMeta()
	m.Subject, m.AuthenticatedAt = "fred", epoch
	signed := created(t, s, m)
	plain := created(t, s, newMeta())
	ch := changeOf(plain)
	ch.Subject = &m.Subject
	if _, err := s.Apply(t.Context(), plain.Key(), ch); err != nil {
		t.Errorf("a sign-in: %v", err)
	}
	if err := s.Delete(t.Context(), signed.Key()); err != nil {
		t.Errorf("Delete: %v", err)
	}
	if n, err := s.RevokeSubject(t.Context(), "fred", epoch+2000); n != 1 || err != nil {
		t.Errorf("RevokeSubject: %d, %v", n, err)
	}
	for _, key := range []beaker.RecordKey{signed.Key(), plain.Key()} {
		if _, err := s.Load(t.Context(), key); !errors.Is(err, beaker.ErrNotFound) {
			t.Errorf("Load: %v, want ErrNotFound", err)
		}
	}
	if err := s.Watch(t.Context(), func(beaker.RecordKey) {}); err == nil || !strings.Contains(err.Error(), "NOPERM") {
		t.Errorf("Watch: %v, want NOPERM", err)
	}
}

func TestCloseEndsWatch(t *testing.T) {
	for _, own := range []bool{false, true} {
		p := newPlace(t)
		s := p.store(t, redisstore.Options{})
		if own {
			var err error
			if s, err = redisstore.Open(t.Context(), fmt.Sprintf("redis://%s/%d", p.node.Addr, p.db), nil); err != nil {
				t.Fatal(err)
			}
		}
		told := make(chan beaker.RecordKey, 1)
		watched := make(chan error, 1)
		go func() {
			watched <- s.Watch(t.Context(), func(key beaker.RecordKey) {
				select {
				case told <- key:
				default:
				}
			})
		}()
		for heard := false; !heard; {
			if err := s.Delete(t.Context(), created(t, s, newMeta()).Key()); err != nil {
				t.Fatal(err)
			}
			select {
			case <-told:
				heard = true
			case <-time.After(10 * time.Millisecond):
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-watched; !errors.Is(err, beaker.ErrClosed) {
			t.Errorf("Watch after Close: %v", err)
		}
		if err := s.Watch(t.Context(), func(beaker.RecordKey) {}); !errors.Is(err, beaker.ErrClosed) {
			t.Errorf("a new Watch: %v", err)
		}
	}
}

// Any right that is missing is told at the start, by the name of the command: in the middle
// of a script it would leave a key that never ends, or a session that cannot be read.
func TestRightsThatAreMissingAreNamedAtTheStart(t *testing.T) {
	node := ownServer(t)
	for _, command := range []string{
		"time", "exists", "hset", "pexpire", "pttl", "hgetall", "hget", "hmget", "hstrlen", "hexists", "hkeys", "hdel", "del",
		"zadd", "zscore", "zrange", "zrangebyscore", "zrevrangebyscore", "zrem", "zremrangebyscore", "eval", "evalsha",
	} {
		if _, err := node.Do(t.Context(), "ACL", "SETUSER", "u", "reset", "on", ">"+secret, "~*", "&*", "+@all", "-"+command); err != nil {
			t.Fatal(err)
		}
		s, err := redisstore.Open(t.Context(), "redis://u:"+secret+"@"+node.Addr, nil)
		if err == nil {
			t.Errorf("without %s: no error", command)
			_ = s.Close()
			continue
		}
		if !strings.Contains(err.Error(), "docs/redisstore.md has the ACL") {
			t.Errorf("without %s: %v, want what to do", command, err)
		}
		if named := strings.ToLower(err.Error()); command != "del" && !strings.Contains(named, command) {
			t.Errorf("without %s: %v, want its name", command, err)
		}
	}
	if keys, err := node.Do(t.Context(), "KEYS", "*"); err != nil || len(keys.([]any)) > 0 {
		t.Errorf("keys are left: %v, %v", keys, err)
	}

	// A right that is taken away later is at least known for what it is.
	if _, err := node.Do(t.Context(), "ACL", "SETUSER", "u", "reset", "on", ">"+secret, "~*", "&*", "+@all"); err != nil {
		t.Fatal(err)
	}
	s, err := redisstore.Open(t.Context(), "redis://u:"+secret+"@"+node.Addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if _, err := node.Do(t.Context(), "ACL", "SETUSER", "u", "-hset"); err != nil {
		t.Fatal(err)
	}
	if err := s.Create(t.Context(), newRecord(t, newMeta())); err == nil || !strings.Contains(err.Error(), "docs/redisstore.md has the ACL") {
		t.Errorf("Create: %v, want what to do", err)
	}
}
