package storetest

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync/atomic"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// env is what a check works with: the store, a time to start from, and helpers that
// stop the check when the store does not do what they say.
type env struct {
	tb
	a, b   beaker.Store  // two nodes; the same value where there is one
	nodes  bool          // a and b are two values
	base   beaker.Millis // the present, as the check has it
	rounds int

	patience time.Duration // how long a node may serve an older copy

	raced, overlapped int
	seq               *atomic.Uint64
}

func newEnv(t tb, s *suite) *env {
	return &env{tb: t, nodes: s.nodes, rounds: s.rounds, patience: s.patience, base: beaker.MillisOf(time.Now()), seq: new(atomic.Uint64)}
}

func (e *env) ctx() context.Context { return e.Context() }

// unique returns 32 bytes that it never returned before, spread like a hash's.
func (e *env) unique(what string) [32]byte {
	return sha256.Sum256(binary.BigEndian.AppendUint64([]byte(what), e.seq.Add(1)))
}

func (e *env) key() beaker.RecordKey { return e.unique("key") }
func (e *env) proof() beaker.Proof   { return e.unique("proof") }

const (
	minute = beaker.Millis(60_000)
	hour   = 60 * minute
)

// meta returns an anonymous session of half an hour's idle time, under a new key.
func (e *env) meta() beaker.Meta {
	return beaker.Meta{
		Key: e.key(), Proof: e.proof(), Version: 1, Created: e.base, Touched: e.base,
		Idle: 30 * time.Minute, Absolute: e.base + 12*hour,
	}
}

func (e *env) record(m beaker.Meta, values ...beaker.Value) *beaker.Record {
	e.Helper()
	rec, err := beaker.NewRecord(m, values)
	if err != nil {
		e.Fatalf("NewRecord: %v", err)
	}
	return rec
}

// pairs makes values of names and data in turn.
func pairs(namesAndData ...string) []beaker.Value {
	values := make([]beaker.Value, 0, len(namesAndData)/2)
	for i := 0; i+1 < len(namesAndData); i += 2 {
		values = append(values, beaker.Value{Name: namesAndData[i], Data: []byte(namesAndData[i+1])})
	}
	return values
}

func ptr[T any](v T) *T { return &v }

// held is a record that is in the store, and what it should be there.
type held struct {
	*env
	store beaker.Store
	rec   *beaker.Record
	was   beaker.RecordKey // its key, where rec is nil: it is no more
}

// hold creates a record with these values.
func (e *env) hold(namesAndData ...string) *held {
	e.Helper()
	return e.holdRecord(e.record(e.meta(), pairs(namesAndData...)...))
}

// holdMeta creates a record of which change sets some fields.
func (e *env) holdMeta(change func(*beaker.Meta), namesAndData ...string) *held {
	e.Helper()
	m := e.meta()
	change(&m)
	return e.holdRecord(e.record(m, pairs(namesAndData...)...))
}

func (e *env) holdRecord(rec *beaker.Record) *held {
	e.Helper()
	if err := e.a.Create(e.ctx(), rec); err != nil {
		e.Fatalf("Create: %v", err)
	}
	return &held{env: e, store: e.a, rec: e.copied(rec)}
}

// copied returns a record that a store which changes records in place cannot reach.
func (e *env) copied(rec *beaker.Record) *beaker.Record {
	e.Helper()
	out, err := beaker.RestoreRecord(rec.Meta(), rec.AppendValues(nil))
	if err != nil {
		e.Fatalf("RestoreRecord: %v", err)
	}
	return out
}

func (h *held) key() beaker.RecordKey {
	if h.rec == nil {
		return h.was
	}
	return h.rec.Key()
}

// change returns a change by the holder of the current proof, a second after the start.
func (h *held) change() *beaker.Change {
	return &beaker.Change{Now: h.base + 1000, Began: h.base + 1000, Proof: h.rec.Meta().Proof}
}

func (h *held) set(namesAndData ...string) *beaker.Change {
	ch := h.change()
	ch.Set = pairs(namesAndData...)
	return ch
}

func (h *held) touch(at beaker.Millis) *beaker.Change {
	ch := h.change()
	ch.Now, ch.Touch = at, at
	return ch
}

func (h *held) rotate(next beaker.Proof, grace time.Duration) *beaker.Change {
	ch := h.change()
	ch.Rotate = &beaker.Rotation{Next: next, Grace: grace}
	return ch
}

// apply applies a change that must succeed, and sees that the store did exactly what
// Merge does: the version that it returned, and the record that it now holds.
func (h *held) apply(ch *beaker.Change) {
	h.Helper()
	want, err := beaker.Merge(h.rec, ch)
	if err != nil {
		h.Fatalf("the check is wrong: Merge refuses its change: %v", err)
	}
	v, err := h.store.Apply(h.ctx(), h.key(), ch)
	if err != nil {
		h.Fatalf("Apply: %v; want version %d", err, want.Version())
	}
	if v != want.Version() {
		h.Errorf("Apply returned version %d, want %d", v, want.Version())
	}
	h.rec = want
	h.same("after the change")
}

