package filestore_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/filestore"
)

func TestOpenMakesTheDirectoryAndWhatIsAboveIt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b", "sessions")
	create(t, open(t, dir, nil), metaOf(1))
	if _, err := os.Stat(path(dir, keyOf(1))); err != nil {
		t.Error(err)
	}
}

func TestOpenRefusesWhatIsNotADirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	writeFile(t, file, nil)
	inside := t.TempDir()
	writeFile(t, filepath.Join(inside, "5e"), nil)
	for _, c := range []struct{ desc, dir, want string }{
		{"no name", "", "no directory given"},
		{"a file", file, "is not a directory"},
		{"below a file", filepath.Join(file, "sessions"), "not a directory"},
		{"a file where a folder belongs", inside, "5e is not a directory"},
	} {
		t.Run(c.desc, func(t *testing.T) {
			s, err := filestore.Open(c.dir, nil)
			if err == nil {
				_ = s.Close()
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "filestore: ") {
				t.Errorf("the error does not say %q: %v", c.want, err)
			}
		})
	}
}

func TestARemovedDirectoryIsNamedAsSuch(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sessions")
	s := open(t, dir, nil)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	err := s.Create(context.Background(), record(t, metaOf(1)))
	if err == nil || !strings.Contains(err.Error(), "the store's directory was removed") {
		t.Errorf("Create: %v", err)
	}
}

func TestMethodsFailAfterCloseAndWithADoneContext(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	m := metaFor(1, "alice")
	create(t, s, m)
	done, cancel := context.WithCancel(context.Background())
	cancel()
	calls := map[string]func(context.Context) error{
		"Create": func(ctx context.Context) error { return s.Create(ctx, record(t, metaOf(2))) },
		"Load":   func(ctx context.Context) error { _, err := s.Load(ctx, m.Key); return err },
		"Apply": func(ctx context.Context) error {
			_, err := s.Apply(ctx, m.Key, &beaker.Change{Now: now, AnyProof: true, Clear: true})
			return err
		},
		"Delete": func(ctx context.Context) error { return s.Delete(ctx, m.Key) },
		"List":   func(ctx context.Context) error { _, _, err := s.List(ctx, beaker.ListQuery{}); return err },
		"Purge":  func(ctx context.Context) error { _, err := s.Purge(ctx, now.Add(1e15), 1); return err },
		"RevokeSubject": func(ctx context.Context) error {
			_, err := s.RevokeSubject(ctx, "alice", now)
			return err
		},
	}
	for name, call := range calls {
		if err := call(done); !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a done context: %v", name, err)
		}
	}
	if page, _, err := s.List(context.Background(), beaker.ListQuery{}); len(page) != 1 || page[0].Version() != 1 || err != nil {
		t.Errorf("something happened all the same: %v, %v", page, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, call := range calls {
		if err := call(context.Background()); !errors.Is(err, beaker.ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
}

// What helps when the directory goes away later would mislead whoever cannot make it.
func TestOpenDoesNotSpeakOfADirectoryThatWasRemoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "link", "sessions")
	if err := os.Symlink("nowhere", filepath.Dir(dir)); err != nil {
		t.Fatal(err)
	}
	_, err := filestore.Open(dir, nil)
	if err == nil || strings.Contains(err.Error(), "was removed") {
		t.Errorf("got %v", err)
	}
}
