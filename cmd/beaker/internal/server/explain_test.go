// White-box, because root, whom tests may run as, is refused nothing.
package server

import (
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestWhatTheSystemRefusesIsExplained(t *testing.T) {
	listen := func(err error) error {
		return explainListen("localhost:80", &net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", err)})
	}
	file := func(err error) error { return explainData(&fs.PathError{Op: "mkdir", Path: "data", Err: err}) }
	for _, tc := range []struct {
		err  error
		want string
	}{
		{listen(syscall.EADDRINUSE), "--addr localhost:0 takes any free port"},
		{listen(syscall.EACCES), "ports below 1024 are for root"},
		{listen(syscall.EADDRNOTAVAIL), "an address of this machine"},
		{listen(syscall.EMFILE), "--addr chooses another address"},
		{file(syscall.EACCES), "get the right to write there"},
		{file(syscall.EROFS), "get the right to write there"},
		{file(syscall.ENOTDIR), "take away what is in the way"},
	} {
		if !strings.Contains(tc.err.Error(), tc.want) {
			t.Errorf("want %q in: %v", tc.want, tc.err)
		}
	}
}
