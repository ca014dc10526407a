package leaktest_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/filestore"
	"github.com/seed12c5fab1/beaker/internal/leaks"
	"github.com/seed12c5fab1/beaker/internal/leaktest"
	"github.com/seed12c5fab1/beaker/memstore"
)

func TestMain(m *testing.M) { os.Exit(leaks.Watch(m).Run()) }

// dumpOf is what a store lists.
func dumpOf(store beaker.Lister) func() ([]byte, error) {
	return func() (all []byte, err error) {
		for q := (beaker.ListQuery{}); ; {
			page, next, err := store.List(context.Background(), q)
			if err != nil {
				return nil, err
			}
			for _, rec := range page {
				if all, err = rec.AppendBinary(all); err != nil {
					return nil, err
				}
			}
			if q.Cursor = next; next == "" {
				return all, nil
			}
		}
	}
}

func TestMemory(t *testing.T) {
	store, err := memstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	leaktest.Store(t, store, dumpOf(store))
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	store, err := filestore.Open(dir, &filestore.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	leaktest.Store(t, store, func() (all []byte, err error) {
		err = fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
			all = append(all, path+"\n"...)
			if err != nil || d.IsDir() {
				return err
			}
			b, err := fs.ReadFile(os.DirFS(dir), path)
			all = append(all, b...)
			return err
		})
		return all, err
	})
}

// probe is a test that may fail.
type probe struct{ failures []string }

func (p *probe) Helper() {}

func (p *probe) Errorf(format string, args ...any) {
	p.failures = append(p.failures, fmt.Sprintf(format, args...))
}

// chatty is a store that says too much.
type chatty struct {
	*memstore.Store
	apply func(rec *beaker.Record, ch *beaker.Change) error
}

func (s chatty) Apply(ctx context.Context, key beaker.RecordKey, ch *beaker.Change) (beaker.Version, error) {
	v, err := s.Store.Apply(ctx, key, ch)
	if err != nil {
		err = fmt.Errorf("%w: %w", err, s.apply(ch.Base, ch))
	}
	return v, err
}

// Each kind of leak is found, or a store's test shows nothing.
func TestALeakingStoreIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		apply func(rec *beaker.Record, ch *beaker.Change) error
		more  func() []byte // in the dump
		want  string
	}{
		"quotes the value": {apply: func(_ *beaker.Record, ch *beaker.Change) error { return fmt.Errorf("bad value %x", ch.Set[0].Data) }, want: "a value: in what was said"},
		"quotes the proof": {apply: func(_ *beaker.Record, ch *beaker.Change) error {
			p := [32]byte(ch.Proof)
			return fmt.Errorf("bad proof %x", p)
		}, want: "a proof: in what was said"},
		"keeps a key": {more: func() []byte {
			text := beaker.NewSecret()
			_, key, _ := strings.Cut(text, ":")
			leaks.RememberText("a key", key)
			return []byte(text)
		}, want: "in what the store keeps"},
	} {
		t.Run(name, func(t *testing.T) {
			inner, err := memstore.New(nil)
			if err != nil {
				t.Fatal(err)
			}
			store := chatty{Store: inner, apply: c.apply}
			if c.apply == nil {
				store.apply = func(*beaker.Record, *beaker.Change) error { return nil }
			}
			p := &probe{}
			leaktest.Store(p, store, func() ([]byte, error) {
				all, err := dumpOf(inner)()
				if c.more != nil {
					all = append(all, c.more()...)
				}
				return all, err
			})
			if !strings.Contains(strings.Join(p.failures, "\n"), c.want) {
				t.Errorf("found %q, not %q", p.failures, c.want)
			}
		})
	}
	// And a dump that is not the store's is refused.
	inner, err := memstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &probe{}
	leaktest.Store(p, inner, func() ([]byte, error) { return []byte("something else"), nil })
	if !strings.Contains(strings.Join(p.failures, "\n"), "it shows nothing") {
		t.Errorf("any dump will do: %q", p.failures)
	}
}
