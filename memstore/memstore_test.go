package memstore_test

import (
	"context"
	"encoding/binary"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/memstore"
)

const (
	start = beaker.Millis(1_700_000_000_000)
	idle  = 30 * time.Minute
)

// key returns the n-th key.
func key(n int) (k beaker.RecordKey) {
	binary.BigEndian.PutUint64(k[:], uint64(n)+1)
	return k
}

func proof(n int) (p beaker.Proof) {
	binary.BigEndian.PutUint64(p[:], uint64(n)+1)
	return p
}

// record returns the n-th record as it is right after it was made at a time.
func record(tb testing.TB, n int, subject string, made beaker.Millis, valueBytes int) *beaker.Record {
	tb.Helper()
	return recordFor(tb, n, subject, made, idle, valueBytes)
}

func recordFor(tb testing.TB, n int, subject string, made beaker.Millis, idle time.Duration, valueBytes int) *beaker.Record {
	tb.Helper()
	var values []beaker.Value
	if valueBytes > 0 {
		values = []beaker.Value{{Name: "v", Data: make([]byte, valueBytes)}}
	}
	meta := beaker.Meta{
		Key: key(n), Proof: proof(n), Version: 1, Created: made, Touched: made,
		Idle: idle, Absolute: made.Add(240 * time.Hour), Subject: subject,
	}
	if subject != "" {
		meta.AuthenticatedAt = made
	}
	rec, err := beaker.NewRecord(meta, values)
	if err != nil {
		tb.Fatal(err)
	}
	return rec
}