// refuse applies a change that must be refused with an error that is want (nil: any),
// and sees that nothing changed.
func (h *held) refuse(ch *beaker.Change, want error, why string) {
	h.Helper()
	if _, err := beaker.Merge(h.rec, ch); err == nil || want != nil && !errors.Is(err, want) {
		h.Fatalf("%s: the check is wrong: Merge: %v", why, err)
	}
	_, err := h.store.Apply(h.ctx(), h.key(), ch)
	switch {
	case err == nil:
		h.Errorf("%s: Apply succeeded, want %s", why, outcome(0, want))
	case want != nil && !errors.Is(err, want):
		h.Errorf("%s: Apply: %v, want %v", why, err, want)
	}
	h.same(why + ": after the refused change")
}

// same sees that the store holds the record as it should be.
func (h *held) same(when string) {
	h.Helper()
	got, err := h.store.Load(h.ctx(), h.key())
	if err != nil {
		h.Fatalf("%s: Load: %v", when, err)
	}
	if d := diff(h.rec, got); d != "" {
		h.Fatalf("%s: the store holds another record:\n%s", when, d)
	}
}

// gone sees that the record is gone, also for a change that needs no proof.
func (h *held) gone(when string) {
	h.Helper()
	h.absent(h.store, h.key(), when)
}

func (e *env) absent(s beaker.Store, key beaker.RecordKey, when string) {
	e.Helper()
	_, err := s.Apply(e.ctx(), key, &beaker.Change{Now: e.base, AnyProof: true, Touch: e.base + 1})
	if !errors.Is(err, beaker.ErrNotFound) {
		e.Errorf("%s: Apply: %s, want ErrNotFound", when, outcome(0, err))
	}
	if err := e.soon(func() error {
		_, err := s.Load(e.ctx(), key)
		if !errors.Is(err, beaker.ErrNotFound) {
			return fmt.Errorf("Load: %s, want ErrNotFound", outcome(0, err))
		}
		return nil
	}); err != nil {
		e.Errorf("%s: %v", when, err)
	}
}

// soon returns what look returns: at once where there is one node. Between nodes it
// waits until look is satisfied, because a node may serve its copy for a moment.
func (e *env) soon(look func() error) error {
	if !e.nodes {
		return look()
	}
	poll := time.NewTicker(2 * time.Millisecond)
	defer poll.Stop()
	end := time.NewTimer(e.patience)
	defer end.Stop()
	for {
		err := look()
		if err == nil {
			return nil
		}
		select {
		case <-poll.C:
		case <-end.C:
			return fmt.Errorf("%w (waited for %s)", err, e.patience)
		case <-e.ctx().Done():
			return err
		}
	}
}

// outcome says what a call returned in words that can be compared.
func outcome(v beaker.Version, err error) string {
	for _, known := range []struct {
		err  error
		name string
	}{
		{beaker.ErrNotFound, "ErrNotFound"},
		{beaker.ErrExists, "ErrExists"},
		{beaker.ErrConflict, "ErrConflict"},
		{beaker.ErrRevoked, "ErrRevoked"},
		{beaker.ErrTooLarge, "ErrTooLarge"},
		{beaker.ErrClosed, "ErrClosed"},
		{beaker.ErrCorrupt, "ErrCorrupt"},
		{beaker.ErrUncertain, "ErrUncertain"},
	} {
		if errors.Is(err, known.err) {
			return known.name
		}
	}
	switch {
	case err != nil:
		return "error: " + err.Error()
	case v != 0:
		return fmt.Sprintf("version %d", v)
	}
	return "no error"
}

// diff says in what two records differ, a line each; "" if in nothing. Nil is no
// record. Hints are the store's own and not compared.
func diff(want, got *beaker.Record) string {
	if want == nil || got == nil {
		if want == got {
			return ""
		}
		return fmt.Sprintf("  record: %v, want %v", got, want)
	}
	var lines []string
	line := func(field string, want, got any) {
		if want != got {
			lines = append(lines, fmt.Sprintf("  %s: %v, want %v", field, got, want))
		}
	}
	w, g := want.Meta(), got.Meta()
	line("Key", w.Key, g.Key)
	line("Proof", w.Proof, g.Proof)
	line("PrevProof", w.PrevProof, g.PrevProof)
	line("PrevUntil", w.PrevUntil, g.PrevUntil)
	line("RotatedAt", w.RotatedAt, g.RotatedAt)
	line("Version", w.Version, g.Version)
	line("Created", w.Created, g.Created)
	line("Touched", w.Touched, g.Touched)
	line("Idle", w.Idle, g.Idle)
	line("Absolute", w.Absolute, g.Absolute)
	line("Subject", w.Subject, g.Subject)
	line("AuthenticatedAt", w.AuthenticatedAt, g.AuthenticatedAt)
	switch {
	case (w.Cookie == nil) != (g.Cookie == nil):
		lines = append(lines, fmt.Sprintf("  Cookie: %+v, want %+v", g.Cookie, w.Cookie))
	case w.Cookie != nil:
		line("Cookie", *w.Cookie, *g.Cookie)
	}
	wv, gv := maps.Collect(want.Values()), maps.Collect(got.Values())
	for name, data := range want.Values() {
		switch d, ok := gv[name]; {
		case !ok:
			lines = append(lines, fmt.Sprintf("  value %.60q is missing", name))
		case d != data:
			lines = append(lines, fmt.Sprintf("  value %.60q: %.60q (%d bytes), want %.60q (%d bytes)", name, d, len(d), data, len(data)))
		}
	}
	for name := range got.Values() {
		if _, ok := wv[name]; !ok {
			lines = append(lines, fmt.Sprintf("  value %.60q should not be there", name))
		}
	}
	line("Len", want.Len(), got.Len())
	return strings.Join(lines, "\n")
}
