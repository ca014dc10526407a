//go:build linux

package redisstore_test

import (
	"context"
	"crypto/tls"
	"math"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/redisstore"
)

// wire counts turns: bytes sent after bytes were received.
type wire struct {
	net.Conn
	turns   *atomic.Int64
	reading atomic.Bool // something has come since the last write
}

func (w *wire) Write(b []byte) (int, error) {
	if w.reading.Swap(false) {
		w.turns.Add(1)
	}
	return w.Conn.Write(b)
}

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	w.reading.Store(true) // not before: it is asked for long before anything comes
	return n, err
}

func counted(turns *atomic.Int64) func(*rueidis.ClientOption) {
	return func(o *rueidis.ClientOption) {
		o.PipelineMultiplex = -1 // one connection
		o.DialCtxFn = func(ctx context.Context, addr string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
			c, err := d.DialContext(ctx, "tcp", addr)
			if err != nil {
				return nil, err
			}
			w := &wire{Conn: c, turns: turns}
			w.reading.Store(true) // the first write begins a turn
			return w, nil
		}
		o.Dialer.KeepAlive = time.Hour // nor does it ping by itself
	}
}

func TestRoundTrips(t *testing.T) {
	var turns atomic.Int64
	p := newPlace(t)
	s := storeOn(t, p.client(t, counted(&turns)), redisstore.Options{})
	ctx := t.Context()
	for round := range 2 { // in the first, scripts are sent
		m := newMeta()
		rec := newRecord(t, m, "a", "1", "b", "2", "c", "3")
		signed := newMeta()
		signed.Subject, signed.AuthenticatedAt = "mine", epoch
		mine := newRecord(t, signed)
		fred := "fred"
		apply := func(rec *beaker.Record, edit func(ch *beaker.Change)) func() error {
			return func() error {
				ch := changeOf(rec)
				ch.AnyProof = true
				edit(ch)
				_, err := s.Apply(ctx, rec.Key(), ch)
				return err
			}
		}
		for _, c := range []struct {
			call string
			want int64
			do   func() error
		}{
			{"Create", 1, func() error { return s.Create(ctx, rec) }},
			{"Create with a subject", 2, func() error { return s.Create(ctx, mine) }},
			{"Load", 1, func() error { _, err := s.Load(ctx, m.Key); return err }},
			{"Apply of values", 1, apply(rec, func(ch *beaker.Change) { ch.Set, ch.Remove = values("b", "new"), []string{"a"} })},
			{"Apply of a touch", 1, apply(rec, func(ch *beaker.Change) { ch.Touch = ch.Now })},
			{"Apply of a rotation", 1, apply(rec, func(ch *beaker.Change) { ch.Rotate = &beaker.Rotation{Next: unique("next")} })},
			{"Apply of a sign-in", 2, apply(rec, func(ch *beaker.Change) { ch.Subject = &fred })},
			{"Apply of values by a subject", 1, apply(rec, func(ch *beaker.Change) { ch.Set = values("b", "newer") })},
			{"Apply of a later deadline, with Base", 2, apply(mine, func(ch *beaker.Change) { ch.Absolute, ch.Base = epoch+20*hour, mine })},
			{"Apply of a later deadline", 3, apply(mine, func(ch *beaker.Change) { ch.Absolute = epoch + 40*hour })},
			{"Apply of an earlier deadline", 1, apply(mine, func(ch *beaker.Change) { ch.Absolute = epoch + 30*hour })},
			{"Apply of an earlier deadline, with Base", 1, apply(mine, func(ch *beaker.Change) { ch.Absolute, ch.Base = epoch+10*hour, mine })},
			{"Apply of a sign-out", 1, apply(rec, func(ch *beaker.Change) { ch.Subject = new(string) })},
			{"List of a subject", 2, func() error { _, _, err := s.List(ctx, beaker.ListQuery{Subject: "mine"}); return err }},
			{"List of all", 2, func() error { _, _, err := s.List(ctx, beaker.ListQuery{}); return err }},
			{"RevokeSubject", 3, func() error { _, err := s.RevokeSubject(ctx, "mine", epoch); return err }},
			{"RevokeSubject of nobody", 1, func() error { _, err := s.RevokeSubject(ctx, "nobody", epoch); return err }},
			{"Delete", 1, func() error { return s.Delete(ctx, m.Key) }},
			{"Delete of nothing", 1, func() error { return s.Delete(ctx, m.Key) }},
			{"Create with a subject again", 2, func() error {
				again := newMeta()
				again.Subject, again.AuthenticatedAt = "mine", epoch+1
				mine = newRecord(t, again)
				return s.Create(ctx, mine)
			}},
			{"Delete with a subject", 2, func() error { return s.Delete(ctx, mine.Key()) }},
		} {
			turns.Store(0)
			if err := c.do(); err != nil {
				t.Fatalf("%s: %v", c.call, err)
			}
			if got := turns.Load(); got != c.want && round == 1 {
				t.Errorf("%s: %d round trips, want %d", c.call, got, c.want)
			}
		}
		if _, err := s.Purge(ctx, epoch, 10); err != nil {
			t.Fatal(err)
		}
		p.redis(t, "FLUSHDB")
	}
}

