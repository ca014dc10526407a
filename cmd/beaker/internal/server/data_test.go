// White-box, because what processes that start at once do to each other's files
// cannot be forced through Run.
package server

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestFirstStartMakesThePrivateFolderAndTheSecrets(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "data")
	first, err := openData(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{dir: 0o700 | os.ModeDir, filepath.Join(dir, "secrets"): 0o600} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", name, info.Mode(), want)
		}
	}
	again, err := openData(dir)
	if err != nil || !slices.Equal(first.IDs(), again.IDs()) {
		t.Errorf("the second start has other secrets: %v %v, %v", first.IDs(), again, err)
	}
	checkOnly(t, dir, "secrets")
}

func TestStartsAtOnceAgreeOnTheSecrets(t *testing.T) {
	dir := t.TempDir()
	const n = 8
	ids := make(chan []string, n)
	start := make(chan struct{})
	for range n {
		go func() {
			<-start
			s, err := openData(dir)
			if err != nil {
				t.Error(err)
				ids <- nil
				return
			}
			ids <- s.IDs()
		}()
	}
	close(start)
	first := <-ids
	for range n - 1 {
		if other := <-ids; !slices.Equal(first, other) {
			t.Errorf("%v and %v", first, other)
		}
	}
	checkOnly(t, dir, "secrets")
}

func checkOnly(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, want) {
		t.Errorf("the folder has %v, want %v", got, want)
	}
}

func TestBadDataFolderIsExplained(t *testing.T) {
	base := t.TempDir()
	file := filepath.Join(base, "file")
	open := filepath.Join(base, "open")
	folder := filepath.Join(base, "folder")
	empty := filepath.Join(base, "empty")
	for _, err := range []error{
		os.WriteFile(file, nil, 0o600),
		os.MkdirAll(open, 0o700), os.WriteFile(filepath.Join(open, "secrets"), []byte("x"), 0o600),
		os.Chmod(filepath.Join(open, "secrets"), 0o644), // whatever the umask says
		os.MkdirAll(filepath.Join(folder, "secrets"), 0o700),
		os.MkdirAll(empty, 0o700), os.WriteFile(filepath.Join(empty, "secrets"), nil, 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for dir, wants := range map[string][]string{
		"":                         {"--data wants a name"},
		file:                       {file, "choose another with --data"},
		filepath.Join(file, "sub"): {file, "choose another with --data"},
		open:                       {"chmod 600", "secrets", "remove it"},
		folder:                     {"not a regular file", "remove it"},
		empty:                      {"there is none", empty, "remove it"},
	} {
		_, err := openData(dir)
		if err == nil {
			t.Errorf("%q: no error", dir)
			continue
		}
		for _, want := range wants {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q: want %q in: %v", dir, want, err)
			}
		}
	}
}