func open(tb testing.TB, opts *memstore.Options) *memstore.Store {
	tb.Helper()
	s, err := memstore.New(opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

func create(tb testing.TB, s *memstore.Store, recs ...*beaker.Record) {
	tb.Helper()
	for _, rec := range recs {
		if err := s.Create(tb.Context(), rec); err != nil {
			tb.Fatal(err)
		}
	}
}

func has(tb testing.TB, s *memstore.Store, n int) bool {
	tb.Helper()
	_, err := s.Load(tb.Context(), key(n))
	if err != nil && !errors.Is(err, beaker.ErrNotFound) {
		tb.Fatal(err)
	}
	return err == nil
}

func check(tb testing.TB, s *memstore.Store) {
	tb.Helper()
	if err := memstore.Check(s); err != nil {
		tb.Fatal(err)
	}
}

func TestNewReportsEveryMistakeAtOnce(t *testing.T) {
	_, err := memstore.New(&memstore.Options{MaxEntries: -1, MaxBytes: -7})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"Options.MaxEntries is -1: use 1 to", "Options.MaxBytes is -7: use a positive"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	if _, err := memstore.New(&memstore.Options{MaxEntries: 1<<30 + 1}); err == nil {
		t.Error("accepted more entries than shards can hold")
	}
	for _, opts := range []*memstore.Options{nil, {}, {MaxEntries: 1, MaxBytes: 1}} {
		if _, err := memstore.New(opts); err != nil {
			t.Errorf("%+v: %v", opts, err)
		}
	}
}

func TestShardsGrowWithTheBound(t *testing.T) {
	for _, tt := range []struct{ maxEntries, want int }{
		{1, 16}, {100_000, 16}, {0, 128}, {10_000_000, 2048}, {1 << 30, 4096},
	} {
		if got := memstore.Shards(open(t, &memstore.Options{MaxEntries: tt.maxEntries})); got != tt.want {
			t.Errorf("MaxEntries %d: %d shards, want %d", tt.maxEntries, got, tt.want)
		}
	}
}

// ME-1: what is handed out is immutable, so it may be what is stored.
func TestLoadSharesTheRecordAndDoesNotAllocate(t *testing.T) {
	s := open(t, nil)
	for n := range 1000 {
		create(t, s, record(t, n, "", start, 50))
	}
	want := record(t, 5000, "user", start, 50)
	create(t, s, want)
	ctx, k := t.Context(), key(5000)
	var got *beaker.Record
	var err error
	if allocs := testing.AllocsPerRun(200, func() { got, err = s.Load(ctx, k) }); allocs != 0 {
		t.Errorf("Load allocates %v times", allocs)
	}
	if err != nil || got != want {
		t.Fatalf("got %p, %v; want %p", got, err, want)
	}
	miss := key(5001)
	if allocs := testing.AllocsPerRun(200, func() { _, err = s.Load(ctx, miss) }); allocs != 0 {
		t.Errorf("Load of an absent key allocates %v times", allocs)
	}
	if !errors.Is(err, beaker.ErrNotFound) {
		t.Fatal(err)
	}
}

// A touch is the most frequent write: the new record and nothing else.
func TestTouchAllocatesOnlyTheRecord(t *testing.T) {
	s := open(t, nil)
	for n := range 1000 {
		create(t, s, record(t, n, "u", start, 50))
	}
	ctx, k, now := t.Context(), key(7), start
	ch := &beaker.Change{Proof: proof(7)}
	allocs := testing.AllocsPerRun(200, func() {
		now++
		ch.Now, ch.Touch = now, now
		if _, err := s.Apply(ctx, k, ch); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 1 {
		t.Errorf("a touch allocates %v times", allocs)
	}
	check(t, s)
}

func TestAHintOfAnotherStoreIsNotKept(t *testing.T) {
	s := open(t, nil)
	create(t, s, record(t, 1, "", start, 10).WithHint(new([1 << 10]byte)))
	rec, err := s.Load(t.Context(), key(1))
	if err != nil {
		t.Fatal(err)
	}
	if rec.Hint() != nil {
		t.Error("the hint holds memory that is not accounted for")
	}
}

func TestNilArgumentsAreErrors(t *testing.T) {
	s := open(t, nil)
	if err := s.Create(t.Context(), nil); err == nil {
		t.Error("Create(nil) succeeded")
	}
	if _, err := s.Apply(t.Context(), key(1), nil); err == nil {
		t.Error("Apply(nil) succeeded")
	}
}

func TestCloseFreesAndStaysClosed(t *testing.T) {
	s, err := memstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 500 {
		create(t, s, record(t, n, []string{"", "a", "b"}[n%3], start, 20))
	}
	if _, err := s.RevokeSubject(t.Context(), "c", start); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if n := memstore.Held(s); n != 0 {
		t.Errorf("a closed store holds on to %d things", n)
	}
	if got := s.Stats(); got != (memstore.Stats{}) {
		t.Errorf("a closed store counts %+v", got)
	}
	check(t, s)
	ctx := t.Context()
	for name, call := range calls(t, s) {
		if err := call(ctx); !errors.Is(err, beaker.ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
}

func TestAContextThatIsDoneChangesNothing(t *testing.T) {
	s := open(t, nil)
	create(t, s, record(t, 1, "u", start, 20), record(t, 2, "", start, 20))
	before := s.Stats()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range calls(t, s) {
		if err := call(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := s.Stats(); got != before || memstore.Marks(s) != 0 {
		t.Errorf("now %+v and %d marks, before %+v", got, memstore.Marks(s), before)
	}
}

// calls returns a call of each method that would do something to session 1.
func calls(tb testing.TB, s *memstore.Store) map[string]func(context.Context) error {
	tb.Helper()
	return map[string]func(context.Context) error{
		"Create": func(ctx context.Context) error { return s.Create(ctx, record(tb, 9, "", start, 0)) },
		"Load":   func(ctx context.Context) error { _, err := s.Load(ctx, key(1)); return err },
		"Apply": func(ctx context.Context) error {
			_, err := s.Apply(ctx, key(1), &beaker.Change{Now: start, AnyProof: true, Clear: true})
			return err
		},
		"Delete": func(ctx context.Context) error { return s.Delete(ctx, key(1)) },
		"List":   func(ctx context.Context) error { _, _, err := s.List(ctx, beaker.ListQuery{}); return err },
		"Purge":  func(ctx context.Context) error { _, err := s.Purge(ctx, start.Add(300*time.Hour), 10); return err },
		"RevokeSubject": func(ctx context.Context) error {
			_, err := s.RevokeSubject(ctx, "u", start)
			return err
		},
	}
}

// ME-1: there is nothing to stop on Close, because nothing is ever started. Counting
// goroutines would only show that none was running at that moment.
func TestThePackageStartsNoGoroutineAndReadsNoClock(t *testing.T) {
	files := token.NewFileSet()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	clock := []string{"Now", "Since", "Until", "AfterFunc", "NewTimer", "NewTicker", "Tick", "After", "Sleep"}
	seen := 0
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		seen++
		file, err := parser.ParseFile(files, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: starts a goroutine", files.Position(n.Pos()))
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clock, n.Sel.Name) {
					t.Errorf("%s: reads a clock or starts a timer", files.Position(n.Pos()))
				}
			}
			return true
		})
	}
	if seen == 0 {
		t.Fatal("no source files were read")
	}
}
