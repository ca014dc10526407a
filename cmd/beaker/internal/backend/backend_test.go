package backend_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/cmd/beaker/internal/backend"
	"github.com/seed12c5fab1/beaker/filestore"
	"github.com/seed12c5fab1/beaker/memstore"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

// private returns a folder that is as openData leaves the data folder, whatever the
// umask is.
func private(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func isType[T beaker.Store](s beaker.Store) bool { _, ok := s.(T); return ok }

func TestOpenGivesTheStoreThatWasNamed(t *testing.T) {
	data := private(t)
	dir := filepath.Join(data, "a:b") // only the first colon separates
	for spec, tc := range map[string]struct {
		is    func(beaker.Store) bool
		place string
	}{
		"memory":                  {isType[*memstore.Store], "memory"},
		"file:" + dir:             {isType[*filestore.Store], dir},
		"cookie":                  {isType[*filestore.Store], filepath.Join(data, "revoked")},
		"sqlite:" + dir + "/x?y#": {isType[*sqlstore.Store], dir + "/x?y#"},
	} {
		var cfg beaker.Config
		b, err := backend.Open(t.Context(), spec, data, &cfg)
		if err != nil {
			t.Fatalf("%s: %v", spec, err)
		}
		store := cfg.Store
		if spec == "cookie" {
			if store != nil || cfg.Sealed == nil || cfg.Sealed.AllowReplay {
				t.Fatalf("cookie: %+v", cfg)
			}
			store = cfg.Sealed.Revoker
		}
		if !tc.is(store) || !strings.Contains(b.Place(), tc.place) {
			t.Errorf("%s: got a %T in %s", spec, store, b.Place())
		}
		if _, err := store.Load(t.Context(), beaker.RecordKey{1}); !errors.Is(err, beaker.ErrNotFound) {
			t.Errorf("%s: Load: %v", spec, err)
		}
		for range 2 {
			if err := b.Close(); err != nil {
				t.Errorf("%s: Close: %v", spec, err)
			}
		}
		if _, err := store.Load(t.Context(), beaker.RecordKey{1}); !errors.Is(err, beaker.ErrClosed) {
			t.Errorf("%s: after Close: %v", spec, err)
		}
	}
	for _, name := range []string{dir, filepath.Join(data, "revoked"), dir + "/x?y#"} {
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
}

func TestOpenSaysWhatIsWrongAndNoPassword(t *testing.T) {
	t.Setenv("MYSQL_PWD", "hunter2")
	t.Setenv("REDISCLI_AUTH", "hunter2")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(strings.Repeat("no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for spec, want := range map[string]string{
		"":                              "use one of",
		"nosql":                         `unknown store "nosql"`,
		"nosql://user:hunter2@host/db":  `unknown store "nosql"`,
		"user=u password=hunter2":       "unknown store: use one of",
		"hunter2@tcp(localhost)/db":     "unknown store: use one of",
		"memory:hunter2":                "nothing after the colon",
		"cookie:hunter2":                "nothing after the colon",
		"file":                          "which folder?",
		"file:":                         "which folder?",
		"file:" + file:                  "store file: ",
		"File:/somewhere/that/is/there": "unknown store",
		"sqlite":                        "which file?",
		"sqlite:":                       "which file?",
		"sqlite::memory:":               "--store memory",
		"sqlite:" + filepath.Dir(file):  "is not a file",
		"sqlite:" + file + "/db":        "not a directory",
		"sqlite:" + file:                "not an SQLite database",

		"sqlite://beaker-data/sessions.db": "without //",
		"sqlite:///srv/sessions.db":        "without //",

		"postgres":                               "postgres://USER:PASSWORD@HOST",
		"postgres:u:hunter2@localhost/db":        "postgres://USER:PASSWORD@HOST",
		"postgres://u:hunter2@localhost:x/db":    "the form is",
		"postgres://u:hun/ter2@localhost/db":     "%2F for /",
		"postgres://u:12@hunter2@localhost/db":   "%40 for @",
		"mysql://u:12@hunter2@localhost/db":      "%40 for @",
		"postgres://u:12/hunter2@localhost/db":   "%2F for /",
		"postgres://u:12?hunter2@localhost/db":   "%2F for /",
		"postgres://u:12#hunter2@localhost/db":   "%2F for /",
		"postgres://u:hunter2%zz@localhost/db":   "the form is",
		"postgresql://u@h/db?sslmode=hunter2":    "store postgresql: ",
		"mysql":                                  "mysql://USER:PASSWORD@HOST",
		"mysql:u:hunter2@tcp(localhost)/db":      "mysql://USER:PASSWORD@HOST",
		"mysql://u:hunter2@tcp(localhost:1)/db":  "the form is",
		"mysql://u:hunter2@localhost:x/db":       "the form is",
		"mysql://u:hunter2@localhost":            "/DATABASE",
		"mysql://u:12/hunter2@localhost/db":      "%2F for /",
		"mysql://u:12?hunter2@localhost/db":      "%2F for /",
		"mysql://u:hunter2%zz@localhost/db":      "the form is",
		"mysql://u@localhost/db?timeout=hunter2": "the form is",
		"mysql://u@localhost/db?tls=hunter2":     "the form is",
		"mariadb://u:hunter2@localhost/":         "store mariadb: ",

		// Nothing listens there: it is the port for multiplexing, and Unix has no such
		// service any more.
		"postgres://u:hunter2@127.0.0.1:1/db":  "check that the server runs",
		"postgres://u:hunter2@nowhere.invalid": "check that the DSN has the server's name",
		"mysql://u:hunter2@127.0.0.1:1/db":     "check that the server runs",
		"mysql://u@127.0.0.1:1/db?tls=true":    "check that the server runs",
		"mysql://u:hunter2@nowhere.invalid/db": "check that the DSN has the server's name",

		"redis":                                "redis://USER:PASSWORD@HOST",
		"redis:u:hunter2@localhost":            "redis://USER:PASSWORD@HOST",
		"redis://":                             "redis://USER:PASSWORD@HOST",
		"redis://u:hunter2@localhost:x":        "the form is",
		"redis://u:hun/ter2@localhost":         "%2F for /",
		"redis://u:12?hunter2@localhost":       "%2F for /",
		"redis://u:12#hunter2@localhost":       "%2F for /",
		"redis://u:hunter2%zz@localhost":       "the form is",
		"redis://u@localhost/hunter2":          "the form is",
		"redis://u@localhost?password=hunter2": "parameter",
		"redis://u:hunter2@127.0.0.1:1":        "check that the server runs",
		"rediss://u:hunter2@nowhere.invalid":   "check that the server runs",
	} {
		var cfg beaker.Config
		b, err := backend.Open(t.Context(), spec, filepath.Join(file, "data"), &cfg)
		switch {
		case err == nil:
			t.Errorf("%q: no error", spec)
			_ = b.Close()
		case !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "ter2@"):
			t.Errorf("%q: %v", spec, err)
		case strings.Contains(want, "unknown") && !strings.Contains(err.Error(), backend.Forms()):
			t.Errorf("%q: it does not list what is possible: %v", spec, err)
		case cfg.Store != nil || cfg.Sealed != nil:
			t.Errorf("%q: a store besides the error", spec)
		}
	}
}

// A server that takes connections and says nothing, as a firewall may look.
func TestServerThatDoesNotAnswerIsGivenUp(t *testing.T) {
	for _, scheme := range []string{"postgres", "mysql", "redis"} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		// The start is limited by the context that it is given, too: this test does not
		// wait for the limit that Open adds.
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			cancel() // while the driver waits for an answer
			<-t.Context().Done()
			_ = conn.Close()
		}()
		done := make(chan error, 1)
		go func() {
			var cfg beaker.Config
			_, err := backend.Open(ctx, scheme+"://u:hunter2@"+ln.Addr().String()+"/1", t.TempDir(), &cfg)
			done <- err
		}()
		select {
		case err = <-done:
		case <-time.After(30 * time.Second):
			t.Fatalf("%s: it waits", scheme)
		}
		if ctx.Err() == nil {
			t.Errorf("%s: nobody came", scheme)
		}
		if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "store "+scheme) {
			t.Errorf("%s: %v", scheme, err)
		}
		_ = ln.Close()
	}
}

