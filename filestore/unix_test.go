//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package filestore_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/filestore"
)

func systemRoles() map[string]func(dir string, n int) error {
	return map[string]func(string, int) error{"umask": beUnderUmask}
}

// beUnderUmask makes one of each kind of file. The umask is the whole process's, so
// this is a process of its own.
func beUnderUmask(dir string, mask int) error {
	syscall.Umask(mask)
	ctx := context.Background()
	s, err := filestore.Open(dir, nil)
	if err != nil {
		return err
	}
	for n := range 2 {
		rec, err := beaker.NewRecord(metaFor(n, "alice"), nil)
		if err != nil {
			return err
		}
		if err := s.Create(ctx, rec); err != nil {
			return err
		}
	}
	if _, err := s.Apply(ctx, keyOf(1), &beaker.Change{Now: now, Proof: proofOf(1), Clear: true}); err != nil {
		return err
	}
	if _, err := s.RevokeSubject(ctx, "alice", now, keyOf(1)); err != nil {
		return err
	}
	return s.Close()
}

// FS-2: folders 0700 and files 0600, whatever the umask.
func TestModesDoNotDependOnTheUmask(t *testing.T) {
	for _, mask := range []int{0, 0o022, 0o077, 0o477} {
		t.Run(fmt.Sprintf("%04o", mask), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "new", "sessions")
			spawn(t, "umask", dir, mask).mustEnd()
			var kinds int
			err := filepath.WalkDir(filepath.Dir(dir), func(p string, d fs.DirEntry, err error) error {
				if err != nil {
					return err
				}
				fi, err := d.Info()
				if err != nil {
					return err
				}
				want := fs.FileMode(0o600)
				if d.IsDir() {
					want = fs.ModeDir | 0o700
				}
				if fi.Mode() != want {
					t.Errorf("%s has the mode %v, want %v", p, fi.Mode(), want)
				}
				kinds++
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			if kinds < 10 {
				t.Errorf("only %d files and folders seen", kinds)
			}
		})
	}
}