// What a call costs beyond the client's own share shows in garbage. The counts are exact
// but for pools that the collector empties.
func TestAllocations(t *testing.T) {
	p := newPlace(t)
	s := p.store(t, redisstore.Options{})
	cached := p.store(t, redisstore.Options{Cache: true})
	ctx := t.Context()
	rec := created(t, s, newMeta(), "uid", `"0b1c2d3e-1111-2222-3333-444455556666"`, "n", "1", "data", strings.Repeat("x", 140))
	key := rec.Key()
	set, touch := changeOf(rec), changeOf(rec)
	set.Set, set.Touch = values("n", "2"), set.Now
	for _, c := range []struct {
		call string
		most float64
		do   func() error
	}{
		// 13 of them are rueidis's: a string for each field, and for its data.
		{"Load", 20, func() error { _, err := s.Load(ctx, key); return err }},
		{"Load from the cache", 3, func() error { _, err := cached.Load(ctx, key); return err }},
		{"Apply of a value", 7, func() error { _, err := s.Apply(ctx, key, set); return err }},
		{"Apply of a touch", 6, func() error { touch.Touch++; _, err := s.Apply(ctx, key, touch); return err }},
	} {
		// The least of five: what the client does in the background counts too.
		got := math.Inf(1)
		for range 5 {
			got = min(got, testing.AllocsPerRun(200, func() {
				if err := c.do(); err != nil {
					t.Fatal(err)
				}
			}))
		}
		if got > c.most && !raceDetector {
			t.Errorf("%s: %v allocations, at most %v", c.call, got, c.most)
		}
	}
}

// Commands are kept for the next read only with clients that leave them alone. The one
// that does not has the type of one that reads from replicas.
func TestWhichClientsLeaveCommandsAlone(t *testing.T) {
	p := newPlace(t)
	for _, c := range []struct {
		what string
		edit func(o *rueidis.ClientOption)
		want bool
	}{
		{"one server", func(*rueidis.ClientOption) {}, true},
		{"with replicas", func(o *rueidis.ClientOption) {
			o.SendToReplicas = func(rueidis.Completed) bool { return false }
			o.Standalone.ReplicaAddress = o.InitAddress
		}, false},
	} {
		if client := p.client(t, c.edit); redisstore.Reuses(client) != c.want {
			t.Errorf("%s: Reuses(%T) is not %v", c.what, client, c.want)
		}
	}
	type wrapped struct{ rueidis.Client }
	if redisstore.Reuses(wrapped{p.client(t)}) {
		t.Error("a client that nobody knows is relied on")
	}
}
