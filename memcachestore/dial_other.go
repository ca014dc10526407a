//go:build !unix

package memcachestore

import "syscall"

// quietness has no answer here: a dead connection shows when it is used.
func quietness(syscall.RawConn) func() bool { return nil }
