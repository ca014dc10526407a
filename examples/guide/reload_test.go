//go:build unix

package guide

import (
	"bytes"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/seed12c5fab1/beaker"
)

// lines hands over each line that is logged.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(bytes.TrimSpace(p))
	return len(p), nil
}

func TestSecretsAreReadAgainAtAHangup(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secrets")
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	id := func(line string) string { id, _, _ := strings.Cut(line, ":"); return id }
	older, newer := beaker.NewSecret(), beaker.NewSecret()
	put(older + "\n")
	secrets, err := beaker.SecretsFromFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before := slog.Default()
	logged := make(lines, 1)
	slog.SetDefault(slog.New(slog.NewTextHandler(logged, nil)))
	defer slog.SetDefault(before)
	hangup := reloadOnHangup(secrets)
	defer close(hangup)
	defer signal.Stop(hangup)
	send := func() {
		t.Helper()
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}

	put("no secret\n")
	send()
	if line := <-logged; !strings.Contains(line, "the old secrets stay") || strings.Contains(line, "no secret") {
		t.Errorf("the log is %s", line)
	}
	if got := secrets.IDs(); !slices.Equal(got, []string{id(older)}) {
		t.Errorf("after a file that is no good the secrets are %v", got)
	}

	put(newer + "\n" + older + "\n")
	send()
	want := []string{id(newer), id(older)}
	for !slices.Equal(secrets.IDs(), want) { // or the test's own deadline
		runtime.Gosched()
	}
}
