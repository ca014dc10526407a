//go:build !plan9

package filestore

import (
	"errors"
	"io/fs"
	"syscall"
)

// remedy says what an operator can do about an error of the operating system.
func remedy(err error) string {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return "the disk is full, or has no inodes left: make room; df and df -i show it"
	case errors.Is(err, syscall.EDQUOT):
		return "the user's disk quota is used up: raise it or make room"
	case errors.Is(err, syscall.EROFS):
		return "the file system is mounted read-only: mount it for writing or choose another directory"
	case errors.Is(err, syscall.EIO):
		return "the disk reports an error: look at the system's log"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "too many open files: raise the limit (ulimit -n); a store holds up to 257"
	case errors.Is(err, fs.ErrPermission):
		return "the process must own the directory and everything in it"
	case errors.Is(err, fs.ErrNotExist):
		return "the store's directory was removed while it was in use: restart the process"
	}
	return ""
}
