package backend_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/cmd/beaker/internal/backend"
	"github.com/seed12c5fab1/beaker/filestore"
	"github.com/seed12c5fab1/beaker/memstore"
)

func TestOpenGivesTheStoreThatWasNamed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a:b") // only the first colon separates
	for spec, is := range map[string]func(beaker.Store) bool{
		"memory":      func(s beaker.Store) bool { _, ok := s.(*memstore.Store); return ok },
		"file:" + dir: func(s beaker.Store) bool { _, ok := s.(*filestore.Store); return ok },
	} {
		var cfg beaker.Config
		c, err := backend.Open(spec, &cfg)
		if err != nil {
			t.Fatalf("%s: %v", spec, err)
		}
		if !is(cfg.Store) {
			t.Errorf("%s: got a %T", spec, cfg.Store)
		}
		if err := c.Close(); err != nil {
			t.Errorf("%s: Close: %v", spec, err)
		}
		if _, err := cfg.Store.Load(t.Context(), beaker.RecordKey{1}); err == nil || !strings.Contains(err.Error(), "closed") {
			t.Errorf("%s: after Close: %v", spec, err)
		}
	}
	if _, err := os.Stat(dir); err != nil {
		t.Error(err)
	}
}

func TestOpenSaysWhatIsWrongAndNoPassword(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for spec, want := range map[string]string{
		"":                              "use one of",
		"redis":                         `unknown store "redis"`,
		"nosql://user:hunter2@host/db":  `unknown store "nosql"`,
		"memory:hunter2":                "nothing after the colon",
		"file":                          "which folder?",
		"file:":                         "which folder?",
		"file:" + file:                  "store file: ",
		"File:/somewhere/that/is/there": "unknown store",
	} {
		var cfg beaker.Config
		c, err := backend.Open(spec, &cfg)
		switch {
		case err == nil:
			t.Errorf("%q: no error", spec)
			_ = c.Close()
		case !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2"):
			t.Errorf("%q: %v", spec, err)
		case strings.Contains(want, "unknown") && !strings.Contains(err.Error(), backend.Forms()):
			t.Errorf("%q: it does not list what is possible: %v", spec, err)
		}
	}
}
