package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"unsafe"
)

// This file is compiled in every test run and has not been run.

const (
	openNonblock = 0 // a pipe is not found by a name in a folder
	canSyncDir   = false
)

func ignoreUnsupportedSync(err error) error { return err }

// checkDir: who may write is said by access lists, which mode bits do not show.
func checkDir(name string, fi fs.FileInfo) error {
	if !fi.IsDir() {
		return fmt.Errorf("filestore: %s is not a directory: remove it, or name another directory", name)
	}
	return nil
}

// The syscall package has no locks for Windows. Reading two addresses out of a
// system library is what it does itself for others.
var (
	kernel32         = syscall.NewLazyDLL("kernel32.dll")
	procLockFileEx   = kernel32.NewProc("LockFileEx")
	procUnlockFileEx = kernel32.NewProc("UnlockFileEx")
)

const (
	lockfileFailImmediately = 1
	lockfileExclusiveLock   = 2
	wholeFile               = ^uint32(0)

	errorLockViolation = syscall.Errno(33)
	errorIOPending     = syscall.Errno(997)
)

type osLock struct{ f *os.File }

// control runs call with the handle, which cannot be closed meanwhile.
func (l osLock) control(call func(handle uintptr) error) error {
	conn, err := l.f.SyscallConn()
	if err != nil {
		return err
	}
	var callErr error
	if err := conn.Control(func(handle uintptr) { callErr = call(handle) }); err != nil {
		return err
	}
	return callErr
}

func (l osLock) tryLock() (bool, error) {
	err := l.control(func(handle uintptr) error {
		var at syscall.Overlapped // from the file's start
		ok, _, err := procLockFileEx.Call(handle, lockfileFailImmediately|lockfileExclusiveLock, 0,
			uintptr(wholeFile), uintptr(wholeFile), uintptr(unsafe.Pointer(&at)))
		if ok != 0 {
			return nil
		}
		return err
	})
	if errors.Is(err, errorLockViolation) || errors.Is(err, errorIOPending) {
		return false, nil
	}
	return err == nil, err
}

func (l osLock) unlock() error {
	return l.control(func(handle uintptr) error {
		var at syscall.Overlapped
		ok, _, err := procUnlockFileEx.Call(handle, 0, uintptr(wholeFile), uintptr(wholeFile), uintptr(unsafe.Pointer(&at)))
		if ok != 0 {
			return nil
		}
		return err
	})
}

// removed: the clean-up by age that could meet a lock file does not exist there.
func (l osLock) removed() (bool, error) { return false, nil }

func (l osLock) close() error { return l.f.Close() }