// FS-2: a directory in which others may write is refused, and so are folders in it.
// Modes are looked at, not tried, so that it holds for root too.
func TestOpenRefusesWhatOthersMayWriteTo(t *testing.T) {
	for _, c := range []struct {
		desc, folder string
		mode         fs.FileMode
		want         string
	}{
		{"others", ".", 0o707, "can be written to by others (mode 0707)"},
		{"the group", ".", 0o770, "can be written to by others (mode 0770)"},
		{"everybody, with the sticky bit", ".", 0o777 | fs.ModeSticky, "can be written to by others (mode 0777)"},
		{"a folder of sessions", "5e", 0o777, "5e can be written to by others"},
		{"the locks", "locks", 0o777, "locks can be written to by others"},
		{"the index", "subjects", 0o777, "subjects can be written to by others"},
		{"others may read", ".", 0o755, ""},
	} {
		t.Run(c.desc, func(t *testing.T) {
			dir := t.TempDir()
			name := filepath.Join(dir, c.folder)
			if err := os.MkdirAll(name, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(name, c.mode); err != nil {
				t.Fatal(err)
			}
			s, err := filestore.Open(dir, nil)
			if err == nil {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("Open: %v, want %q", err, c.want)
			}
		})
	}
}

// FS-2: somebody else's directory is refused. Only root can make one to test with;
// anybody else finds one: the root directory.
func TestOpenRefusesSomebodyElsesDirectory(t *testing.T) {
	dir := "/"
	if os.Geteuid() == 0 {
		dir = t.TempDir()
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(dir, 12345, 12345); err != nil {
			t.Fatal(err)
		}
	}
	s, err := filestore.Open(dir, nil)
	if err == nil {
		_ = s.Close()
		t.Fatal("opened")
	}
	if !strings.Contains(err.Error(), "belongs to user") {
		t.Error(err)
	}
	if os.Geteuid() == 0 && !strings.Contains(err.Error(), "can be written to by others") {
		t.Errorf("the error leaves out the second problem: %v", err)
	}
}

// FS-3: whatever has a session's name, it is not followed, not changed and not waited
// for.
func TestPlantedFilesAreNeitherFollowedNorWaitedFor(t *testing.T) {
	secret := []byte("somebody's file\n")
	m := metaFor(1, "alice")
	for _, c := range []struct {
		desc  string
		plant func(name, target string) error
	}{
		{"a symbolic link to a file outside", func(name, target string) error { return os.Symlink(target, name) }},
		{"a symbolic link to nothing", func(name, target string) error { return os.Symlink(target+"-no", name) }},
		{"a symbolic link to itself", func(name, _ string) error { return os.Symlink(filepath.Base(name), name) }},
		{"a symbolic link to another session", func(name, _ string) error {
			k := keyOf(2).String()
			return os.Symlink("../"+k[:2]+"/"+k, name)
		}},
		{"a hard link", func(name, target string) error { return os.Link(target, name) }},
		{"a pipe", func(name, _ string) error { return syscall.Mkfifo(name, 0o600) }},
		{"a folder", func(name, _ string) error { return os.Mkdir(name, 0o700) }},
		{"a folder that is not empty", func(name, _ string) error { return os.MkdirAll(filepath.Join(name, "x"), 0o700) }},
		{"a socket", func(name, _ string) error {
			fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
			if err != nil {
				return err
			}
			defer syscall.Close(fd)
			// The name may be longer than a socket's may be.
			wd, err := os.Getwd()
			if err != nil {
				return err
			}
			if err := os.Chdir(filepath.Dir(name)); err != nil { //nolint:usetesting // only for the next call
				return err
			}
			return errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: filepath.Base(name)}), os.Chdir(wd)) //nolint:usetesting // as above
		}},
	} {
		t.Run(c.desc, func(t *testing.T) {
			ctx, parent := context.Background(), t.TempDir()
			target := filepath.Join(parent, "target")
			writeFile(t, target, secret)
			dir := filepath.Join(parent, "sessions")
			s := open(t, dir, nil)
			other := create(t, s, metaFor(2, "bob"))
			name := path(dir, m.Key)
			if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := c.plant(name, target); err != nil {
				t.Fatal(err)
			}

			if rec, err := s.Load(ctx, m.Key); !errors.Is(err, beaker.ErrCorrupt) && !errors.Is(err, beaker.ErrNotFound) && !errors.Is(err, beaker.ErrNewerFormat) {
				t.Errorf("Load: %v, %v", rec, err)
			}
			if _, err := s.Apply(ctx, m.Key, &beaker.Change{Now: now, AnyProof: true, Clear: true}); err == nil {
				t.Error("Apply changed something")
			}
			if err := s.Create(ctx, record(t, m)); !errors.Is(err, beaker.ErrExists) {
				t.Errorf("Create: %v", err)
			}
			if page, _, err := s.List(ctx, beaker.ListQuery{}); len(page) != 1 || err != nil {
				t.Errorf("List: %v, %v", page, err)
			}
			if n, err := s.Purge(ctx, now, 10); n != 0 || err != nil {
				t.Errorf("Purge: %d, %v", n, err)
			}
			if err := s.Delete(ctx, m.Key); err != nil && !strings.Contains(c.desc, "not empty") {
				t.Errorf("Delete: %v", err)
			}
			if data, err := os.ReadFile(target); err != nil || string(data) != string(secret) {
				t.Errorf("the target is now %q, %v", data, err)
			}
			if rec, err := s.Load(ctx, other.Key()); err != nil || rec.Version() != 1 {
				t.Errorf("the other session: %v, %v", rec, err)
			}
		})
	}
}

// FS-3: a link in place of a folder, or of one of the store's own files.
func TestPlantedLinksDoNotLeadOutOfTheDirectory(t *testing.T) {
	ctx := context.Background()
	m := metaFor(1, "alice")
	folder := m.Key.String()[:2]
	h := hashOf("alice")
	for _, name := range []string{folder, "subjects/" + h[:2], "locks/" + folder, "subjects/" + h[:2] + "/" + h + ".revoked"} {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			dir, outside := filepath.Join(parent, "sessions"), filepath.Join(parent, "outside")
			s := open(t, dir, nil)
			if err := os.Mkdir(outside, 0o700); err != nil {
				t.Fatal(err)
			}
			link := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(link), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(outside, link); err != nil {
				t.Fatal(err)
			}
			if err := s.Create(ctx, record(t, m)); err == nil {
				t.Error("Create followed the link")
			}
			if files := tree(t, outside); len(files) != 0 {
				t.Errorf("outside: %v", files)
			}
		})
	}
}

func TestOpenRefusesALinkInPlaceOfAFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink(t.TempDir(), filepath.Join(dir, "5e")); err != nil {
		t.Fatal(err)
	}
	s, err := filestore.Open(dir, nil)
	if err == nil {
		_ = s.Close()
		t.Fatal("opened")
	}
	if !strings.Contains(err.Error(), "5e is not a directory") {
		t.Error(err)
	}
}

// The documented command removes the sessions that were not used for days, whenever
// their files were written, and nothing that the store needs.
func TestFindDeletesOldSessionsOnly(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	s := open(t, dir, nil)
	clock := beaker.MillisOf(time.Now()) // find has no other
	day := 24 * time.Hour
	ages := []time.Duration{0, day, 2 * day, 5 * day, 30 * day, 20_000 * day, -day}
	for i, age := range ages {
		m := metaFor(i, "alice")
		m.Touched = clock.Add(-age)
		m.Idle, m.Absolute = beaker.NoLimit, clock.Add(day)
		create(t, s, m)
	}
	touched := metaFor(100, "bob")
	touched.Touched, touched.Idle, touched.Absolute = clock.Add(-5*day), beaker.NoLimit, clock.Add(day)
	create(t, s, touched)
	if _, err := s.Apply(ctx, touched.Key, &beaker.Change{Now: clock, Proof: touched.Proof, Touch: clock}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.RevokeSubject(ctx, "carol", now); err != nil {
		t.Fatal(err)
	}
	before := tree(t, dir)
	// All else is as old as a store gets.
	for _, name := range before {
		if !strings.HasPrefix(name, "locks/") && !strings.HasPrefix(name, "subjects/") {
			continue
		}
		name = filepath.Join(dir, name)
		fi, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, time.Time{}, fi.ModTime().Add(-10*365*day)); err != nil {
			t.Fatal(err)
		}
	}

	if out, err := exec.Command("find", dir, "-type", "f", "-mtime", "+3", "-delete").CombinedOutput(); err != nil {
		t.Fatalf("find: %v: %s", err, out)
	}

	after := tree(t, dir)
	if len(before)-len(after) != 3 || below(before, "locks/") != below(after, "locks/") || below(before, "subjects/") != below(after, "subjects/") {
		t.Errorf("before %v\nafter %v", before, after)
	}
	for i, age := range ages {
		if _, err := s.Load(ctx, keyOf(i)); errors.Is(err, beaker.ErrNotFound) != (age > 3*day) {
			t.Errorf("used %v ago: %v", age, err)
		}
	}
	if _, err := s.Load(ctx, touched.Key); err != nil {
		t.Errorf("touched: %v", err)
	}
	// What is left in the index goes with the next Purge.
	if _, err := s.Purge(ctx, clock, 100); err != nil {
		t.Fatal(err)
	}
	if got := markers(t, dir); got != len(ages)-3+1 {
		t.Errorf("%d index entries", got)
	}
}

// holdLock locks a session's lock file like another process: with a descriptor of its
// own.
func holdLock(t *testing.T, dir string, key beaker.RecordKey) *os.File {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "locks"), 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "locks", key.String()[:2]), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return f
}

// A lock file is not to be removed. If it is, nobody goes on with a lock that the next
// process does not see.
func TestARemovedLockFileKeepsExcluding(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	s := open(t, dir, nil)
	m := metaOf(1)
	create(t, s, m) // s has the lock file open
	if err := os.Remove(filepath.Join(dir, "locks", m.Key.String()[:2])); err != nil {
		t.Fatal(err)
	}
	holder := holdLock(t, dir, m.Key) // another process, on a new file
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if err := s.Delete(short, m.Key); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Delete went on without the lock: %v", err)
	}
	if err := holder.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(ctx, m.Key); err != nil {
		t.Error(err)
	}
}
