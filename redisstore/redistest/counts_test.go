package redistest

import (
	"bufio"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/internal/engines"
	"github.com/seed12c5fab1/beaker/redisstore"
	"github.com/seed12c5fab1/beaker/sessiontest"
)

// upkeep are commands that are nobody's request: a client's own, and those that the
// tests ask the servers with.
var upkeep = []string{"hello", "client|setinfo", "client|tracking", "client|caching", "client", "ping", "auth", "select", "info", "role", "scan", "pttl", "echo", "monitor", "config|get", "config|resetstat", "eval", "cluster|slots", "cluster|shards", "cluster|info", "cluster|nodes", "replconf", "psync", "publish", "subscribe", "sentinel"}

// commands returns how many commands of clients a site has carried out, those that
// scripts call included.
func (s *site) commands(tb testing.TB) int {
	tb.Helper()
	total := 0
	for name, n := range s.statistics(tb) {
		if !slices.Contains(upkeep, name) {
			total += n
		}
	}
	return total
}

// statistics returns how often each command was carried out, by INFO commandstats.
func (s *site) statistics(tb testing.TB) map[string]int {
	tb.Helper()
	calls := map[string]int{}
	for _, n := range s.nodes {
		v, err := n.Do(tb.Context(), "INFO", "commandstats")
		if err != nil {
			tb.Fatal(err)
		}
		text, _ := v.(string)
		for in := bufio.NewScanner(strings.NewReader(text)); in.Scan(); {
			// cmdstat_get:calls=21,usec=...
			name, rest, ok := strings.Cut(strings.TrimPrefix(in.Text(), "cmdstat_"), ":calls=")
			if !ok {
				continue
			}
			number, _, _ := strings.Cut(rest, ",")
			n, err := strconv.Atoi(number)
			if err != nil {
				tb.Fatalf("commandstats: %q: %v", in.Text(), err)
			}
			calls[name] += n
		}
	}
	return calls
}

// monitor sees what clients send to a server, by MONITOR.
type monitor struct {
	tb   testing.TB
	node *engines.RedisNode
	conn *engines.RedisConn
}

var markers atomic.Int64

func monitored(tb testing.TB, n *engines.RedisNode) *monitor {
	tb.Helper()
	c, err := engines.DialRedis(tb.Context(), n.Addr)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	if _, err := c.Do(tb.Context(), "MONITOR"); err != nil {
		tb.Fatal(err)
	}
	return &monitor{tb, n, c}
}

// take returns the names of the commands that clients have sent since the last call,
// without what scripts do, and without the client's pings.
func (m *monitor) take() []string {
	m.tb.Helper()
	marker := fmt.Sprintf("marker-%d", markers.Add(1))
	if _, err := m.node.Do(m.tb.Context(), "ECHO", marker); err != nil {
		m.tb.Fatal(err)
	}
	var names []string
	for {
		v, err := m.conn.Next()
		if err != nil {
			m.tb.Fatal(err)
		}
		// 1700000000.123456 [0 127.0.0.1:5000] "HGETALL" "key"
		line, _ := v.(string)
		from, command, ok := strings.Cut(line, `] "`)
		if !ok {
			m.tb.Fatalf("MONITOR says %q", line)
		}
		name, rest, _ := strings.Cut(command, `"`)
		switch {
		case strings.Contains(rest, marker):
			return names
		case strings.HasSuffix(from, " lua"), strings.EqualFold(name, "PING"):
		default:
			names = append(names, strings.ToUpper(name))
		}
	}
}

