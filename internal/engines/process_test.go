//go:build linux

package engines

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// PostgreSQL's processes leave the server's group.
func TestChildrenOfAnotherGroupAreKilledToo(t *testing.T) {
	dir := t.TempDir()
	said := filepath.Join(dir, "child")
	var child int
	p, err := Start(t.Context(), Spec{
		Dir:  dir,
		Args: []string{"/bin/sh", "-c", `setsid sleep 1000 & echo $! >child.new; mv child.new child; wait`},
		Ready: func(context.Context) error {
			b, err := os.ReadFile(said)
			if err == nil {
				child, err = strconv.Atoi(strings.TrimSpace(string(b)))
			}
			if err != nil {
				return err
			}
			group, err := syscall.Getpgid(child)
			if err == nil && group != child {
				err = os.ErrNotExist // setsid is not through
			}
			return err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Pause()
	if s, _ := status(child); s != "T" {
		t.Errorf("a child of a paused server has state %q, want T", s)
	}
	p.Resume()
	p.Kill()
	if s, _ := status(child); s != "" && s != "Z" {
		t.Errorf("a child of a killed server has state %q", s)
	}
}
