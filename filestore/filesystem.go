package filestore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// fileSystem is all that the store asks of the operating system, so that a test can
// see the order of the calls, let one fail, and cut the power after any of them.
// Names are relative to the store's directory and use slashes.
type fileSystem interface {
	mkdir(name string) error // mode 0700
	// create makes a file, mode 0600, and fails if the name is taken by anything.
	create(name string) (file, error)
	// read appends a regular file's content to buf. It follows no link out of the
	// directory and never waits, whatever has the name.
	read(name string, buf []byte) ([]byte, error)
	exists(name string) (bool, error) // of any kind; links are not followed
	rename(from, to string) error
	remove(name string) error
	setTime(name string, t time.Time) error
	names(dir string) ([]string, error) // sorted
	syncDir(dir string) error
	openLock(name string) (lockFile, error)
	close() error
}

type file interface {
	io.WriteCloser
	Sync() error
}

type lockFile interface {
	tryLock() (bool, error) // false: somebody else has it
	unlock() error
	removed() (bool, error) // the file has no name any more
	close() error
}

// maxFile bounds what is read into memory for a file that somebody else put there.
const maxFile = 64 << 20

// rootFS is the real one. All of it goes through one os.Root, so that links cannot
// lead out of the directory, even if it is moved, or if its path leads elsewhere
// later. It costs one more open for each call; a Root for each folder would cost 256
// descriptors and go stale when somebody tidies away an empty folder.
type rootFS struct {
	root   *os.Root
	direct *direct // nil: there is none
}

func (r rootFS) mkdir(name string) error {
	if err := r.root.Mkdir(name, 0o700); err != nil {
		return err
	}
	return r.root.Chmod(name, 0o700) // the umask may have taken something away
}

func (r rootFS) create(name string) (file, error) {
	f, err := r.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(0o600); err != nil { // the umask, again
		_ = f.Close()
		_ = r.root.Remove(name)
		return nil, err
	}
	return f, nil
}

func (r rootFS) read(name string, buf []byte) ([]byte, error) {
	if b, ok, err := r.direct.read(name, buf); ok {
		return b, err
	}
	f, err := r.root.OpenFile(name, os.O_RDONLY|openNonblock, 0)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			// A link that leads out or a socket does not open.
			if fi, serr := r.root.Lstat(name); serr == nil && !fi.Mode().IsRegular() {
				return nil, errNotRegular
			}
		}
		return nil, err
	}
	defer f.Close() // only read
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, errNotRegular
	}
	if fi.Size() > maxFile {
		return nil, errTooLarge
	}
	start, size := len(buf), int(fi.Size())
	buf = slices.Grow(buf, size)[:start+size]
	// Files do not change once they have their name: this is one read.
	n, err := io.ReadFull(f, buf[start:])
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	return buf[:start+n], nil // somebody cut it short: the checksum will tell
}

func (r rootFS) exists(name string) (bool, error) {
	_, err := r.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func (r rootFS) rename(from, to string) error { return r.root.Rename(from, to) }

func (r rootFS) remove(name string) error { return r.root.Remove(name) }

func (r rootFS) setTime(name string, t time.Time) error { return r.root.Chtimes(name, t, t) }

func (r rootFS) names(dir string) ([]string, error) {
	f, err := r.root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

func (r rootFS) syncDir(dir string) error {
	if !canSyncDir {
		return nil
	}
	f, err := r.root.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close() // only read
	return ignoreUnsupportedSync(f.Sync())
}

func (r rootFS) openLock(name string) (lockFile, error) {
	f, err := r.root.OpenFile(name, os.O_RDWR|os.O_CREATE|openNonblock, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		if err := r.mkdir(locksDir); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		f, err = r.root.OpenFile(name, os.O_RDWR|os.O_CREATE|openNonblock, 0o600)
	}
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file: remove it", name)
	}
	if err == nil {
		err = f.Chmod(0o600)
	}
	if err == nil {
		// Not synced, not even necessary: the lock notices if it is removed.
		_ = r.setTime(name, farFuture)
		return osLock{f}, nil
	}
	_ = f.Close()
	return nil, err
}

func (r rootFS) close() error {
	r.direct.close()
	return r.root.Close()
}

// openDir makes and checks the store's directory.
func openDir(dir string, o Options) (_ fileSystem, err error) {
	if dir == "" {
		return nil, errors.New("filestore: open: no directory given: name the one that the sessions go to")
	}
	if err := mkdirAll(dir, !o.NoSync); errors.Is(err, fs.ErrNotExist) { // what failed says of it is true of an open store only
		return nil, fmt.Errorf("filestore: make directory: %w", err)
	} else if err != nil {
		return nil, failed("make directory", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, failed("open directory", err)
	}
	defer func() {
		if err != nil {
			_ = root.Close() // the error at hand says more
		}
	}()
	r := rootFS{root: root}
	fi, err := root.Stat(".")
	if err != nil {
		return nil, failed("open directory", err)
	}
	problems := []error{checkDir(dir, fi)}
	if !o.InsecureNetworkFS {
		problems = append(problems, checkLocal(root, dir))
	}
	// Others must not be able to write to the folders in it either.
	names, err := r.names(".")
	if err != nil {
		return nil, failed("open directory", err)
	}
	for _, name := range names {
		if !isFolder(name) && name != locksDir && name != subjectsDir {
			continue
		}
		fi, err := root.Lstat(name)
		if err != nil {
			return nil, failed("open directory", err)
		}
		problems = append(problems, checkDir(filepath.Join(dir, name), fi))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	r.direct = openDirect(root)
	return r, nil
}

// mkdirAll makes dir and what is missing above it, and syncs the entries.
func mkdirAll(dir string, sync bool) error {
	fi, err := os.Stat(dir)
	if err == nil {
		if !fi.IsDir() {
			return fmt.Errorf("%s is not a directory: name another, or remove it", dir)
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := mkdirAll(parent, sync); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		if errors.Is(err, fs.ErrExist) { // another process was faster
			return nil
		}
		return err
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return err
	}
	if !sync || !canSyncDir {
		return nil
	}
	f, err := os.Open(parent)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return nil // a parent may be entered without being read; then its owner answers for it
		}
		return err
	}
	defer f.Close() // only read
	return ignoreUnsupportedSync(f.Sync())
}
