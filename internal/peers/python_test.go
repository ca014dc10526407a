package peers

import (
	"bufio"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// python is the system's: Debian's packages are not seen by others.
const python = "/usr/bin/python3"

func openPython(t *testing.T, g *gates) *site {
	t.Helper()
	control := httptest.NewServer(g)
	t.Cleanup(control.Close)
	f := &files{dir: filepath.Join(t.TempDir(), "sessions")}
	mustMkdir(t, f.dir)
	cmd := exec.CommandContext(t.Context(), python, "testdata/app.py", f.dir, control.URL)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("install python3-beaker: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()         // it was killed
	})
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("install python3-beaker: the application did not start: %v", err)
	}
	return &site{
		url: "http://127.0.0.1:" + strings.TrimSpace(port), cookie: "beaker.session.id", breaks: f.breaks, writes: f.written,
		ids: func(t *testing.T) (ids []string) {
			t.Helper()
			for path := range f.all(t) {
				if name, ok := strings.CutSuffix(filepath.Base(path), ".cache"); ok {
					ids = append(ids, name)
				}
			}
			return ids
		},
	}
}

func pythonVersion(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), python, "-c", "import beaker; print(beaker.__version__)").Output()
	if err != nil {
		t.Fatalf("install python3-beaker: %v", err)
	}
	return strings.TrimSpace(string(out))
}

func mustMkdir(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
}
