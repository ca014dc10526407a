package filestore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// White box: which way was taken is seen from inside only. Both find the same, and what
// is not a plain file is left to os.Root, with no descriptor left behind.
func TestReadingDirectlyAgreesWithRoot(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "sessions")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(filepath.Join(dir, "ab"), 0o700))
	must(os.WriteFile(filepath.Join(parent, "outside"), []byte("not ours"), 0o600))
	in := func(name string) string { return filepath.Join(dir, name) }
	large := strings.Repeat("x", 100_000)
	must(os.WriteFile(in("ab/plain"), []byte("data"), 0o600))
	must(os.WriteFile(in("ab/large"), []byte(large), 0o600))
	must(os.WriteFile(in("ab/empty"), nil, 0o600))
	must(os.Symlink("plain", in("ab/link")))
	must(os.Symlink("../../outside", in("ab/out")))
	must(os.Symlink(filepath.Join(parent, "outside"), in("ab/absolute")))
	must(os.Symlink(parent, in("cd")))
	must(os.Mkdir(in("ab/folder"), 0o700))
	must(syscall.Mkfifo(in("ab/pipe"), 0o600))

	root, err := os.OpenRoot(dir)
	must(err)
	defer root.Close()
	d := openDirect(root)
	if d == nil {
		t.Fatal("the directory does not open")
	}
	defer d.close()
	broken := errors.New("any error")
	for _, c := range []struct {
		name   string
		direct bool // it is read, or found missing, without os.Root
		want   string
		err    error
	}{
		{"ab/plain", true, "data", nil},
		{"ab/large", true, large, nil},
		{"ab/empty", true, "", nil},
		{"ab/none", true, "", fs.ErrNotExist},
		{"ef/none", true, "", fs.ErrNotExist},
		{"none", false, "", fs.ErrNotExist},
		{"ab/folder/none", false, "", fs.ErrNotExist},
		{"ab/link", false, "data", nil},
		{"ab/out", false, "", errNotRegular},
		{"ab/absolute", false, "", errNotRegular},
		{"ab/folder", false, "", errNotRegular},
		{"ab/pipe", false, "", errNotRegular},
		{"cd/outside", false, "", broken},
		{"../outside", false, "", broken},
	} {
		before := descriptors(t)
		b, ok, err := d.read(c.name, []byte("#"))
		if ok != c.direct || ok && (!errors.Is(err, c.err) || err == nil && string(b) != "#"+c.want) {
			t.Errorf("%s: directly %.20q, %v, %v", c.name, b, ok, err)
		}
		for _, r := range []rootFS{{root, d}, {root, nil}} {
			b, err := r.read(c.name, []byte("#"))
			if !errors.Is(err, c.err) && (c.err != broken || err == nil) || err == nil && string(b) != "#"+c.want {
				t.Errorf("%s: %.20q, %v, want %v", c.name, b, err, c.err)
			}
		}
		if after := descriptors(t); after != before {
			t.Errorf("%.20s: %d descriptors are open, %d before", c.name, after, before)
		}
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
