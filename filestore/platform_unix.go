//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

const (
	// openNonblock keeps the open of a pipe from waiting for its other end.
	openNonblock = syscall.O_NONBLOCK
	canSyncDir   = true
)

// ignoreUnsupportedSync accepts that a file system cannot sync a folder, which it
// says with EINVAL; then it has nothing to sync, or nothing that anybody could do.
func ignoreUnsupportedSync(err error) error {
	if errors.Is(err, syscall.EINVAL) {
		return nil
	}
	return err
}

// checkDir refuses what others own or can write to. CVE-2019-16354.
func checkDir(name string, fi fs.FileInfo) error {
	if !fi.IsDir() {
		return fmt.Errorf("filestore: %s is not a directory: remove it, or name another directory", name)
	}
	var problems []error
	if st, ok := fi.Sys().(*syscall.Stat_t); ok && int64(st.Uid) != int64(os.Geteuid()) {
		problems = append(problems, fmt.Errorf("filestore: %s belongs to user %d, this process runs as %d: chown it, or name another directory", name, st.Uid, os.Geteuid()))
	}
	if perm := fi.Mode().Perm(); perm&0o022 != 0 {
		problems = append(problems, fmt.Errorf("filestore: %s can be written to by others (mode %04o), who could then sign in as anybody: chmod go-w it", name, perm))
	}
	return errors.Join(problems...)
}

type osLock struct{ f *os.File }

// The descriptor is only asked for inside Control, so that it cannot be closed, and
// its number given to another file, while it is used.
func (l osLock) flock(how int) error {
	conn, err := l.f.SyscallConn()
	if err != nil {
		return err
	}
	var lockErr error
	if err := conn.Control(func(fd uintptr) {
		for {
			if lockErr = syscall.Flock(int(fd), how); !errors.Is(lockErr, syscall.EINTR) {
				return
			}
		}
	}); err != nil {
		return err
	}
	return lockErr
}

func (l osLock) tryLock() (bool, error) {
	err := l.flock(syscall.LOCK_EX | syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

func (l osLock) unlock() error { return l.flock(syscall.LOCK_UN) }

func (l osLock) removed() (bool, error) {
	fi, err := l.f.Stat()
	if err != nil {
		return false, err
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && st.Nlink == 0, nil
}

func (l osLock) close() error { return l.f.Close() }