// What a request costs in commands, as the server sees them.
func TestCommandsOfARequest(t *testing.T) {
	s := ownSingle(t)
	p := newPlace(t, s)
	clock := sessiontest.NewClock(time.Now())
	a := newApp(t, func(c *beaker.Config) { c.Now, c.TouchInterval = clock.Now, time.Minute }, p.store(t))
	m := monitored(t, s.nodes[0])
	b := a.browser()
	for round := range 2 { // in the first one, scripts are loaded
		for _, c := range []struct {
			what, ref string
			advance   time.Duration
			most      int
		}{
			{"a stranger's page that does not use the session", "/untouched", 0, 0},
			{"a stranger's read", "/read", 0, 0},
			{"the first write", "/set?name=a&value=1", 0, 1},
			{"a page that does not use the session", "/untouched", 0, 0},
			{"a read", "/read", 0, 1},
			{"a write: the read, and the write", "/set?name=a&value=2", 0, 2},
			{"the first read after the touch interval: the touch too", "/read", 61 * time.Second, 2},
			{"the next read", "/read", 0, 1},
			{"a page that does not use the session, after the touch interval", "/untouched", 61 * time.Second, 0},
			{"a write that touches too", "/set?name=a&value=3", 0, 2},
			{"a login: the read, and at most two", "/login?who=fred", 0, 3},
			{"a read of somebody", "/read", 0, 1},
			{"a write of somebody", "/set?name=b&value=1", 0, 2},
			{"a touch of somebody", "/read", 61 * time.Second, 2},
			{"a new secret", "/renew", 0, 2},
			{"an update", "/count", 0, 3}, // Get, and its own fresh load
			{"a logout: the read, and at most two", "/logout", 0, 3},
			{"a read after the logout", "/read", 0, 0},
		} {
			clock.Advance(c.advance)
			m.take()
			mustAsk(t, b, 0, c.ref)
			if got := m.take(); round == 1 && len(got) > c.most {
				t.Errorf("%s: %d commands, want at most %d: %q", c.what, len(got), c.most, got)
			} else if round == 1 {
				t.Logf("%s: %q", c.what, got)
			}
		}
	}
}

// What each call of a store costs, in round trips: a client that waits for an answer
// before it sends the next command.
func TestRoundTripsOfCalls(t *testing.T) {
	s := ownSingle(t)
	p := newPlace(t, s)
	store := p.store(t)
	m := monitored(t, s.nodes[0])
	ctx := t.Context()
	for round := range 2 {
		subject, other := fmt.Sprintf("user-%d", round), fmt.Sprintf("other-%d", round)
		rec, signed := newRecord(t, newMeta(), "a", "1"), newRecord(t, metaOf(subject), "a", "1")
		apply := func(edit func(ch *beaker.Change)) func() error {
			return func() error {
				base := loadedQuietly(t, store, rec.Key(), m)
				ch := changeOf(base)
				ch.Base = base
				edit(ch)
				_, err := store.Apply(ctx, rec.Key(), ch)
				return err
			}
		}
		for _, c := range []struct {
			call string
			most int
			do   func() error
		}{
			{"Create", 1, func() error { return store.Create(ctx, rec) }},
			{"Create with a subject", 2, func() error { return store.Create(ctx, signed) }},
			{"Load", 1, func() error { _, err := store.Load(ctx, rec.Key()); return err }},
			{"Apply", 1, apply(func(ch *beaker.Change) { ch.Set = values("a", "2") })},
			{"Apply without Base", 1, apply(func(ch *beaker.Change) { ch.Base, ch.Set = nil, values("a", "3") })},
			{"Apply of a touch", 1, apply(func(ch *beaker.Change) { ch.Touch = ch.Now })},
			{"Apply of a rotation", 1, apply(func(ch *beaker.Change) { ch.Rotate = &beaker.Rotation{Next: unique("next")} })},
			{"Apply of a sign-in", 2, apply(func(ch *beaker.Change) {
				ch.Subject, ch.AuthenticatedAt, ch.Rotate = &other, ch.Began, &beaker.Rotation{Next: unique("next")}
			})},
			{"Delete with a subject", 2, func() error { return store.Delete(ctx, rec.Key()) }},
			{"Delete of nothing", 1, func() error { return store.Delete(ctx, rec.Key()) }},
		} {
			m.take()
			if err := c.do(); err != nil {
				t.Fatalf("%s: %v", c.call, err)
			}
			if got := m.take(); round == 1 && len(got) > c.most {
				t.Errorf("%s: %d commands, want at most %d: %q", c.call, len(got), c.most, got)
			} else if round == 1 {
				t.Logf("%s: %q", c.call, got)
			}
		}
	}
}

func loadedQuietly(tb testing.TB, s *redisstore.Store, key beaker.RecordKey, m *monitor) *beaker.Record {
	tb.Helper()
	rec := loaded(tb, s, key)
	m.take()
	return rec
}
