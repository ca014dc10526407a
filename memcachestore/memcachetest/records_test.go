package memcachetest

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"os"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
)

const (
	epoch  = beaker.Millis(1_800_000_000_000) // not today: the store must not care
	minute = beaker.Millis(60_000)
	hour   = 60 * minute
)

var serial atomic.Uint64

func unique(what string) [32]byte {
	b := binary.BigEndian.AppendUint64([]byte(what), serial.Add(1))
	return sha256.Sum256(binary.BigEndian.AppendUint64(b, uint64(os.Getpid())))
}

// newMeta is an anonymous session of half an hour's idle time, begun at epoch.
func newMeta() beaker.Meta {
	return beaker.Meta{
		Key: unique("key"), Proof: unique("proof"), Version: 1, Created: epoch, Touched: epoch,
		Idle: 30 * time.Minute, Absolute: epoch + 12*hour,
	}
}

// metaOf is a session of a subject.
func metaOf(subject string) beaker.Meta {
	m := newMeta()
	m.Subject, m.AuthenticatedAt = subject, epoch
	return m
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

func loaded(tb testing.TB, s beaker.Store, key beaker.RecordKey) *beaker.Record {
	tb.Helper()
	rec, err := s.Load(tb.Context(), key)
	if err != nil {
		tb.Fatal(err)
	}
	return rec
}

// absent sees that there is no session, neither to read nor for an operator to write.
func absent(tb testing.TB, s beaker.Store, key beaker.RecordKey, when string) {
	tb.Helper()
	if _, err := s.Load(tb.Context(), key); !errors.Is(err, beaker.ErrNotFound) {
		tb.Errorf("%s: Load: %v, want ErrNotFound", when, err)
	}
	ch := &beaker.Change{Now: epoch, AnyProof: true, Set: values("back", "1")}
	if _, err := s.Apply(tb.Context(), key, ch); !errors.Is(err, beaker.ErrNotFound) {
		tb.Errorf("%s: Apply: %v, want ErrNotFound", when, err)
	}
}

// changeOf is a change with the proof of rec, a second after its last use.
func changeOf(rec *beaker.Record) *beaker.Change {
	m := rec.Meta()
	return &beaker.Change{Now: m.Touched + 1000, Proof: m.Proof, Began: m.Touched + 1000, Base: rec}
}

func setting(rec *beaker.Record, pairs ...string) *beaker.Change {
	ch := changeOf(rec)
	ch.Set = values(pairs...)
	return ch
}

// signingIn is what a login does: a new subject and a new secret.
func signingIn(rec *beaker.Record, subject string) *beaker.Change {
	ch := changeOf(rec)
	ch.Subject, ch.AuthenticatedAt, ch.Rotate = &subject, ch.Began, &beaker.Rotation{Next: unique("next")}
	return ch
}

func sameRecord(a, b *beaker.Record) bool {
	return reflect.DeepEqual(a.Meta(), b.Meta()) && string(a.AppendValues(nil)) == string(b.AppendValues(nil))
}

func value(rec *beaker.Record, name string) string {
	v, ok := rec.Lookup(name)
	if !ok {
		return "none"
	}
	return v
}

// soak reports whether the long versions are wanted.
func soak() bool { return os.Getenv("BEAKER_SOAK") == "1" }