func TestSQLiteFilesAreForTheOwnerOnly(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // modes say nothing there
	}
	dir := filepath.Join(t.TempDir(), "new")
	path := filepath.Join(dir, "sessions.db")
	for range 2 { // it is made, then it is there
		var cfg beaker.Config
		b, err := backend.Open(t.Context(), "sqlite:"+path, "", &cfg)
		if err != nil {
			t.Fatal(err)
		}
		// Revoking writes, so all files are there.
		if _, err := cfg.Store.(beaker.SubjectRevoker).RevokeSubject(t.Context(), "alice", 1); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]os.FileMode{dir: 0o700 | os.ModeDir, path: 0o600, path + "-wal": 0o600, path + "-shm": 0o600} {
			info, err := os.Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode() != want {
				t.Errorf("%s has mode %v, want %v", name, info.Mode(), want)
			}
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, tc := range []struct {
		name string
		mode os.FileMode
		want string
	}{
		{path, 0o640, "chmod 600 it"},
		{path, 0o602, "chmod 600 it"},
		{dir, 0o720, "chmod go-w it"},
		{dir, 0o702, "chmod go-w it"},
	} {
		info, err := os.Stat(tc.name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(tc.name, tc.mode); err != nil {
			t.Fatal(err)
		}
		var cfg beaker.Config
		b, err := backend.Open(t.Context(), "sqlite:"+path, "", &cfg)
		if err == nil {
			_ = b.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s with mode %04o: %v", tc.name, tc.mode, err)
		}
		if err := os.Chmod(tc.name, info.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
}
