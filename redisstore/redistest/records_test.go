package redistest

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

var serial atomic.Uint64

func unique(what string) [32]byte {
	b := binary.BigEndian.AppendUint64([]byte(what), serial.Add(1))
	return sha256.Sum256(binary.BigEndian.AppendUint64(b, uint64(os.Getpid())))
}

// epoch is the present: Redis drops keys by its own clock.
var epoch = beaker.MillisOf(time.Now())

const hour = time.Hour

// newMeta is an anonymous session of half an hour's idle time, begun at epoch.
func newMeta() beaker.Meta {
	return beaker.Meta{
		Key: unique("key"), Proof: unique("proof"), Version: 1, Created: epoch, Touched: epoch,
		Idle: 30 * time.Minute, Absolute: epoch.Add(12 * hour),
	}
}

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

func wantGone(tb testing.TB, s beaker.Store, key beaker.RecordKey, when string) {
	tb.Helper()
	if _, err := s.Load(tb.Context(), key); !errors.Is(err, beaker.ErrNotFound) {
		tb.Errorf("Load %s: %v, want ErrNotFound", when, err)
	}
}

// changeOf is a change with the proof of rec, a second after its last use.
func changeOf(rec *beaker.Record) *beaker.Change {
	m := rec.Meta()
	return &beaker.Change{Now: m.Touched + 1000, Proof: m.Proof, Began: m.Touched + 1000}
}

func setting(rec *beaker.Record, pairs ...string) *beaker.Change {
	ch := changeOf(rec)
	ch.Set = values(pairs...)
	return ch
}

func signingIn(rec *beaker.Record, subject string) *beaker.Change {
	ch := changeOf(rec)
	ch.Subject, ch.AuthenticatedAt, ch.Rotate = &subject, ch.Began, &beaker.Rotation{Next: unique("next")}
	return ch
}

func rotating(rec *beaker.Record) *beaker.Change {
	ch := changeOf(rec)
	ch.Rotate = &beaker.Rotation{Next: unique("next")}
	return ch
}

func outcome(err error) string {
	for name, known := range map[string]error{
		"ErrNotFound": beaker.ErrNotFound, "ErrConflict": beaker.ErrConflict, "ErrRevoked": beaker.ErrRevoked,
		"ErrExists": beaker.ErrExists, "ErrUncertain": beaker.ErrUncertain,
	} {
		if errors.Is(err, known) {
			return name
		}
	}
	if err != nil {
		return strings.ReplaceAll("error:"+err.Error(), " ", "_")
	}
	return "ok"
}

// increment is what Manager.Update does to a counter: read, write on condition that
// nobody else did, again.
func increment(ctx context.Context, s beaker.Store, key beaker.RecordKey, name string) (int, error) {
	for {
		rec, err := s.Load(ctx, key)
		if err != nil {
			return 0, err
		}
		n := number(rec, name)
		ch := setting(rec, name, strconv.Itoa(n+1))
		ch.Base, ch.IfVersion = rec, rec.Version()
		_, err = s.Apply(ctx, key, ch)
		if !errors.Is(err, beaker.ErrConflict) {
			return n + 1, err
		}
	}
}

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

// until waits for something that is told to nobody, and fails if it does not come.
func until(tb testing.TB, what string, cond func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !cond(); {
		if time.Now().After(deadline) || tb.Failed() {
			tb.Fatalf("%s: that does not come about", what)
		}
		<-time.After(2 * time.Millisecond)
	}
}
