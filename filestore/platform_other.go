//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd || windows)

package filestore

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
)

const (
	openNonblock = 0
	canSyncDir   = false
)

func ignoreUnsupportedSync(err error) error { return err }

// checkDir refuses: a store without locks would lose writes.
func checkDir(string, fs.FileInfo) error {
	return errors.New("filestore: not supported on " + runtime.GOOS + ", which has no file locks that this package knows: choose another store")
}

type osLock struct{ f *os.File }

var errNoLocks = errors.New("no file locks on " + runtime.GOOS)

func (l osLock) tryLock() (bool, error) { return false, errNoLocks }
func (l osLock) unlock() error          { return errNoLocks }
func (l osLock) removed() (bool, error) { return false, nil }
func (l osLock) close() error           { return l.f.Close() }
