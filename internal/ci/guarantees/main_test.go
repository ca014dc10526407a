package main // run is the whole program; there is nothing to import

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker/storetest"
)

func report(t *testing.T, dir, store string, status storetest.Status) {
	t.Helper()
	r := &storetest.Report{Store: store, Rows: []storetest.Row{{Promise: "No lost update", Status: status, Checks: 1}}}
	b, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, store+".json"), b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestTheTableFollowsTheReports(t *testing.T) {
	dir, readme := t.TempDir(), filepath.Join(t.TempDir(), "README.md")
	text := "# T\n" + begin + "\nold\n" + end + "\nrest\n"
	if err := os.WriteFile(readme, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(dir, readme, true); err == nil {
		t.Error("no report, no error: an empty table would be a claim")
	}
	report(t, dir, "storetest Reference", storetest.NotKept)
	report(t, dir, "zstore", storetest.Kept)
	report(t, dir, "filestore", storetest.Kept)
	report(t, dir, "memstore", storetest.Kept)
	if err := run(dir, readme, false); err == nil {
		t.Error("an old table passes")
	}
	if b, _ := os.ReadFile(readme); string(b) != text {
		t.Error("comparing has changed the file")
	}
	if err := run(dir, readme, true); err != nil {
		t.Fatal(err)
	}
	b, _ := os.ReadFile(readme)
	if s := string(b); !strings.Contains(s, "| Promise | memstore | filestore | zstore |") ||
		!strings.HasPrefix(s, "# T\n") || !strings.HasSuffix(s, end+"\nrest\n") || strings.Contains(s, "old") {
		t.Errorf("got\n%s", s)
	}
	if err := run(dir, readme, false); err != nil {
		t.Errorf("the table that was just written does not pass: %v", err)
	}
	report(t, dir, "memstore", storetest.NotKept)
	if err := run(dir, readme, false); err == nil {
		t.Error("a promise that is not kept any more passes")
	}
	if err := os.WriteFile(filepath.Join(dir, "x.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(dir, readme, false); err == nil {
		t.Error("a broken report passes")
	}
}

func TestAFileWithoutMarkersIsAnError(t *testing.T) {
	for _, text := range []string{"", begin, begin + "\n", end + "\n" + begin + "\n"} {
		if _, err := place([]byte(text), "x"); !errors.Is(err, errNoMarkers) {
			t.Errorf("%q: got %v", text, err)
		}
	}
}
