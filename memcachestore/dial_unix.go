//go:build unix

package memcachestore

import "syscall"

// quietness returns a function that reports whether a connection is open and has
// nothing to read. It does not wait.
func quietness(raw syscall.RawConn) func() bool {
	var one [1]byte
	quiet := false
	look := func(fd uintptr) bool {
		for {
			_, err := syscall.Read(int(fd), one[:])
			if err == syscall.EINTR {
				continue
			}
			quiet = err == syscall.EAGAIN
			return true
		}
	}
	return func() bool {
		quiet = false
		return raw.Read(look) == nil && quiet
	}
}
