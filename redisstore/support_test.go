//go:build linux

package redisstore_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/internal/engines"
	"github.com/seed12c5fab1/beaker/internal/leaks"
	"github.com/seed12c5fab1/beaker/redisstore"
)

const databases = 4096

// shared is a server for all tests that neither stop it nor change its settings.
var shared = sync.OnceValues(func() (*engines.RedisNode, error) {
	return engines.StartRedisNode(context.Background(), "--databases", fmt.Sprint(databases))
})

var started atomic.Bool

func TestMain(m *testing.M) {
	code := leaks.Watch(m).Run()
	if started.Load() {
		if node, err := shared(); err == nil {
			_ = node.Close() // the tests are done
		}
	}
	os.Exit(code)
}

func server(tb testing.TB) *engines.RedisNode {
	tb.Helper()
	started.Store(true)
	node, err := shared()
	if err != nil {
		tb.Fatalf("the tests need redis-server: %v", err)
	}
	return node
}

// ownServer starts a server for one test.
func ownServer(tb testing.TB, args ...string) *engines.RedisNode {
	tb.Helper()
	node, err := engines.StartRedisNode(tb.Context(), args...)
	if err != nil {
		tb.Fatalf("the tests need redis-server: %v", err)
	}
	tb.Cleanup(func() {
		if err := node.Close(); err != nil {
			tb.Errorf("closing the server: %v", err)
		}
	})
	return node
}

var lastDatabase atomic.Int64

// place is an empty database.
type place struct {
	node *engines.RedisNode
	db   int
}

func newPlace(tb testing.TB) *place {
	tb.Helper()
	db := int(lastDatabase.Add(1))
	if db >= databases {
		tb.Fatal("too many tests for the server's number of databases")
	}
	return &place{server(tb), db}
}

// client returns a client of its own, as another process has it.
func (p *place) client(tb testing.TB, edit ...func(*rueidis.ClientOption)) rueidis.Client {
	tb.Helper()
	o := rueidis.ClientOption{InitAddress: []string{p.node.Addr}, SelectDB: p.db}
	for _, f := range edit {
		f(&o)
	}
	c, err := rueidis.NewClient(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return c
}

// store returns a store on a client of its own.
func (p *place) store(tb testing.TB, o redisstore.Options) *redisstore.Store {
	tb.Helper()
	return storeOn(tb, p.client(tb), o)
}

func storeOn(tb testing.TB, c rueidis.Client, o redisstore.Options) *redisstore.Store {
	tb.Helper()
	s, err := redisstore.New(tb.Context(), c, &o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("Close: %v", err)
		}
	})
	return s
}

// redis asks the server itself, on a connection of its own.
func (p *place) redis(tb testing.TB, args ...string) any {
	tb.Helper()
	c, err := engines.DialRedis(tb.Context(), p.node.Addr)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Do(tb.Context(), "SELECT", fmt.Sprint(p.db)); err != nil {
		tb.Fatal(err)
	}
	v, err := c.Do(tb.Context(), args...)
	if err != nil {
		tb.Fatalf("%.80q: %v", args, err)
	}
	return v
}

var serial atomic.Uint64

func unique(what string) [32]byte {
	return sha256.Sum256(binary.BigEndian.AppendUint64([]byte(what), serial.Add(1)))
}

// epoch is the present, cut to the second.
var epoch = beaker.MillisOf(time.Now().Truncate(time.Second))

const hour = beaker.Millis(3_600_000)

// newMeta is an anonymous session of half an hour's idle time, begun at epoch.
func newMeta() beaker.Meta {
	return beaker.Meta{
		Key: unique("key"), Proof: unique("proof"), Version: 1, Created: epoch, Touched: epoch,
		Idle: 30 * time.Minute, Absolute: epoch + 12*hour,
	}
}

func newRecord(tb testing.TB, m beaker.Meta, pairs ...string) *beaker.Record {
	tb.Helper()
	rec, err := beaker.NewRecord(m, values(pairs...))
	if err != nil {
		tb.Fatal(err)
	}
	return rec
}

func values(pairs ...string) []beaker.Value {
	var out []beaker.Value
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, beaker.Value{Name: pairs[i], Data: []byte(pairs[i+1])})
	}
	return out
}

// created returns a stored record.
func created(tb testing.TB, s beaker.Store, m beaker.Meta, pairs ...string) *beaker.Record {
	tb.Helper()
	rec := newRecord(tb, m, pairs...)
	if err := s.Create(tb.Context(), rec); err != nil {
		tb.Fatal(err)
	}
	return rec
}

// changeOf is a change with the proof of rec, a second after its last use.
func changeOf(rec *beaker.Record) *beaker.Change {
	m := rec.Meta()
	return &beaker.Change{Now: m.Touched + 1000, Proof: m.Proof, Began: m.Touched + 1000}
}
